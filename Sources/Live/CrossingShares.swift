import Tables

/// How much of the rings to other workers each port of one worker uses.
///
/// A ring that is half full takes no more of a port that has its share in it, so a guest that hands
/// over more than another worker takes fills at most the half that is for whoever comes first. The
/// producer keeps the account alone: packets leave a ring in the order in which they came.
@usableFromInline @safe
struct CrossingShares: ~Copyable {
  /// Packets that a port may always have in a ring, and the uplink, which brings those of many.
  @usableFromInline static var share: UInt32 { 64 }
  @usableFromInline static var uplinkShare: UInt32 { 256 }

  @usableFromInline let portCount: Int
  @usableFromInline let capacity: Int
  /// Of each target: packets that were handed over, those that others may see, and those that are
  /// known to be taken.
  @usableFromInline let begun: WorkerMemory<UInt64>
  @usableFromInline let published: WorkerMemory<UInt64>
  @usableFromInline let ended: WorkerMemory<UInt64>
  /// The ports of packets under way, by target and place.
  @usableFromInline let ports: WorkerMemory<UInt16>
  /// Packets under way by target and port.
  @usableFromInline let underWay: WorkerMemory<UInt32>

  /// - Parameter capacity: of each ring, a power of two.
  @usableFromInline init(targets: Int, portCount: Int, capacity: Int) {
    self.portCount = portCount
    self.capacity = capacity
    begun = WorkerMemory(count: targets)
    published = WorkerMemory(count: targets)
    ended = WorkerMemory(count: targets)
    ports = WorkerMemory(count: targets * capacity)
    underWay = WorkerMemory(count: targets * portCount)
  }

  deinit {
    begun.deallocate()
    published.deallocate()
    ended.deallocate()
    ports.deallocate()
    underWay.deallocate()
  }

  /// Whether a port may hand another packet to a target.
  ///
  /// - Parameter waiting: how many of those that the target may see it has not taken; asked only
  ///   when the ring may be half full.
  /// - Complexity: O(1), amortised over the packets.
  @inlinable @inline(__always)
  func admits(_ target: Int, port: Int, waiting: () -> Int) -> Bool {
    if begun[target] &- ended[target] < UInt64(capacity / 2) { return true }
    settle(target, waiting: waiting())
    if begun[target] &- ended[target] < UInt64(capacity / 2) { return true }
    return underWay[target &* portCount &+ port] < (port == 0 ? Self.uplinkShare : Self.share)
  }

  /// Notes a packet that was put into the ring.
  @inlinable @inline(__always)
  func begin(_ target: Int, port: Int) {
    let place = Int(truncatingIfNeeded: begun[target]) & (capacity &- 1)
    ports[target &* capacity &+ place] = UInt16(truncatingIfNeeded: port)
    underWay[target &* portCount &+ port] &+= 1
    begun[target] &+= 1
  }

  /// Notes that the target may see all packets so far.
  @inlinable @inline(__always)
  func publish(_ target: Int) { published[target] = begun[target] }

  /// Takes those off the account that the target has taken.
  @inlinable @inline(never)
  func settle(_ target: Int, waiting: Int) {
    let taken = published[target] &- UInt64(truncatingIfNeeded: waiting)
    while ended[target] < taken {
      let place = Int(truncatingIfNeeded: ended[target]) & (capacity &- 1)
      let port = Int(ports[target &* capacity &+ place])
      underWay[target &* portCount &+ port] &-= 1
      ended[target] &+= 1
    }
  }
}

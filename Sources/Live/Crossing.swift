import Datapath
import LockFree
import Tables

/// The way by which one worker hands packets to another: a bounded ring, of which no NIC takes more
/// than it leaves to others.
///
/// A NIC may have as many packets in the ring as there are free slots (dynamic thresholds:
/// Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). So one alone gets half of
/// the ring, of two that take all they can each gets a third, and there is room for one more that
/// has nothing in it yet. A handle: copies are the same way.
@frozen @usableFromInline @safe
struct Crossing: Sendable {
  /// What the producer knows of a share: packets that were handed over, and how many of them the
  /// consumer took when it was looked at last. They wrap.
  @usableFromInline @frozen
  struct Account: BitwiseCopyable, Sendable {
    @usableFromInline var begun: UInt32
    @usableFromInline var ended: UInt32
  }

  /// Packets on their way.
  static var capacity: Int { 2_048 }

  @usableFromInline let ring: SPSCRing<Packet>
  /// Of each share; the producer's.
  @usableFromInline let accounts: WorkerMemory<Account>
  /// Packets of each share that were taken; the consumer's.
  @usableFromInline let taken: SharedMemory

  init(nicCapacity: Int) {
    ring = SPSCRing(capacity: Self.capacity)
    accounts = WorkerMemory(count: nicCapacity + 1)
    taken = SharedMemory(byteCount: (nicCapacity + 1) * 8)
  }

  func deallocate() {
    ring.deallocate()
    accounts.deallocate()
    taken.deallocate()
  }

  /// Packets that the consumer may take, as of some moment; any thread.
  @inlinable var count: Int { ring.count }

  // MARK: Producer

  /// The share of a NIC; that of packets without one for `.none`.
  @inlinable @inline(__always)
  func shareIndex(_ nic: TableIndex) -> Int { min(Int(nic), accounts.count &- 1) }

  /// Moves a packet into the ring; the consumer sees it after `publish`.
  ///
  /// - Parameters:
  ///   - source: an initialised packet whose share `share` is in `rule`; uninitialised when it was
  ///     taken.
  ///   - share: of the packet's NIC.
  /// - Returns: false when the NIC has as many packets in the ring as there is room; the packet
  ///   stays where it is.
  @unsafe @inlinable @inline(__always)
  func stage(_ source: UnsafeMutablePointer<Packet>, share: Int) -> Bool {
    let used = accounts[share].begun &- accounts[share].ended
    // The room is exact when it is not more than that, so that what was refused is refused rightly.
    if ring.room(wanted: Int(used) &+ 1) <= Int(used), !settles(share) { return false }
    accounts[share].begun &+= 1
    // Room for more than none.
    return unsafe ring.stage(source)
  }

  /// Looks how many packets of a share were taken, and whether there is room for another one then.
  @inlinable @inline(never)
  func settles(_ share: Int) -> Bool {
    look(share)
    let used = waiting(share)
    return ring.room(wanted: used &+ 1) > used
  }

  /// Packets of a share that were not taken when it was looked at last, and those since.
  @inlinable @inline(__always)
  func waiting(_ share: Int) -> Int { Int(accounts[share].begun &- accounts[share].ended) }

  /// Looks how many packets of a share were taken.
  @inlinable @inline(__always)
  func look(_ share: Int) {
    accounts[share].ended = UInt32(truncatingIfNeeded: taken.word(share).loadRelaxed())
  }

  /// Shows the consumer what was staged.
  @inlinable @inline(__always)
  func publish() { ring.publish() }

  // MARK: Consumer

  /// Moves the oldest packets out, as many as there are and fit; each is then given back by
  /// `finish`.
  ///
  /// - Parameter target: uninitialised.
  /// - Returns: how many from the first are initialised now.
  @unsafe @inlinable @inline(__always)
  func pop(into target: UnsafeMutableBufferPointer<Packet>) -> Int {
    unsafe ring.pop(into: target)
  }

  /// Gives a NIC the part of its share back that a packet had, which came with it.
  @inlinable @inline(__always)
  func finish(share: UInt32) { taken.word(Int(share)).add(1) }
}

import Datapath
import LockFree
import Tables

// How much a guest's port may bring in one round, so that no guest makes the others of its worker
// wait long: neither by packets that cost much, nor by more of them than the worker they are for
// gets done.

/// What a worker remembers of a port between two polls.
@frozen @usableFromInline
struct PortBurden: BitwiseCopyable {
  /// Packets since the last poll that cost more than one of a known connection.
  @usableFromInline var costly: UInt32 = 0
  /// Packets that it may bring beyond its next quantum, because it brought fewer before.
  @usableFromInline var credit: UInt32 = 0
  /// One more than the worker that has as many packets of this port as it may be left; 0 for none.
  @usableFromInline var waitsFor: UInt32 = 0
}

extension LiveWorker where IO: ~Copyable {
  /// Packets that a port may bring in a round while another guest's port brings some too: the
  /// judgement of a full burst takes several microseconds, which the other one's packets wait. What
  /// it leaves of them adds up to `mostCredit`, so that who is held up by something else catches
  /// up.
  @inlinable static var quantum: Int { 6 }
  /// A virtqueue of 256 descriptors, full: what the worker itself was kept from taking for a while.
  @inlinable static var mostCredit: Int { 256 }
  /// Packets of a port's credit that it may bring at once, and leave to another worker: a guest
  /// that saves credit up to spend it at once delays others no more than two quanta would.
  @inlinable static var catchUp: Int { 16 }
  /// For how long, in nanoseconds, two ports in turn count as such.
  @inlinable static var contendedTime: UInt64 { 10_000_000 }
  /// Packets that a port may bring at once while its packets cost much: a new connection costs up
  /// to ten times what a packet of a known one does.
  @inlinable static var costlyQuota: Int { 4 }
  /// The same while another guest's port brings some too.
  @inlinable static var contendedCostlyQuota: Int { 1 }
  /// Costly packets in one poll, after which they are a port's habit.
  @inlinable static var mostCostly: Int { 4 }
  /// For how long, in nanoseconds. Who alternates between cheap and costly bursts gets one full
  /// costly burst in so much time, which delays fewer than one in a thousand of a neighbour's
  /// packets.
  @inlinable static var costlyTime: UInt64 { 100_000_000 }
  /// Packets that a port may leave to another worker while another guest's port brings some too,
  /// and as many more as it has credit: who sends all it can has none, and its next packets wait
  /// in its own ring; who sends little is not held up by a worker that was away for a while.
  @inlinable static var contendedWaiting: Int { 2 }

  /// How many packets a port may bring now; 0 when it has to wait for another worker. The uplink,
  /// which is everybody's, may always bring a burst.
  ///
  /// Deficit round robin (Shreedhar and Varghese, SIGCOMM 1995), with time instead of a list of who
  /// is active.
  @unsafe @inlinable @inline(__always)
  mutating func pollQuota(_ port: Int, _ tables: UnsafePointer<LiveTables>) -> Int {
    if port == 0 { return Self.burstCapacity }
    burdens[port].costly = 0
    if burdens[port].waitsFor != 0, unsafe isWaiting(port, tables) { return 0 }
    if contendedUntil <= now && !isCostly(port) { return Self.burstCapacity }
    return contendedQuota(port)
  }

  @inlinable @inline(never)
  mutating func contendedQuota(_ port: Int) -> Int {
    if isCostly(port) {
      burdens[port].credit = 0
      return contendedUntil > now ? Self.contendedCostlyQuota : Self.costlyQuota
    }
    let credit = min(Self.mostCredit, Int(burdens[port].credit) &+ Self.quantum)
    burdens[port].credit = UInt32(truncatingIfNeeded: credit)
    return min(Self.catchUp, credit)
  }

  @inlinable @inline(__always)
  func isCostly(_ port: Int) -> Bool { shared.costlyUntil(port).loadRelaxed() > now }

  /// Packets of a port that another worker may be left.
  @inlinable @inline(__always)
  func mostWaiting(_ port: Int) -> Int {
    let isContended = contendedUntil > now
    if isCostly(port) { return isContended ? Self.contendedCostlyQuota : Self.costlyQuota }
    let waiting = Self.contendedWaiting &+ min(Self.catchUp, Int(burdens[port].credit))
    return isContended ? waiting : Self.burstCapacity
  }

  /// Notes that a port has brought so many packets.
  @inlinable @inline(__always)
  mutating func noteActive(_ port: Int, _ count: Int) {
    if port == 0 { return }
    let credit = Int(burdens[port].credit)
    burdens[port].credit = UInt32(truncatingIfNeeded: max(0, credit &- count))
    if port == lastActive { return }
    // The first of all is alone.
    if lastActive != 0 { contendedUntil = now &+ Self.contendedTime }
    lastActive = port
  }

  /// Counts a packet of a port that began a connection, was refused, or is for a service.
  @inlinable @inline(__always)
  mutating func noteCostly(_ slot: Int) {
    let port = Int(ports[slot])
    burdens[port].costly &+= 1
    if Int(burdens[port].costly) > Self.mostCostly && port != 0 { slowDown(port) }
  }

  /// Has all workers take little at once from a port for a while.
  @inlinable @inline(never)
  mutating func slowDown(_ port: Int) {
    burdens[port].costly = 0
    let word = shared.costlyUntil(port)
    // Others read it: written again only when half of the time is over.
    if word.loadRelaxed() < now &+ Self.costlyTime / 2 { word.store(now &+ Self.costlyTime) }
  }

  /// Notes that a guest's packet was left to another worker. Its port is not asked for more while
  /// many wait there: in the guest's own ring they are in nobody's way.
  @inlinable @inline(__always)
  mutating func noteHandOver(_ crossing: Crossing, share: Int, port: Int, to target: Int) {
    if port != 0 && crossing.waiting(share) >= mostWaiting(port) {
      burdens[port].waitsFor = UInt32(truncatingIfNeeded: target &+ 1)
    }
  }

  /// Whether the worker that a port waits for still has so many of its packets.
  @unsafe @inlinable @inline(never)
  mutating func isWaiting(_ port: Int, _ tables: UnsafePointer<LiveTables>) -> Bool {
    let crossing = shared.crossing(from: index, to: Int(burdens[port].waitsFor) &- 1)
    let share = unsafe crossing.shareIndex(tables.pointee.nic(of: port))
    crossing.look(share)
    if crossing.waiting(share) >= mostWaiting(port) { return true }
    burdens[port].waitsFor = 0
    return false
  }
}

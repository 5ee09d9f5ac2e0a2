import Datapath
import LockFree
import Tables
import Wire

/// What the workers of a host, their service thread and the control side share.
///
/// A handle, made and freed by the control side: copies are the same. Nothing in it locks.
@frozen @safe
public struct WorkerShared: @unchecked Sendable {
  public let workers: Int
  /// The uplink and all places for guests' ports.
  public let portCount: Int
  /// NICs that published tables may name.
  public let nicCapacity: Int
  /// Workers never sleep.
  public let isBusyPolling: Bool
  public let clock: PollClock
  public let counters: LiveCounters
  /// Number `workers` is the service thread.
  public let sleepers: Sleepers
  @usableFromInline let control: SharedMemory
  /// For each port, until when its packets are taken for costly; a word each.
  @usableFromInline let costlyTimes: SharedMemory
  @usableFromInline let quiescent: QuiescentState
  @usableFromInline let crossings: UnsafeMutablePointer<Crossing>
  @usableFromInline let channels: UnsafeMutablePointer<SlowPathChannel>
  /// Of each worker; nil without a flow log.
  let allNotes: UnsafeMutablePointer<PacketNotes>?

  /// - Parameter notedPackets: of each worker, that a flow log may be behind; a power of two, and 0
  ///   without a flow log.
  public init(
    workers: Int, portCount: Int, nicCapacity: Int, isBusyPolling: Bool = false,
    slowPath: SlowPathSizes = SlowPathSizes(), notedPackets: Int = 0,
    clock: PollClock = .calibrated()
  ) {
    self.workers = workers
    self.portCount = portCount
    self.nicCapacity = nicCapacity
    self.isBusyPolling = isBusyPolling
    self.clock = clock
    counters = LiveCounters(workers: workers, portCount: portCount, nicCapacity: nicCapacity)
    sleepers = Sleepers(count: workers + 1)
    control = SharedMemory(lines: 3 + 4 * workers)
    costlyTimes = SharedMemory(byteCount: portCount * 8)
    quiescent = QuiescentState(readers: workers)
    // SAFETY: every ring and channel is initialised here, and freed in `deallocate`.
    unsafe crossings = .allocate(capacity: workers * workers)
    for ring in 0..<workers * workers {
      unsafe (crossings + ring).initialize(to: Crossing(nicCapacity: nicCapacity))
    }
    unsafe channels = .allocate(capacity: workers)
    for worker in 0..<workers {
      unsafe (channels + worker).initialize(
        to: SlowPathChannel(nicCapacity: nicCapacity, sizes: slowPath))
    }
    unsafe allNotes = notedPackets == 0 ? nil : .allocate(capacity: workers)
    if let allNotes = unsafe allNotes {
      for worker in 0..<workers {
        unsafe (allNotes + worker).initialize(to: PacketNotes(capacity: notedPackets))
      }
    }
  }

  /// Has the rings from the workers backed with memory, before a worker writes to them.
  public func prefault() {
    // SAFETY: every channel and ring was initialised.
    for worker in 0..<workers {
      unsafe channels[worker].prefault()
      notes(worker: worker)?.prefault()
    }
  }

  /// Frees all of it, the published tables too. Once, after every thread that has a handle.
  public func deallocate() {
    // SAFETY: nobody uses any of it any more.
    unsafe Self.free(tables.publish(nil))
    for ring in 0..<workers * workers { unsafe crossings[ring].deallocate() }
    for worker in 0..<workers { unsafe channels[worker].deallocate() }
    for worker in 0..<workers { notes(worker: worker)?.deallocate() }
    unsafe crossings.deallocate()
    unsafe channels.deallocate()
    unsafe allNotes?.deallocate()
    counters.deallocate()
    sleepers.deallocate()
    quiescent.deallocate()
    costlyTimes.deallocate()
    control.deallocate()
  }

  /// Until when workers take little at once from a port, in nanoseconds.
  @inlinable @inline(__always)
  func costlyUntil(_ port: Int) -> AtomicWord { costlyTimes.word(port) }

  // MARK: Control side

  @inlinable @inline(__always) var tables: PublishedPointer<LiveTables> {
    PublishedPointer(control.line(0))
  }

  /// Asks all workers to stop; wakes them.
  public func stop() {
    stopFlag.set()
    wakeAll()
  }

  @inlinable @inline(__always) public var stopFlag: StopFlag { StopFlag(control.line(1)) }

  /// The generation that the next publication gets, and that rules which it publishes should have:
  /// answers of the service thread are told by it from those to earlier owners of a NIC's number.
  public var nextGeneration: UInt64 { max(2, control.line(2).load() + 1) }

  /// Publishes tables to all workers, waits until none uses the ones before, and frees those.
  ///
  /// One thread at a time. What the rules view must stay until the tables are replaced.
  ///
  /// - Returns: whether the old tables are freed, and what they viewed may be too. False when a
  ///   worker has not passed within a second: then they stay for ever.
  public func publish(_ next: consuming LiveTables) -> Bool {
    publish(next, whileWaiting: {})
  }

  /// The same for who runs the workers on this very thread.
  ///
  /// - Parameter step: has the workers do their rounds, each at least one.
  package func publish(_ next: consuming LiveTables, whileWaiting step: () -> Void) -> Bool {
    let generation = nextGeneration
    control.line(2).store(generation)
    next.generation = generation
    // SAFETY: only this thread replaces the tables.
    if let current = unsafe tables.load() {
      unsafe next.keepAges(from: current.pointee)
    } else {
      next.keepAges()
    }
    // SAFETY: freed by the publication after the next, or by `deallocate`.
    let place = UnsafeMutablePointer<LiveTables>.allocate(capacity: 1)
    unsafe place.initialize(to: next)
    let old = unsafe tables.publish(UnsafePointer(place))
    wakeAll()
    step()
    guard quiescent.waitUntilPassed(generation) else { return false }
    unsafe Self.free(old)
    return true
  }

  @unsafe private static func free(_ tables: UnsafePointer<LiveTables>?) {
    guard let tables = unsafe tables else { return }
    let owned = unsafe UnsafeMutablePointer(mutating: tables)
    unsafe owned.deinitialize(count: 1)
    unsafe owned.deallocate()
  }

  /// Sets the MAC address of a next hop in the published tables; nil forgets it. On the thread that
  /// publishes.
  public func setNextHop(_ endpoint: TableIndex, _ address: MACAddress?) {
    // SAFETY: only this thread replaces the tables.
    guard let current = unsafe tables.load() else { return }
    unsafe current.pointee.nextHops.set(endpoint, address)
  }

  /// Copies all next hops of the published tables to the ones that will follow them, endpoint by
  /// endpoint. On the thread that publishes.
  public func copyNextHops(to next: borrowing LiveTables) {
    // SAFETY: only this thread replaces the tables.
    guard let current = unsafe tables.load() else { return }
    for endpoint in 0..<min(unsafe current.pointee.nextHops.count, next.nextHops.count) {
      let endpoint = TableIndex(endpoint)
      unsafe next.nextHops.set(endpoint, current.pointee.nextHops[endpoint])
    }
  }

  /// The last generation after which every worker has cleaned up: numbers whose owners went in it
  /// or before may be given to others.
  public var sweptGeneration: UInt32 {
    var swept = UInt32.max
    for worker in 0..<workers {
      swept = min(swept, UInt32(truncatingIfNeeded: control.line(3 + workers + worker).load()))
    }
    return swept
  }

  /// Wakes a worker, or with `workers` the service thread, if it sleeps.
  @inlinable public func wake(_ worker: Int) { sleepers.wake(worker) }

  /// Wakes every worker that sleeps.
  public func wakeAll() {
    for worker in 0..<workers { sleepers.wake(worker) }
  }

  // MARK: Rings

  /// The way by which one worker hands packets to another.
  @inlinable @inline(__always)
  func crossing(from: Int, to: Int) -> Crossing {
    precondition(UInt(bitPattern: from) < UInt(bitPattern: workers))
    precondition(UInt(bitPattern: to) < UInt(bitPattern: workers))
    // SAFETY: both numbers were checked.
    return unsafe crossings[from &* workers &+ to]
  }

  /// What a worker leaves to the service thread, and the answers to it.
  @inlinable @inline(__always)
  public func slowPath(worker: Int) -> SlowPathChannel {
    precondition(UInt(bitPattern: worker) < UInt(bitPattern: workers))
    // SAFETY: the number was checked.
    return unsafe channels[worker]
  }

  /// Where a worker notes every packet; nil without a flow log.
  public func notes(worker: Int) -> PacketNotes? {
    precondition(UInt(bitPattern: worker) < UInt(bitPattern: workers))
    // SAFETY: the number was checked, and as many were initialised.
    return unsafe allNotes?[worker]
  }

  // MARK: Questions

  /// Where a worker finds the question that it shall answer.
  @inlinable @inline(__always)
  func inspection(_ worker: Int) -> PublishedPointer<FlowInspection> {
    PublishedPointer(control.line(3 + 2 * workers + worker))
  }

  /// The worker has taken its question; on the worker's thread.
  @inlinable @inline(__always)
  func endInspection(_ worker: Int) { control.line(3 + 2 * workers + worker).store(0) }

  /// Asks a worker; nothing, and false, when it still answers another question.
  ///
  /// - Parameter question: stays where it is until it is done.
  @unsafe public func inspect(worker: Int, _ question: UnsafePointer<FlowInspection>) -> Bool {
    // SAFETY: the control side asks on one thread; the worker only takes questions away.
    guard unsafe inspection(worker).load() == nil else { return false }
    unsafe inspection(worker).publish(question)
    wake(worker)
    return true
  }

  // MARK: Ends of workers

  /// Nothing of the worker names an owner that went in this generation or before.
  @usableFromInline func announceSwept(_ worker: Int, _ generation: UInt32) {
    control.line(3 + workers + worker).store(UInt64(generation))
  }

  /// The worker hands nothing to others any more.
  func announceEnd(_ worker: Int) { control.line(3 + worker).store(1) }

  /// Whether no worker hands anything to others any more.
  var haveAllEnded: Bool {
    for worker in 0..<workers where control.line(3 + worker).load() == 0 { return false }
    return true
  }
}

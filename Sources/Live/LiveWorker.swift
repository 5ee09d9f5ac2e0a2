import CDataplane
import Datapath
import LockFree
import Tables
import Wire

/// A worker of a live host: polls its ports, has the engine judge what comes, and sends it on.
///
/// Everything runs to completion on one thread. After `init` nothing is allocated. A round takes at
/// most a burst from every port, other worker and the service thread, so that none starves another.
@safe
public struct LiveWorker<IO: PacketIO & ~Copyable>: ~Copyable {
  /// The worker's ports, and its engine; to be asked when it does not run.
  public var io: IO
  public var engine: Worker
  public let shared: WorkerShared
  public let index: Int

  /// The burst under way, and where each packet came from.
  @usableFromInline let burst: WorkerMemory<Packet>
  @usableFromInline let ports: WorkerMemory<UInt16>
  /// What is remembered of each port from round to round.
  @usableFromInline let burdens: WorkerMemory<PortBurden>
  /// The guest's port that brought something last, and until when two are taken to do so.
  @usableFromInline var lastActive = 0
  @usableFromInline var contendedUntil: UInt64 = 0
  /// When a next hop may be asked for again, by endpoint modulo the count.
  @usableFromInline let askTimes: WorkerMemory<UInt64>
  /// Workers that packets were staged for in this round, a bit each.
  @usableFromInline var staged: UInt64 = 0
  @usableFromInline var hasPunted = false
  /// Packets of the burst under way that were given to a port.
  @usableFromInline var sent = 0
  /// Who looks at the packets of this round; nil nearly always.
  @usableFromInline var observation: UnsafeMutablePointer<Observation>?
  /// Where every packet is noted for a flow log; nil without one. Before that, how the frames of
  /// the burst under way began.
  @usableFromInline let notes: PacketNotes?
  @usableFromInline let noted: WorkerMemory<UInt8>
  /// Where in the burst the packets begin that the engine has judged together.
  @usableFromInline var judgedFrom = 0
  /// Nanoseconds, of this round; never goes back.
  @usableFromInline var now: UInt64 = 0
  @usableFromInline var emptyRounds = 0
  /// Which NIC's counters are published next, and when.
  @usableFromInline var nextNIC: TableIndex = 0
  @usableFromInline var nextPublication: UInt64 = 0
  /// The publication whose tables the engine follows, and whether it still cleans up after it.
  @usableFromInline var followed: UInt64 = 0
  @usableFromInline var isSweeping = false
  /// Busy rounds when the counters of all NICs were published.
  @usableFromInline var publishedRounds: UInt64 = .max

  /// Packets that the loop takes from one source at once.
  @inlinable static var burstCapacity: Int { 64 }
  /// A port is asked only when the burst has this much room, so that none is left the rest.
  @inlinable static var leastRoom: Int { 32 }
  /// The descriptor of frames that the service thread composed.
  @inlinable static var scratch: Int { 64 }
  @inlinable static var askSlots: Int { 256 }

  /// - Parameters:
  ///   - index: which of `shared.workers` this is.
  ///   - io: of this worker.
  ///   - engine: made for at least `shared.nicCapacity` NICs.
  public init(index: Int, io: consuming IO, engine: consuming Worker, shared: WorkerShared) {
    precondition(index >= 0 && index < shared.workers && shared.workers <= 64)
    self.io = io
    self.engine = engine
    self.shared = shared
    self.index = index
    burst = WorkerMemory(count: Self.scratch + 1)
    ports = WorkerMemory(count: Self.burstCapacity)
    burdens = WorkerMemory(count: shared.portCount)
    askTimes = WorkerMemory(count: Self.askSlots)
    notes = shared.notes(worker: index)
    noted = WorkerMemory(
      count: notes == nil ? 0 : Self.burstCapacity &* PacketNotes.slotLength)
    for slot in 0...Self.scratch {
      // SAFETY: an empty packet at an address of ours, until a port fills it in.
      let place = unsafe burst.pointer(slot)
      unsafe place.initialize(
        to: Packet(base: UnsafeMutableRawPointer(place), length: 0, headroom: 0))
    }
  }

  deinit {
    burst.deallocate()
    ports.deallocate()
    burdens.deallocate()
    askTimes.deallocate()
    noted.deallocate()
  }

  /// Polls until `shared.stop()`; then leaves no packet behind. On the worker's own thread.
  @inlinable
  public mutating func run() {
    begin()
    while !shared.stopFlag.isSet {
      if round() { emptyRounds = 0 } else { idle() }
    }
    end()
  }

  /// What comes before the first round.
  public mutating func begin() {
    shared.sleepers.setDescriptor(index, io.wakeDescriptor)
    shared.quiescent.goOnline(index)
  }

  /// Has the next rounds take place at this time, in nanoseconds, unless the clock is ahead of it:
  /// simulations stop that.
  package mutating func setTime(_ time: UInt64) { now = max(now, time) }

  /// One round: everything that has come, judged and sent.
  ///
  /// - Returns: whether anything had, or there is something left to do.
  @inlinable
  public mutating func round() -> Bool {
    count(.rounds, 1)
    // SAFETY: the tables stay until this worker announces a later generation.
    guard let tables = unsafe shared.tables.load() else { return false }
    unsafe shared.quiescent.announce(index, tables.pointee.generation)
    if unsafe isSweeping || tables.pointee.generation != followed { unsafe follow(tables) }
    now = max(now, shared.clock.now())
    unsafe observation = UnsafeMutablePointer(mutating: shared.observation(index).load())
    if unsafe observation != nil { unsafe beginObservedRound() }
    var work = unsafe pollPorts(tables)
    unsafe work &+= takeCrossings(tables)
    unsafe work &+= takeAnswers(tables)
    if work > 0 { count(.busyRounds, 1) }
    io.flush()
    wakeOthers()
    if now >= nextPublication { unsafe publishCounters(tables) }
    let question = unsafe shared.inspection(index).load()
    if let question = unsafe question { unsafe answer(question) }
    return unsafe work > 0 || isSweeping || question != nil
  }

  /// Goes on with a question about connections.
  @unsafe @inlinable @inline(never)
  mutating func answer(_ question: UnsafePointer<FlowInspection>) {
    // SAFETY: until it is done the question is this worker's alone.
    let question = unsafe UnsafeMutablePointer(mutating: question)
    // Taken away first: who asked may free it as soon as it is done.
    if unsafe question.pointee.isNextStepLast(engine.flows.highWater) {
      shared.endInspection(index)
    }
    unsafe question.pointee.advance(&engine, now: now)
  }

  /// Has the engine follow these tables with what it keeps, a bounded step in each round.
  @unsafe @inlinable @inline(never)
  mutating func follow(_ tables: UnsafePointer<LiveTables>) {
    if unsafe tables.pointee.generation != followed {
      unsafe followed = tables.pointee.generation
      unsafe engine.adopt(tables.pointee.rules)
    } else {
      unsafe engine.sweep(tables.pointee.rules)
    }
    isSweeping = engine.following.isSweeping
    shared.announceSwept(index, engine.following.swept)
  }

  // MARK: Counters

  @inlinable @inline(__always)
  func count(_ counter: LiveCounter, _ number: Int) {
    shared.counters.word(index, counter).add(UInt64(truncatingIfNeeded: number))
  }

  /// Counts a received packet as dropped: for its NIC, or without one for its port.
  @inlinable @inline(__always)
  mutating func countDrop(nic: TableIndex, port: Int, _ reason: DropReason) {
    count(.dropped, 1)
    if nic != .none {
      engine.countDrop(nic: nic, reason)
    } else {
      shared.counters.portWord(index, port, reason).add(1)
    }
  }

  /// Shows others the counters of one NIC; all have their turn within 50 ms.
  @unsafe @inlinable @inline(never)
  mutating func publishCounters(_ tables: UnsafePointer<LiveTables>) {
    let count = unsafe min(tables.pointee.rules.nics.count, shared.nicCapacity)
    nextPublication = now &+ 50_000_000 / UInt64(max(1, count))
    if count == 0 { return }
    if nextNIC >= count { nextNIC = 0 }
    publishCounters(of: nextNIC)
    nextNIC &+= 1
  }

  @inlinable
  func publishCounters(of nic: TableIndex) {
    let offset = shared.counters.nicOffset(index, Int(nic))
    // SAFETY: `nicOffset` leaves room for the words of every NIC below the capacity.
    let words = unsafe shared.counters.memory.base.assumingMemoryBound(to: UInt64.self)
    unsafe engine.publishCounters(nic, to: words + offset)
  }
}

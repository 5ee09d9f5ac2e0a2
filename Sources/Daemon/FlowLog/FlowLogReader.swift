import Datapath
import Explanation
import FlowLogs
import Live
import TableCompiler
import Tables
import Wire

/// Takes workers' notes from their rings, and counts them by flow.
///
/// One thread at a time.
final class FlowLogReader {
  /// Notes that are taken from a worker before the next one has its turn.
  private static let turn = 256
  /// Notes that are taken before the clock is asked again.
  private static let most = 1 << 14

  private let shared: WorkerShared
  private let inUse: TablesInUse
  private let format: FlowLogFormat
  private let capacity: Int
  private let mail: FlowLogMail
  private let counters: FlowLogCounters
  /// CLOCK_REALTIME in nanoseconds.
  private let timeOfDay: () -> UInt64
  /// Packets of a network interface that no worker had room for, ever.
  private let turnedAway: (TableIndex) -> UInt64
  /// The same when it was asked last.
  private var turnedAwayBefore: [UInt64]
  /// Nanoseconds from the workers' clock to 1970, the same for an interval.
  private var offset: UInt64
  private var aggregator: FlowLogAggregator
  /// Tables whose packets may come, the last ones.
  private var known: [CompiledTables]
  /// Asked for the receivers of packets; judges nothing.
  private var engine: Worker
  private var overrun: UInt64 = 0
  private var lookedAt: UInt64

  /// - Parameters:
  ///   - nicCapacity: network interfaces that the rules may ever have.
  ///   - timeOfDay: nanoseconds since 1970.
  ///   - turnedAway: packets of a network interface that were lost before a worker judged them
  ///     (`worker.full`), since its place came into being; nil asks the workers' counters.
  init(
    _ plan: FlowLogPlan, shared: WorkerShared, inUse: TablesInUse, nicCapacity: Int,
    mail: FlowLogMail, counters: FlowLogCounters,
    timeOfDay: @escaping () -> UInt64 = { MonotonicClock.timeOfDay() },
    turnedAway: ((TableIndex) -> UInt64)? = nil
  ) {
    self.shared = shared
    self.inUse = inUse
    self.mail = mail
    self.counters = counters
    self.timeOfDay = timeOfDay
    let asked = turnedAway ?? { shared.counters.nicDrops($0, .workerFull) }
    self.turnedAway = asked
    turnedAwayBefore = (0..<max(0, nicCapacity)).map { asked(TableIndex($0)) }
    format = plan.format
    capacity = plan.records
    let now = shared.clock.now()
    offset = timeOfDay() &- now
    lookedAt = now &+ offset
    let first = inUse.current
    known = [first]
    aggregator = FlowLogAggregator(
      interval: plan.interval, capacity: plan.records, names: Self.names(first, plan.format),
      generation: first.tables.generation, now: lookedAt)
    engine = Worker(
      configuration: WorkerConfiguration(flowCapacity: 1_024, fragmentCapacity: 64, seed: 1),
      nicCapacity: max(1, nicCapacity), ruleCapacity: 1)
    mail.send(.opened(lookedAt))
  }

  /// Counts what workers have noted, and ends intervals when it is time.
  ///
  /// - Returns: how many notes there were.
  func advance() -> Int {
    learn()
    // Asked before the rings: what came until then is in them.
    let began = shared.clock.now()
    let count = drain()
    look(max(lookedAt, shared.clock.now() &+ offset))
    // An interval that ended meanwhile may have changed the time of day.
    let now = began &+ offset
    if now >= aggregator.end && count < Self.most { roll(now) }
    aggregator.capacity = max(0, capacity - mail.records)
    report()
    return count
  }

  /// Writes what is open; after the last packet.
  func end() {
    let now = shared.clock.now() &+ offset
    look(now)
    lookAtTurnedAway()
    send(aggregator.close(at: now, next: now))
    report()
  }

  // MARK: Rules

  private static func names(_ compiled: CompiledTables, _ format: FlowLogFormat) -> FlowLogNames {
    var places: [TableIndex: Int] = [:]
    for index in compiled.model.networkInterfaces.indices {
      places[compiled.slot(ofInterface: index)] = index
    }
    return FlowLogNames(
      model: compiled.model, ruleNames: compiled.ruleNames, format: format, places: places)
  }

  /// Rules that workers use now, or will.
  private func learn() {
    for compiled in inUse.known where !known.contains(where: { $0 === compiled }) {
      known.append(compiled)
      if known.count > FlowLogAggregator.generations { known.removeFirst() }
      let names = Self.names(compiled, format)
      if let early = aggregator.use(names, generation: compiled.tables.generation) {
        mail.send(.batch(early))
      }
    }
  }

  // MARK: Packets

  private func drain() -> Int {
    var count = 0
    var isEmpty = false
    while !isEmpty && count < Self.most {
      isEmpty = true
      for worker in 0..<shared.workers {
        guard let notes = shared.notes(worker: worker) else { continue }
        var taken = 0
        while taken < Self.turn, notes.take({ add($0, $1) }) != nil { taken += 1 }
        count += taken
        if taken > 0 { isEmpty = false }
      }
    }
    return count
  }

  private func add(_ note: PacketNote, _ frame: UnsafeRawBufferPointer) {
    guard let base = frame.baseAddress else { return }
    // The clock is asked only now and then.
    if note.time &+ offset >= aggregator.end { roll(note.time &+ offset) }
    let time = note.time &+ offset
    let read =
      note.isOuter
      ? FlowFacts(tunnelled: base, length: frame.count)
      : FlowFacts(frame: base, length: frame.count)
    guard var facts = read, !(facts.isCut && note.isCut) else {
      // Headers that go on behind what was copied; or nothing that flow logs are about.
      if note.isCut && (read != nil || note.isOuter) {
        aggregator.skip(note.nic, generation: note.generation)
      }
      return
    }
    facts.countSegments(of: note.segmentSize)
    let outcome = Outcome(
      verdict: note.verdict, reason: note.reason, direction: note.direction, nic: note.nic,
      rule: note.rule, output: note.output)
    aggregator.add(
      facts, outcome, receiver: receiver(outcome, note, frame), time: time,
      generation: note.generation)
  }

  /// The local NIC that a packet between two of them is for.
  private func receiver(
    _ outcome: Outcome, _ note: PacketNote, _ frame: UnsafeRawBufferPointer
  ) -> TableIndex {
    guard outcome.direction == .local else { return .none }
    if let receiver = outcome.output.nicIndex { return receiver }
    guard outcome.isRefusedByReceiver, let base = frame.baseAddress,
      let tables = known.last(where: { $0.tables.generation == note.generation })
    else { return .none }
    var headers = Headers()
    FrameParser.parse(
      base, length: frame.count, originalLength: frame.count, offloaded: true, into: &headers)
    return engine.localReceiver(of: headers, from: note.nic, tables.tables)
  }

  // MARK: Time

  /// Asks whether workers found no room for notes since it was asked last.
  private func look(_ now: UInt64) {
    let missed = (0..<shared.workers).reduce(UInt64(0)) {
      $0 + (shared.notes(worker: $1)?.overrun ?? 0)
    }
    if missed != overrun { aggregator.miss(missed &- overrun, since: lookedAt, until: now) }
    overrun = missed
    lookedAt = now
  }

  /// Has interfaces skip packets that were lost between two workers since it was asked last.
  private func lookAtTurnedAway() {
    guard let latest = known.last?.tables.generation else { return }
    for place in turnedAwayBefore.indices {
      let count = turnedAway(TableIndex(place))
      // A place that another interface got counts from zero.
      let before = count < turnedAwayBefore[place] ? 0 : turnedAwayBefore[place]
      turnedAwayBefore[place] = count
      guard count > before else { continue }
      aggregator.skip(TableIndex(place), packets: count &- before, generation: latest)
    }
  }

  /// Ends the interval, and begins the next one by the time of day.
  private func roll(_ time: UInt64) {
    look(max(lookedAt, shared.clock.now() &+ offset))
    lookAtTurnedAway()
    let before = offset
    offset = timeOfDay() &- shared.clock.now()
    lookedAt = lookedAt &- before &+ offset
    let next = time &- before &+ offset
    // A clock that was put back a little stays in the interval that is over.
    send(aggregator.close(at: time, next: next))
    mail.send(.opened(next))
  }

  private func send(_ batch: FlowLogBatch) { mail.send(.batch(batch)) }

  private func report() {
    let open = UInt64(aggregator.count + mail.records)
    let skipped = aggregator.skippedPackets
    counters.update {
      $0.openRecords = open
      $0.skippedPackets = skipped
    }
  }
}

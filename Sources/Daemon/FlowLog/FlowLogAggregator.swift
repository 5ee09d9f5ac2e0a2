import Explanation
import FlowLogs
import Tables

/// Counts packets by flow and aggregation interval, in bounded memory, and remembers of which
/// interfaces packets were not counted.
///
/// Intervals begin at whole multiples of their length since 1970. All times are nanoseconds since
/// then, and given by the caller.
struct FlowLogAggregator {
  /// Generations of rules whose records may be open at a time; more have them written early.
  static let generations = 4
  /// Packets are told a little before they are noted.
  private static let slack: UInt64 = 10_000_000

  private let interval: UInt64
  private var table: FlowLogTable
  /// When the interval ends, and since when packets are looked at in it.
  private(set) var end: UInt64
  private var start: UInt64
  private var skipped: Set<String> = []
  private var seen: Set<String> = []
  private var isSkippedByAll = false
  /// Packets may have been missed until then.
  private var missedUntil: UInt64?
  private var names: [(generation: UInt32, number: UInt8, names: FlowLogNames)]
  private var latest: FlowLogNames
  private var nextNumber: UInt8 = 1
  /// Packets that are in no record.
  private(set) var skippedPackets: UInt64 = 0

  /// - Parameters:
  ///   - capacity: open records.
  ///   - first: of the rules that packets are judged by at first.
  ///   - now: when looking at packets begins.
  init(
    interval: FlowLogInterval, capacity: Int, names first: FlowLogNames, generation: UInt32,
    now: UInt64
  ) {
    names = [(generation, 0, first)]
    latest = first
    self.interval = UInt64(interval.rawValue) * 1_000_000_000
    table = FlowLogTable(capacity: capacity, isShared: true)
    start = now
    end = (now / self.interval + 1) * self.interval
  }

  /// Open records.
  var count: Int { table.records.count }

  /// Room for open records; those that are already open stay.
  var capacity: Int {
    get { table.capacity }
    set { table.capacity = newValue }
  }

  /// Whether packets of a generation can be named.
  func knows(_ generation: UInt32) -> Bool {
    names.contains { $0.generation == generation }
  }

  /// Packets of these rules may come from now on.
  ///
  /// - Returns: what has to be written before, when too many generations are open.
  mutating func use(_ next: FlowLogNames, generation: UInt32) -> FlowLogBatch? {
    var early: FlowLogBatch?
    if names.count == Self.generations {
      early = batch(end: end, isPart: true)
      names.removeFirst(names.count - 1)
    }
    names.removeAll { $0.generation == generation }
    names.append((generation, nextNumber, next))
    nextNumber &+= 1
    latest = next
    return early
  }

  /// Counts a packet.
  ///
  /// - Parameter receiver: the local NIC that a `local` packet is for; `.none` when unknown.
  mutating func add(
    _ facts: FlowFacts, _ outcome: Outcome, receiver: TableIndex, time: UInt64, generation: UInt32
  ) {
    guard let known = names.last(where: { $0.generation == generation }) else {
      skippedPackets += facts.packets
      isSkippedByAll = true
      return
    }
    var refused: (TableIndex, TableIndex) = (.none, .none)
    table.add(facts, outcome, receiver: receiver, time: time, generation: known.number) { nic in
      if refused.0 == .none { refused.0 = nic } else { refused.1 = nic }
    }
    guard refused.0 != .none else { return }
    skippedPackets += facts.packets
    for nic in [refused.0, refused.1] where nic != .none { skip(nic, known.names) }
  }

  /// Packets of a network interface cannot be counted.
  mutating func skip(_ nic: TableIndex, packets: UInt64 = 1, generation: UInt32) {
    skippedPackets += packets
    guard let known = names.last(where: { $0.generation == generation }) else {
      isSkippedByAll = true
      return
    }
    skip(nic, known.names)
  }

  private mutating func skip(_ nic: TableIndex, _ names: FlowLogNames) {
    guard let id = names.interface(nic) else {
      isSkippedByAll = true
      return
    }
    skipped.insert(id)
  }

  /// Packets were missed, nobody knows whose: some time after the first of two looks and before
  /// the second.
  mutating func miss(_ packets: UInt64, since: UInt64, until: UInt64) {
    skippedPackets += packets
    if since < end &+ Self.slack { isSkippedByAll = true }
    missedUntil = max(missedUntil ?? 0, until)
  }

  /// Ends the interval, or what there is of it, and begins the one of a later time.
  ///
  /// - Parameters:
  ///   - time: when it ends, if that is before its time.
  ///   - next: when the next one begins; another clock may say so.
  mutating func close(at time: UInt64, next: UInt64) -> FlowLogBatch {
    let closed = batch(end: min(end, max(time, start)), isPart: false)
    start = next
    end = (next / interval + 1) * interval
    // A packet's time may be before its interval; then it was looked at in this one.
    skipped = []
    seen = []
    isSkippedByAll = missedUntil.map { $0 >= start } ?? false
    missedUntil = nil
    if names.count > 2 { names.removeFirst(names.count - 2) }
    return closed
  }

  private mutating func batch(end: UInt64, isPart: Bool) -> FlowLogBatch {
    var batch = FlowLogBatch(start: start, end: end, latest: latest)
    batch.records = table.takeAll()
    for known in names { batch.names[known.number] = known.names }
    var nics: Set<UInt64> = []
    for record in batch.records {
      let nic = UInt64(record.key.generation) << 32 | UInt64(record.key.nic)
      if nics.insert(nic).inserted { seen.insert(batch.interface(record)) }
    }
    batch.seen = seen
    batch.skipped = skipped
    batch.isSkippedByAll = isSkippedByAll
    batch.isPart = isPart
    return batch
  }
}

import Datapath
import Explanation
import Tables
import VPCModel
import Wire

/// Aggregates judged packets into AWS VPC flow log records.
///
/// Records cover at most an aggregation interval of capture time. They are written in the order of
/// their first packets when the interval ends, so memory is bounded by the flows of one interval.
final class FlowLog {
  /// More records than this are written before the interval ends.
  static let recordCapacity = 1 << 20

  struct Key: Hashable {
    var nic: TableIndex
    var tuple: FlowTuple
    var isIngress: Bool
    var isAccepted: Bool
  }

  struct Record {
    var key: Key
    var packets: UInt64 = 0
    var bytes: UInt64 = 0
    var start: UInt64
    var end: UInt64
    var tcpFlags: UInt8 = 0
    var rule: UInt32
    var reason: DropReason
  }

  private let sink: ByteSink
  private let names: FlowLogNames
  /// In nanoseconds.
  private let interval: UInt64
  private var positions: [Key: Int] = [:]
  private var records: [Record] = []
  private var windowEnd: UInt64 = 0

  /// - Parameter interval: seconds that a record covers at most.
  init(sink: ByteSink, names: FlowLogNames, interval: FlowLogInterval = .tenMinutes) {
    self.sink = sink
    self.names = names
    self.interval = UInt64(interval.rawValue) * 1_000_000_000
    sink.append(names.format.header + "\n")
  }

  /// Adds a judged packet.
  ///
  /// - Parameters:
  ///   - receiver: the local NIC that a `local` packet is for; `.none` when unknown.
  ///   - time: capture time, never less than before.
  func add(
    _ facts: FlowFacts, _ outcome: Outcome, receiver: TableIndex, time: UInt64
  ) {
    guard outcome.nic != .none, !Self.isService(facts, outcome) else { return }
    if time >= windowEnd || records.count >= Self.recordCapacity {
      writeRecords()
      windowEnd = time + interval
    }
    let isForwarded = outcome.verdict == .forward
    guard outcome.direction == .local else {
      count(
        facts, nic: outcome.nic, isIngress: outcome.direction == .ingress,
        isAccepted: isForwarded, outcome, time)
      return
    }
    // A packet between two local NICs crosses both: what the receiver refused, the sender let out.
    let refusedByReceiver = outcome.reason == .sgIngress || outcome.reason == .aclIngress
    count(
      facts, nic: outcome.nic, isIngress: false, isAccepted: isForwarded || refusedByReceiver,
      isForwarded ? outcome : refusedByReceiver ? Self.passed(outcome) : outcome, time)
    if receiver != .none && (isForwarded || refusedByReceiver) {
      count(
        facts, nic: receiver, isIngress: true, isAccepted: isForwarded,
        isForwarded ? Self.passed(outcome) : outcome, time)
    }
  }

  /// An outcome whose rule and reason belong to the other NIC.
  private static func passed(_ outcome: Outcome) -> Outcome {
    var outcome = outcome
    outcome.rule = 0
    outcome.reason = .none
    return outcome
  }

  /// Services and link-local traffic are not logged: AWS leaves out DHCP, DNS, metadata and time.
  private static func isService(_ facts: FlowFacts, _ outcome: Outcome) -> Bool {
    switch outcome.verdict {
    case .forward: return false
    case .drop: break
    default: return true
    }
    switch outcome.reason {
    case .serviceARP, .serviceND, .serviceDHCP, .serviceDHCPServer, .limitLinkLocal: return true
    default: return facts.tuple.destination.isLinkLocal
    }
  }

  private func count(
    _ facts: FlowFacts, nic: TableIndex, isIngress: Bool, isAccepted: Bool, _ outcome: Outcome,
    _ time: UInt64
  ) {
    let key = Key(nic: nic, tuple: facts.tuple, isIngress: isIngress, isAccepted: isAccepted)
    let position: Int
    if let known = positions[key] {
      position = known
    } else {
      position = records.count
      positions[key] = position
      records.append(
        Record(key: key, start: time, end: time, rule: outcome.rule, reason: outcome.reason))
    }
    records[position].packets += 1
    records[position].bytes += facts.bytes
    records[position].end = time
    records[position].tcpFlags |= facts.tcpFlags
  }

  private func writeRecords() {
    for record in records { sink.append(names.line(record)) }
    records.removeAll(keepingCapacity: true)
    positions.removeAll(keepingCapacity: true)
  }

  /// Writes what is left, and reports the file's first failure.
  func close() throws(ReplayError) {
    writeRecords()
    try sink.close()
  }
}

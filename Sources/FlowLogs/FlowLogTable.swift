import Datapath
import Explanation
import Tables
import Wire

/// Packets with the same are one record.
package struct FlowLogKey: Hashable, BitwiseCopyable {
  package var nic: TableIndex
  package var tuple: FlowTuple
  package var isIngress: Bool
  package var isAccepted: Bool
  /// Number that the log's owner gives to the rules that `nic` and the record's rule are of.
  package var generation: UInt8 = 0

  /// A few words in place of many small fields; keyed, as guests choose what is hashed.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(tuple.source.high)
    hasher.combine(tuple.source.low)
    hasher.combine(tuple.destination.high)
    hasher.combine(tuple.destination.low)
    let ports = UInt64(tuple.sourcePort) << 16 | UInt64(tuple.destinationPort)
    let marks = UInt64(isIngress ? 2 : 0) | UInt64(isAccepted ? 1 : 0)
    hasher.combine(
      UInt64(nic) << 32 ^ ports ^ UInt64(tuple.protocolNumber) << 40 ^ UInt64(generation) << 48
        ^ marks << 56)
  }
}

/// What was counted of a flow at one network interface, one way, accepted or rejected.
package struct FlowLogRecord: BitwiseCopyable {
  package var key: FlowLogKey
  package var packets: UInt64 = 0
  package var bytes: UInt64 = 0
  /// Nanoseconds since 1970 of the first packet and of the last.
  package var start: UInt64
  package var end: UInt64
  package var tcpFlags: UInt8 = 0
  /// Of the first packet.
  package var rule: UInt32
  package var reason: DropReason
}

/// The open records of an aggregation interval: a bounded number.
package struct FlowLogTable {
  /// In the order of their first packets.
  package private(set) var records: [FlowLogRecord] = []
  /// Records that there is room for; may be changed at any time.
  package var capacity: Int
  private let isShared: Bool
  private var positions: [FlowLogKey: Int] = [:]
  /// Records of each network interface, by its number.
  private var counts: [Int] = []

  /// - Parameters:
  ///   - capacity: records.
  ///   - isShared: a network interface gets no more records than it leaves free, so that one that
  ///     scans does not take all.
  package init(capacity: Int, isShared: Bool = false) {
    self.capacity = capacity
    self.isShared = isShared
  }

  /// Adds a judged packet to the records of the network interfaces that it crosses.
  ///
  /// - Parameters:
  ///   - receiver: the local NIC that a `local` packet is for; `.none` when unknown.
  ///   - time: nanoseconds.
  ///   - generation: of the rules that judged it, in the owner's numbers.
  ///   - refused: called for each network interface whose record has no room.
  package mutating func add(
    _ facts: FlowFacts, _ outcome: Outcome, receiver: TableIndex, time: UInt64,
    generation: UInt8 = 0, refused: (TableIndex) -> Void
  ) {
    guard outcome.nic != .none, !Self.isService(facts, outcome) else { return }
    let isForwarded = outcome.verdict == .forward
    guard outcome.direction == .local else {
      let key = FlowLogKey(
        nic: outcome.nic, tuple: facts.tuple, isIngress: outcome.direction == .ingress,
        isAccepted: isForwarded, generation: generation)
      if !count(facts, key, outcome, time) { refused(outcome.nic) }
      return
    }
    // A packet between two local NICs crosses both: what the receiver refused, the sender let out.
    let refusedByReceiver = outcome.isRefusedByReceiver
    let sent = FlowLogKey(
      nic: outcome.nic, tuple: facts.tuple, isIngress: false,
      isAccepted: isForwarded || refusedByReceiver, generation: generation)
    if !count(facts, sent, refusedByReceiver ? Self.passed(outcome) : outcome, time) {
      refused(outcome.nic)
    }
    guard receiver != .none && (isForwarded || refusedByReceiver) else { return }
    let received = FlowLogKey(
      nic: receiver, tuple: facts.tuple, isIngress: true, isAccepted: isForwarded,
      generation: generation)
    if !count(facts, received, isForwarded ? Self.passed(outcome) : outcome, time) {
      refused(receiver)
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

  /// - Returns: false when there is no room.
  private mutating func count(
    _ facts: FlowFacts, _ key: FlowLogKey, _ outcome: Outcome, _ time: UInt64
  ) -> Bool {
    let position: Int
    if let known = positions[key] {
      position = known
    } else {
      guard hasRoom(for: key.nic) else { return false }
      position = records.count
      positions[key] = position
      records.append(
        FlowLogRecord(key: key, start: time, end: time, rule: outcome.rule, reason: outcome.reason))
    }
    records[position].packets += facts.packets
    records[position].bytes += facts.bytes
    // Two workers' packets come in the order of neither's clock.
    records[position].start = min(records[position].start, time)
    records[position].end = max(records[position].end, time)
    records[position].tcpFlags |= facts.tcpFlags
    return true
  }

  private mutating func hasRoom(for nic: TableIndex) -> Bool {
    let free = capacity - records.count
    guard free > 0 else { return false }
    guard isShared else { return true }
    let number = Int(nic)
    while counts.count <= number { counts.append(0) }
    guard counts[number] < free else { return false }
    counts[number] += 1
    return true
  }

  /// Takes all records out.
  package mutating func takeAll() -> [FlowLogRecord] {
    let taken = records
    records = []
    positions.removeAll(keepingCapacity: taken.count <= 1 << 12)
    counts.removeAll(keepingCapacity: true)
    return taken
  }
}

extension Outcome {
  /// A packet between two local NICs that the sender let out and the receiver did not let in.
  package var isRefusedByReceiver: Bool {
    direction == .local && (reason == .sgIngress || reason == .aclIngress)
  }
}

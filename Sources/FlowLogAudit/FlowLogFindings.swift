import Reachability
import VPCModel
import Wire

/// What a model says of flow logs.
public struct FlowLogFindings {
  enum Verdict {
    case agrees
    /// To a packet the other way that the log has too.
    case answers
    /// To one that the log does not have: it may be older than the log.
    case answersSomethingEarlier
    case differs(InterfaceRuling)
    /// Of a service of the host, which AWS does not log.
    case service
    /// ICMP that no echo explains: it may be an error about a connection.
    case unknownType
  }

  enum Skip: Hashable {
    /// The id as people may be shown it.
    case unknownInterface(String)
    /// Of those that the model does not have, the ones after `mostInterfaces`.
    case furtherInterfaces
    case noDirection(String)
    /// Apus's own log tells of drops that are no business of groups and ACLs.
    case otherReason
    case fragments
    case unknownType
  }

  /// What differs in the same way.
  struct Group: Hashable {
    var nic: Int
    var isIngress: Bool
    var isAccepted: Bool
    var ruling: InterfaceRuling
  }

  struct Tally {
    var flows = 0
    var records = 0
    var packets: UInt64 = 0
    var examples: [String] = []
  }

  /// Examples of a group.
  private static let mostExamples = 3
  /// Interfaces told by their ids that the model does not have: a log may name any number.
  static let mostInterfaces = 100

  let interfaces: [String]
  public internal(set) var files: [String] = []
  /// Records by `log-status`.
  public private(set) var records = 0
  public private(set) var withoutData = 0
  public private(set) var skippedByAWS = 0
  /// Lines that are no records, and what is wrong with the first of them.
  public private(set) var faults = 0
  public private(set) var faultTexts: [String] = []
  /// Records that agree, agree as answers, and so on.
  public private(set) var agreeing = 0
  public private(set) var answering = 0
  public private(set) var answeringEarlier = 0
  public private(set) var ofServices = 0
  public private(set) var differing = 0
  private(set) var skips: [Skip: Int] = [:]
  private var unknownInterfaces = 0
  private(set) var groups: [Group: Tally] = [:]

  init(interfaces: [String]) { self.interfaces = interfaces }

  /// Whether the log has what the model says should not have been.
  public var differs: Bool { differing > 0 }
  /// Whether nothing was a record.
  public var isEmpty: Bool { records + withoutData + skippedByAWS == 0 }
  /// Records of which the model cannot say what should have been.
  public var skipped: Int { skips.values.reduce(0, +) }

  mutating func add(fault why: String, _ line: Int) {
    faults += 1
    guard faultTexts.count < FlowLogAudit.mostFaults, let file = files.last else { return }
    faultTexts.append("\(file):\(line): \(why)")
  }

  mutating func count(_ status: FlowLogLine.Status) {
    switch status {
    case .ok: records += 1
    case .noData: withoutData += 1
    case .skipData: skippedByAWS += 1
    }
  }

  mutating func skip(_ skip: Skip) { skips[skip, default: 0] += 1 }

  mutating func skip(unknown id: String) {
    let skip = Skip.unknownInterface(oneLine(id))
    if skips[skip] == nil {
      guard unknownInterfaces < Self.mostInterfaces else { return self.skip(.furtherInterfaces) }
      unknownInterfaces += 1
    }
    self.skip(skip)
  }

  mutating func add(_ flow: FlowLogAudit.Flow, _ seen: FlowLogAudit.Seen, _ verdict: Verdict) {
    switch verdict {
    case .agrees: agreeing += seen.records
    case .answers: answering += seen.records
    case .answersSomethingEarlier: answeringEarlier += seen.records
    case .service: ofServices += seen.records
    case .unknownType: skips[.unknownType, default: 0] += seen.records
    case .differs(let ruling):
      differing += seen.records
      let group = Group(
        nic: flow.crossing.nic, isIngress: flow.crossing.isIngress, isAccepted: flow.isAccepted,
        ruling: ruling)
      var tally = groups[group] ?? Tally()
      tally.flows += 1
      tally.records += seen.records
      tally.packets = tally.packets.addingSaturated(seen.packets)
      if tally.examples.count < Self.mostExamples {
        tally.examples.append("\(files[seen.file]):\(seen.line): \(Self.text(flow.crossing))")
      }
      groups[group] = tally
    }
  }

  /// `tcp 10.0.1.10:1000 > 198.51.100.7:443`, an IPv6 address in brackets.
  static func text(_ crossing: InterfaceProbe.Crossing) -> String {
    let name = ProtocolText.name(crossing.protocolNumber)
    guard ProbeTraffic.hasPorts(crossing.protocolNumber) else {
      return "\(name) \(crossing.source) > \(crossing.destination)"
    }
    func end(_ address: IPAddress, _ port: UInt16) -> String {
      address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }
    return "\(name) \(end(crossing.source, crossing.sourcePort)) > "
      + end(crossing.destination, crossing.destinationPort)
  }

  /// The most packets first.
  var ordered: [(group: Group, tally: Tally)] {
    groups.map { ($0.key, $0.value) }.sorted { a, b in
      if a.1.packets != b.1.packets { return a.1.packets > b.1.packets }
      return (title(a.0), a.1.examples.first ?? "") < (title(b.0), b.1.examples.first ?? "")
    }
  }

  /// `eni-web ingress: logged ACCEPT, the model rejects it (sg.ingress)`.
  func title(_ group: Group) -> String {
    "\(interfaces[group.nic]) \(group.isIngress ? "ingress" : "egress"): logged "
      + "\(group.isAccepted ? "ACCEPT" : "REJECT"), the model \(Self.text(group.ruling))"
  }

  private static func text(_ ruling: InterfaceRuling) -> String {
    switch ruling {
    case .accepted(let rule): "accepts it" + (rule.isEmpty ? "" : " by \(rule)")
    case .rejected(let reason, let rule):
      "rejects it (\(reason)" + (rule.isEmpty ? ")" : ", \(rule))")
    case .dropped(let reason): "drops it (\(reason)), which is not logged"
    case .service: "answers it itself"
    }
  }
}

extension UInt64 {
  /// The sum, or the largest number: a log may name any counts.
  func addingSaturated(_ other: UInt64) -> UInt64 {
    let (sum, overflows) = addingReportingOverflow(other)
    return overflows ? .max : sum
  }
}

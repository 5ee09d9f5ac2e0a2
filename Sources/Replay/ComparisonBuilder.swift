import CapturePort
import Datapath
import Explanation
import FlowLogs
import Tables
import VPCModel
import Wire

/// Collects what two rule sets say of the same packets.
struct ComparisonBuilder: ~Copyable {
  private struct FlowKey: Hashable {
    var tuple: FlowTuple
    /// The same tuple in two VPCs is two flows.
    var eni: String
  }

  private struct GroupKey: Hashable {
    var today: Comparison.Side
    var tomorrow: Comparison.Side
  }

  private struct Membership: Hashable {
    var group: Int
    var flow: Int
  }

  private let names: (today: VerdictNames, tomorrow: VerdictNames)
  private let attributor: Attributor
  private let nextAttributor: Attributor
  private var normaliser: FrameNormaliser
  private let files: [String]
  /// Today's NIC by tomorrow's index; `.none` for a new one.
  private let today: [TableIndex]
  private var groupIndex: [GroupKey: Int] = [:]
  private var flowIndex: [FlowKey: Int] = [:]
  private var memberships: Set<Membership> = []
  private var result = Comparison()

  /// - Parameters:
  ///   - models: both rule sets; `names` are those of their tables.
  ///   - options: of the replay.
  init(
    models: (today: VPCModel, tomorrow: VPCModel),
    names: (today: VerdictNames, tomorrow: VerdictNames), options: ReplayOptions
  ) {
    self.names = names
    files = options.captures
    attributor = Attributor(model: models.today, atNIC: options.atNIC)
    nextAttributor = Attributor(model: models.tomorrow, atNIC: options.atNIC)
    normaliser = FrameNormaliser(atNIC: options.atNIC, hostMAC: models.today.host?.mac)
    let places = Dictionary(
      names.today.nicIDs.enumerated().map { ($1, TableIndex($0)) },
      uniquingKeysWith: { first, _ in first })
    today = names.tomorrow.nicIDs.map { places[$0] ?? .none }
  }

  /// Compares the judgements of one record.
  @inline(__always)
  mutating func compare(_ a: Outcome, _ b: Outcome, _ chunk: RecordChunk, _ index: Int, file: Int) {
    let sameVerdict = a.verdict == b.verdict
    if sameVerdict && a.verdict != .forward {
      if a.reason != b.reason { result.otherReasons += 1 }
      return
    }
    if sameVerdict && a.direction == b.direction && isSame(a.output, b.output) { return }
    chunk.withRecord(index) { record, number in add(a, b, record, number, file) }
  }

  private func isSame(_ a: OutputPlace, _ b: OutputPlace) -> Bool {
    guard let new = b.nicIndex, Int(new) < today.count else { return a == b }
    return a.nicIndex == today[Int(new)]
  }

  private mutating func add(
    _ a: Outcome, _ b: Outcome, _ record: borrowing CaptureRecord, _ number: UInt64, _ file: Int
  ) {
    let sides = GroupKey(today: side(a, names.today), tomorrow: side(b, names.tomorrow))
    let bytes = UInt64(record.originalLength)
    let tuple = tuple(record)
    let example = Comparison.Example(
      file: files[file], packet: number, time: record.time, flow: tuple?.text ?? "")
    result.packets += 1
    result.bytes += bytes
    let group = place(sides)
    result.groups[group].packets += 1
    result.groups[group].bytes += bytes
    var isFirst = true
    if let tuple {
      let eni = sides.today.eni.isEmpty ? sides.tomorrow.eni : sides.today.eni
      let flow = place(FlowKey(tuple: tuple.undirected, eni: eni), sides, example)
      result.flows[flow].packets += 1
      result.flows[flow].bytes += bytes
      isFirst = memberships.insert(Membership(group: group, flow: flow)).inserted
      if isFirst { result.groups[group].flows += 1 }
    } else {
      result.packetsWithoutFlow += 1
    }
    if isFirst && result.groups[group].examples.count < Comparison.exampleLimit {
      result.groups[group].examples.append(example)
    }
  }

  private func side(_ outcome: Outcome, _ names: VerdictNames) -> Comparison.Side {
    Comparison.Side(
      verdict: "\(outcome.verdict.name)",
      reason: outcome.reason == .none ? "" : outcome.reason.name,
      rule: names.rule(outcome.rule), eni: outcome.nic == .none ? "" : names.nic(outcome.nic),
      direction: "\(outcome.direction.name)",
      output: outcome.verdict == .forward ? names.place(outcome.output) : "")
  }

  private mutating func place(_ key: GroupKey) -> Int {
    if let known = groupIndex[key] { return known }
    groupIndex[key] = result.groups.count
    result.groups.append(Comparison.Group(today: key.today, tomorrow: key.tomorrow))
    return result.groups.count - 1
  }

  private mutating func place(
    _ key: FlowKey, _ sides: GroupKey, _ first: Comparison.Example
  ) -> Int {
    if let known = flowIndex[key] { return known }
    flowIndex[key] = result.flows.count
    result.flows.append(
      Comparison.Flow(first: first, today: sides.today, tomorrow: sides.tomorrow))
    return result.flows.count - 1
  }

  /// Addresses and ports of a record as its sender wrote them, behind a tunnel those inside.
  private mutating func tuple(_ record: borrowing CaptureRecord) -> FlowTuple? {
    guard
      let link = LinkLayer(
        linkType: record.linkType, bytes: record.bytes, captured: record.capturedLength)
    else { return nil }
    var attribution = attributor.attribute(link, record.bytes, record.capturedLength)
    if attribution == .ignore {
      attribution = nextAttributor.attribute(link, record.bytes, record.capturedLength)
    }
    normaliser.startBurst()
    let packet = normaliser.place(
      link, bytes: record.bytes, captured: record.capturedLength, original: record.originalLength,
      attribution: attribution, mac: .router)
    let frame = UnsafeRawPointer(packet.base)
    let facts =
      packet.origin == .underlay
      ? FlowFacts(tunnelled: frame, length: Int(packet.length))
      : FlowFacts(frame: frame, length: Int(packet.length))
    return facts?.tuple
  }

  /// What was found, its groups in order.
  ///
  /// - Parameter summary: of the whole replay by tomorrow's rules.
  func result(_ summary: ReplaySummary) -> Comparison {
    var result = result
    let order = result.groups.indices.sorted { a, b in
      let (first, second) = (result.groups[a].packets, result.groups[b].packets)
      return first != second ? first > second : a < b
    }
    result.groups = order.map { result.groups[$0] }
    result.summary = summary
    return result
  }
}

extension FlowTuple {
  /// The same for both directions: the smaller endpoint first.
  public var undirected: FlowTuple {
    let isOrdered =
      source < destination
      || (source == destination && sourcePort <= destinationPort)
    if isOrdered { return self }
    return FlowTuple(
      source: destination, destination: source, sourcePort: destinationPort,
      destinationPort: sourcePort, protocolNumber: protocolNumber)
  }

  /// Such as `tcp 198.51.100.7:40000 > 10.0.1.10:443`.
  public var text: String {
    let hasPorts = sourcePort != 0 || destinationPort != 0
    func endpoint(_ address: IPAddress, _ port: UInt16) -> String {
      if !hasPorts { return "\(address)" }
      return address.family == .v6 ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
    let name =
      switch protocolNumber {
      case 1: "icmp"
      case 6: "tcp"
      case 17: "udp"
      case 58: "icmpv6"
      case 132: "sctp"
      default: "protocol \(protocolNumber)"
      }
    return "\(name) \(endpoint(source, sourcePort)) > \(endpoint(destination, destinationPort))"
  }
}

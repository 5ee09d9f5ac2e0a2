import Reachability
import ReferenceModel
import VPCModel
import Wire

/// Compares what `reach` computes and what `explain` tells with what the engine says of packets, at
/// the borders of the sets above all, and what a replay of the same packets says.
public struct ReachComparison: Sendable {
  /// One conversation in so many is asked about by its ends, as a user of `explain` does.
  static let inquiryShare = 64

  /// First packets of conversations.
  public private(set) var packets = 0
  /// Packets that were replayed too, answers among them, and conversations that could not be.
  public private(set) var replayed = 0
  public private(set) var notReplayed = 0
  /// Questions by the ends alone, and those whose answer names changes that make it pass.
  public private(set) var inquiries = 0
  public private(set) var remedies = 0
  /// Packets by fate.
  public private(set) var fates: [Fate: Int] = [:]
  public private(set) var differences: [String] = []

  private var random: SeededRandom
  private let seed: UInt64

  public init(seed: UInt64) {
    self.seed = seed
    random = SeededRandom(seed: seed)
  }

  /// Adds what another comparison found.
  public mutating func add(_ other: ReachComparison) {
    packets += other.packets
    replayed += other.replayed
    notReplayed += other.notReplayed
    inquiries += other.inquiries
    remedies += other.remedies
    fates.merge(other.fates, uniquingKeysWith: +)
    differences += other.differences
  }

  /// Compares the random model of the seed, with about `count` packets.
  public static func model(seed: UInt64, packets count: Int) throws -> ReachComparison {
    var comparison = ReachComparison(seed: seed)
    let model = ReachModels.model(seed: seed)
    try comparison.compare(model, packets: count)
    return comparison
  }

  /// Compares each interface of a model, both ways.
  public mutating func compare(_ model: VPCModel, packets count: Int) throws {
    let probe = try ReachProbe(model)
    let analysis = ReachAnalysis(model)
    var replay = ReplayedConversations(model)
    let share = max(1, count / max(1, 2 * model.networkInterfaces.count))
    for nic in model.networkInterfaces {
      for reach in [analysis.reach(to: nic.id), analysis.reach(from: nic.id)].compactMap({ $0 }) {
        for _ in 0..<share { ask(reach, nic, model, probe, &replay) }
      }
    }
    differences += try replay.differences().map { "seed \(seed): \($0)" }
    replayed += replay.count
    notReplayed += replay.leftOut
  }

  private mutating func ask(
    _ reach: Reach, _ nic: NetworkInterface, _ model: VPCModel, _ probe: ReachProbe,
    _ replay: inout ReplayedConversations
  ) {
    guard !nic.addresses.isEmpty else { return }
    var own = random.pick(nic.addresses, else: nic.addresses[0])
    var peer = peer(model)
    if let entry = reach.entries.isEmpty || random.one(in: 4)
      ? nil : reach.entries[random.number(0...reach.entries.count - 1)]
    {
      (own, peer) = (entry.own, entry.peer)
    }
    let traffic = reach.traffic(peer, own: own)
    let remote = address(near: traffic, own.family, model)
    guard var packet = packet(near: traffic.value(at: remote), own.family) else { return }
    // Where the policy evaluates it, the middle of a connection fares as its beginning.
    packet.isMidstream =
      packet.protocolNumber == IPProtocol.tcp && model.policy.midstream == .evaluate
      && random.one(in: 8)
    // Only a mapping's own host sends from its address.
    if reach.direction == .to, case .mappings(let vpc) = peer,
      !model.mappings.contains(where: { $0.vpc == vpc && $0.address == own.family.address(remote) })
    {
      return
    }
    let query = ReachProbe.Query(
      interface: nic.id, direction: reach.direction, peer: peer, own: own,
      remote: own.family.address(remote), traffic: packet)
    let expected = traffic.fate(
      query.remote, service: Self.service(packet, own.family), sourcePort: packet.sourcePort)
    let actual = probe.fate(query)
    packets += 1
    fates[expected, default: 0] += 1
    if actual != expected { differ(query, "reach \(expected), engine \(actual)") }
    if let (explanation, agrees) = probe.explanation(query) {
      if !agrees { differ(query, "explain \(explanation.passes), engine otherwise") }
      replay.add(.init(query: query, fate: expected, explanation: explanation))
    }
    if random.one(in: Self.inquiryShare) { inquire(query, model) }
  }

  mutating func countInquiry(isRemedy: Bool) {
    inquiries += 1
    remedies += isRemedy ? 1 : 0
  }

  mutating func differ(_ query: ReachProbe.Query, _ what: String) {
    differences.append("seed \(seed): \(query): \(what)")
  }

  // MARK: Choices

  private mutating func peer(_ model: VPCModel) -> ReachPeer {
    switch random.number(0...3) {
    case 0:
      return .mappings(vpc: random.pick(model.vpcs.map(\.id), else: ""))
    case 1:
      return .gateway(random.pick(model.internetGateways.map(\.id), else: ""))
    default:
      return .interface(random.pick(model.networkInterfaces.map(\.id), else: ""))
    }
  }

  /// A border of the set, or one beyond it, or an address of the model, or any.
  private mutating func address(
    near traffic: TrafficSet, _ family: IPFamily, _ model: VPCModel
  ) -> UInt128 {
    let last: UInt128 = family == .v4 ? 0xFFFF_FFFF : .max
    switch random.number(0...5) {
    case 0:
      let residents =
        model.networkInterfaces.flatMap(\.addresses) + model.mappings.map(\.address)
        + model.networkInterfaces.flatMap { $0.publicAddresses.map(\.publicAddress) }
      let ours = residents.filter { $0.family == family }
      return random.pick(ours.map(\.asNumber), else: 0)
    case 1:
      let blocks = (model.vpcs.flatMap(\.cidrs) + model.subnets.flatMap(\.cidrs))
        .filter { $0.family == family }
      let block = random.pick(blocks.map(\.address.asNumber), else: 0)
      return (block &+ UInt128(random.number(0...300))) & last
    case 2: return (UInt128(random.next()) << 64 | UInt128(random.next())) & last
    default:
      var borders: [UInt128] = []
      for (range, _) in traffic.intervals {
        borders += [
          range.lowerBound, range.upperBound, range.lowerBound &- 1, range.upperBound &+ 1,
        ]
      }
      return random.pick(borders, else: 0) & last
    }
  }

  /// A packet at a border of the services and source ports, or any; nil for what is no packet.
  private mutating func packet(near fates: ServiceFates, _ family: IPFamily) -> ProbeTraffic? {
    var services: [UInt32] = []
    for (range, _) in fates.intervals {
      services += [
        range.lowerBound, range.upperBound, range.lowerBound &- 1, range.upperBound &+ 1,
      ]
    }
    let usual: [UInt32] = [6, 17, 6, 17, family == .v4 ? 1 : 58, 132, 47]
    var service = random.pick(services, else: 0)
    if random.one(in: 3) {
      service = random.pick(usual, else: 6) << 16 | UInt32(random.number(0...65_535))
    }
    if random.one(in: 12) { service = 17 << 16 | UInt32(random.pick([67, 68, 546, 547])) }
    guard service <= 0x00FF_FFFF else { return nil }
    let number = UInt8(service >> 16)
    if family == .v6 && ProbeTraffic.extensionHeaders.contains(number) { return nil }
    var packet = ProbeTraffic(protocolNumber: number)
    if packet.isICMP(family) {
      packet.icmpType = UInt8(truncatingIfNeeded: service >> 8)
      packet.icmpCode = UInt8(truncatingIfNeeded: service)
    }
    if ProbeTraffic.hasPorts(number) {
      packet.destinationPort = UInt16(truncatingIfNeeded: service)
    }
    packet.sourcePort = sourcePort(near: fates.value(at: service))
    return packet
  }

  private mutating func sourcePort(near fates: PortFates) -> UInt16 {
    var ports: [UInt16] = []
    for (range, _) in fates.intervals {
      ports += [
        range.lowerBound, range.upperBound, range.lowerBound &- 1, range.upperBound &+ 1,
      ]
    }
    switch random.number(0...5) {
    case 0: return UInt16(random.number(0...65_535))
    case 1: return random.pick([67, 68, 546, 547, 443, 53], else: 53)
    default: return random.pick(ports, else: 49_152)
    }
  }

  /// The number of a packet's service, as sets have it.
  static func service(_ packet: ProbeTraffic, _ family: IPFamily) -> UInt32 {
    var low = packet.destinationPort
    if packet.isICMP(family) { low = UInt16(packet.icmpType) << 8 | UInt16(packet.icmpCode) }
    return UInt32(packet.protocolNumber) << 16 | UInt32(low)
  }
}

extension IPAddress {
  var asNumber: UInt128 { UInt128(high) << 64 | UInt128(low) }
}

extension IPFamily {
  func address(_ number: UInt128) -> IPAddress {
    IPAddress(
      family: self, high: UInt64(truncatingIfNeeded: number >> 64),
      low: UInt64(truncatingIfNeeded: number))
  }
}

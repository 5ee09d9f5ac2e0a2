import VPCModel
import Wire

/// A slow and plain implementation of the VPC model's meaning, to compare the engine with.
public struct ReferenceVPC: Sendable {
  var model: VPCModel
  let options: ReferenceOptions
  var peers: PeerAddresses
  var routing: Routing
  var services: Services
  var nics: [NetworkInterfaceState]
  /// In the order of `nics`.
  var memories: [NetworkInterfaceMemory]
  /// The latest time seen, in nanoseconds.
  var now: UInt64 = 0
  /// How often the model was replaced, and when that cut connections last.
  var changes = 0
  var lastCut = 0
  /// Connections whose place another took while they lived.
  public internal(set) var replacements = 0
  /// Services answer later: what they will say is kept in `deferred` and charged then.
  var defersServices = false
  /// Bytes of payload that each packet shall have which the frame at hand is cut into; 0: as it is.
  var segmentSize = 0
  /// Packets that the frame at hand counts as.
  var packetCount = 1
  var deferred: (nic: Int, outcome: ServiceOutcome)?
  /// The network interface whose drop the last verdict is, where that is not the sender.
  var dropper: Int?
  /// What the last call of `deliver` was about.
  var arrived: (packet: ParsedPacket, receiver: Int)?

  /// - Parameter model: a valid model, as the loader returns it.
  public init(model: VPCModel, options: ReferenceOptions) {
    self.model = model
    self.options = options
    peers = PeerAddresses(model)
    nics = model.networkInterfaces.compactMap { NetworkInterfaceState($0, model) }
    memories = nics.map { NetworkInterfaceMemory(buckets: Buckets($0.nic.limits)) }
    routing = Routing(model, peers, nics)
    services = Services(routing: routing)
  }

  /// Judges the next packet; its time counts only if it is later than all before.
  public mutating func judge(_ packet: ReferencePacket) -> ReferenceVerdict {
    // Half of the range leaves room for deadlines, whatever a damaged capture says.
    now = max(now, min(packet.time, .max / 2))
    let octets = Octets(bytes: packet.bytes, originalLength: packet.originalLength)
    let frame = Frame(
      linkType: packet.linkType, octets: octets, tags: options.atNIC ? 0 : 2)
    // What comes from a guest's MAC address is the guest's, a tunnel packet of its own making too.
    let isGuests = nics.contains { $0.nic.mac == frame.sourceMAC }
    if !isGuests, case .ip(let outer) = frame.content, let verdict = judgeUnderlay(outer) {
      return verdict
    }
    if let sender = sender(of: frame) { return judgeSent(frame, by: sender) }
    return judgeReceived(frame)
  }

  // MARK: Who sent it, who receives it

  private var preferred: Int? { nics.firstIndex { $0.nic.id == options.eni } }

  /// The NIC to choose where addresses leave doubt; nil when there are no candidates.
  private func choose(_ candidates: [Int]) -> Int? {
    if let preferred, candidates.contains(preferred) { return preferred }
    return candidates.first
  }

  private func addresses(of frame: Frame) -> (source: IPAddress, destination: IPAddress)? {
    switch frame.content {
    case .ip(let packet) where packet.addressesKnown: (packet.source, packet.destination)
    case .arp(let octets)
    where octets.holds(0, 28) && octets.u16(2) == 0x0800 && octets.u16(4) == 0x0604:
      (octets.address(.v4, 14), octets.address(.v4, 24))
    default: nil
    }
  }

  private func sender(of frame: Frame) -> Int? {
    let source = addresses(of: frame)?.source
    let byMAC = nics.indices.filter { nics[$0].nic.mac == frame.sourceMAC }
    let byAddress = nics.indices.filter { source.map(nics[$0].owns) ?? false }
    if !byMAC.isEmpty {
      let both = byMAC.filter(byAddress.contains)
      return choose(both.isEmpty ? byMAC : both)
    }
    return choose(byAddress)
  }

  // MARK: Sent by a network interface

  mutating func judgeSent(_ frame: Frame, by sender: Int) -> ReferenceVerdict {
    let eni = nics[sender].nic.id
    switch frame.content {
    case .unreadable, .truncated:
      return .drop(eni: eni, direction: "egress", .parseTruncated)
    case .vlan: return .drop(eni: eni, direction: "egress", .l2VLAN)
    case .other: return .drop(eni: eni, direction: "egress", .l2Ethertype)
    case .arp(let octets): return judgeARP(octets, frame, from: sender)
    case .ip(let packet):
      if let fault = packet.fault { return .drop(eni: eni, direction: "egress", fault) }
      return judgeEgress(packet, frame, from: sender, at: now)
    }
  }

  private mutating func judgeARP(_ octets: Octets, _ frame: Frame, from sender: Int)
    -> ReferenceVerdict
  {
    let eni = nics[sender].nic.id
    guard octets.holds(0, 28) else {
      return .drop(eni: eni, direction: "egress", .parseTruncated)
    }
    if let mac = frame.destinationMAC, mac.isMulticast, mac != .broadcast {
      return .drop(eni: eni, direction: "egress", .l2Multicast)
    }
    return serviceVerdict(
      services.answerARP(octets, from: nics[sender], link: checkedSource(of: frame)), sender,
      dropDirection: "egress")
  }

  /// The Ethernet source of a frame that was taken at the network interface, where it counts.
  func checkedSource(of frame: Frame) -> MACAddress? {
    options.atNIC && frame.headerLength > 0 ? frame.sourceMAC : nil
  }

  /// The verdict of a service; what ends well spends the link-local allowance.
  mutating func serviceVerdict(
    _ outcome: ServiceOutcome, _ sender: Int, dropDirection: String
  ) -> ReferenceVerdict {
    let eni = nics[sender].nic.id
    if defersServices {
      deferred = (sender, outcome)
      return ReferenceVerdict(verdict: "reply")
    }
    if case .drop(let reason) = outcome {
      return .drop(eni: eni, direction: dropDirection, reason)
    }
    guard memories[sender].buckets.linkLocal.holds(1, at: now) else {
      return .drop(eni: eni, direction: dropDirection, .limitLinkLocal)
    }
    memories[sender].buckets.linkLocal.take(1, at: now)
    var verdict = ReferenceVerdict(verdict: outcome == .reply ? "reply" : "consume")
    verdict.eni = eni
    verdict.direction = "egress"
    return verdict
  }

  // MARK: A plain captured frame that no network interface here sent

  private mutating func judgeReceived(_ frame: Frame) -> ReferenceVerdict {
    let destination = addresses(of: frame)?.destination
    var isARP = false
    if case .arp = frame.content { isARP = true }
    let isGroup =
      (frame.destinationMAC?.isMulticast ?? false)
      || destination.map { $0.isMulticast || $0.isLimitedBroadcast } ?? false
    // ARP goes by its protocol addresses, and its requests are broadcast.
    if isGroup && !isARP { return .ignore("to a group address from elsewhere") }
    let byMAC = nics.indices.filter { nics[$0].nic.mac == frame.destinationMAC }
    let byAddress = nics.indices.filter { destination.map(nics[$0].owns) ?? false }
    let both = byAddress.filter(byMAC.contains)
    let candidates = [both, byAddress, byMAC].first { !$0.isEmpty } ?? []
    guard let receiver = choose(candidates) else { return .ignore("of no network interface") }
    let eni = nics[receiver].nic.id
    func drop(_ reason: DropReason) -> ReferenceVerdict {
      .drop(eni: eni, direction: "ingress", reason)
    }
    switch frame.content {
    case .unreadable, .truncated: return drop(.parseTruncated)
    case .vlan: return drop(.l2VLAN)
    case .other: return drop(.l2Ethertype)
    case .arp(let octets): return drop(octets.holds(0, 28) ? .l2Ethertype : .parseTruncated)
    case .ip(let packet):
      if let fault = packet.fault { return drop(fault) }
      if options.atNIC, nics[receiver].owns(packet.destination), let mac = frame.destinationMAC,
        mac != nics[receiver].nic.mac
      {
        return drop(.eniMAC)
      }
      return deliver(packet, bytes: frame.headerLength + packet.length, to: receiver, at: now)
    }
  }

  /// Judges a packet that only its receiver is asked about.
  mutating func deliver(_ packet: ParsedPacket, bytes: Int, to receiver: Int, at now: UInt64)
    -> ReferenceVerdict
  {
    let eni = nics[receiver].nic.id
    arrived = (packet, receiver)
    switch judgeIngress(packet, bytes: bytes, to: receiver, at: now) {
    case .drop(let reason, let rule):
      return .drop(eni: eni, direction: "ingress", reason, rule: rule)
    case .accept(let rule, let state):
      return .forward(eni: eni, direction: "ingress", rule: rule, state: state, output: eni)
    }
  }

  // MARK: The underlay

  /// The verdict of a packet to or from the host's own address; nil for all others.
  mutating func judgeUnderlay(_ outer: ParsedPacket) -> ReferenceVerdict? {
    guard let host = model.host, outer.addressesKnown,
      outer.destination == host.address || outer.source == host.address
    else { return nil }
    let isUDP = outer.protocolNumber == ProtocolNumber.udp
    let isTunnel = outer.ports.map { $0.destination == 6081 || $0.destination == 4789 } ?? false
    guard outer.destination == host.address, isUDP, isTunnel || outer.isLaterFragment else {
      return .ignore("of the host itself")
    }
    func drop(_ reason: DropReason) -> ReferenceVerdict {
      .drop(eni: "", direction: "ingress", reason)
    }
    if let fault = outer.fault { return drop(fault) }
    if outer.fragment != nil { return drop(.tunnelFragment) }
    switch parseTunnel(port: outer.ports?.destination ?? 0, outer.transport(from: 8)) {
    case .drop(let reason): return drop(reason)
    case .header(let header): return judgeTunnelled(header, outerSource: outer.source)
    }
  }

  private mutating func judgeTunnelled(_ header: TunnelHeader, outerSource: IPAddress)
    -> ReferenceVerdict
  {
    func drop(_ reason: DropReason, eni: String = "") -> ReferenceVerdict {
      .drop(eni: eni, direction: "ingress", reason)
    }
    let vpcs = vpcs(ofVNI: header.vni)
    guard !vpcs.isEmpty else { return drop(.tunnelVNI) }
    let frame = Frame(linkType: 1, octets: header.inner, tags: 0, isLive: defersServices)
    switch frame.content {
    case .unreadable, .truncated: return drop(.parseTruncated)
    case .vlan: return drop(.l2VLAN)
    case .arp(let octets): return drop(octets.holds(0, 28) ? .l2Ethertype : .parseTruncated)
    case .other: return drop(.l2Ethertype)
    case .ip(var packet):
      guard packet.addressesKnown else { return drop(packet.fault ?? .parseHeader) }
      guard let origin = origin(of: packet.source, vpcs, header.vni, outerSource) else {
        return drop(.tunnelPeer)
      }
      if let fault = packet.fault { return drop(fault) }
      if origin.isGateway && packet.family == .v4 {
        rewriteDestination(of: &packet, in: origin.vpc)
      }
      let isReachable = packet.family == .v6 || !origin.isGateway || packet.publicDestination != nil
      let byAddress = isReachable ? routing.nic(origin.vpc, packet.destination) : nil
      if let receiver = byAddress {
        let nic = nics[receiver].nic
        // The virtual router's address is the same on every host.
        guard frame.destinationMAC == nic.mac || frame.destinationMAC == .router else {
          return drop(.eniMAC, eni: nic.id)
        }
        return deliver(packet, bytes: 14 + packet.length, to: receiver, at: now)
      }
      let byMAC = nics.indices.filter {
        nics[$0].nic.mac == frame.destinationMAC && nics[$0].vpc == origin.vpc
      }
      guard let receiver = choose(byMAC) else { return drop(.eniNone) }
      return deliver(packet, bytes: 14 + packet.length, to: receiver, at: now)
    }
  }

  /// The VPCs that a VNI may stand for: its own, and those of the gateways that use it.
  private func vpcs(ofVNI vni: UInt32) -> [Int] {
    model.vpcs.indices.filter { index in
      model.vpcs[index].vni == vni
        || model.internetGateways.contains {
          $0.vni == vni && $0.vpc == model.vpcs[index].id
        }
    }
  }

  /// The VPC that a tunnelled packet is for, if its outer source is where its inner source lives.
  private func origin(
    of source: IPAddress, _ vpcs: [Int], _ vni: UInt32, _ outerSource: IPAddress
  ) -> (vpc: Int, isGateway: Bool)? {
    for vpc in vpcs where model.vpcs[vpc].vni == vni {
      let homes = [vpc] + routing.peered(with: vpc)
      if homes.contains(where: { routing.mapping($0, source)?.host == outerSource }) {
        return (vpc, false)
      }
    }
    for vpc in vpcs where !routing.isInVPC(vpc, source) {
      let isFromGateway = model.internetGateways.contains {
        $0.vpc == model.vpcs[vpc].id && $0.host == outerSource
          && ($0.vni == vni || model.vpcs[vpc].vni == vni)
      }
      if isFromGateway { return (vpc, true) }
    }
    return nil
  }

  /// Puts the private address in place of the public one.
  private func rewriteDestination(of packet: inout ParsedPacket, in vpc: Int) {
    for state in nics where state.vpc == vpc {
      for pair in state.nic.publicAddresses where pair.publicAddress == packet.destination {
        packet.publicDestination = packet.destination
        packet.destination = pair.privateAddress
        return
      }
    }
  }
}

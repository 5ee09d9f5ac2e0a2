import Reachability
import TestPackets
import VPCModel
import Wire

/// Frames of one conversation as a capture has them, composed without the code that `reach` and
/// `explain` compose theirs with.
struct ProbeFrames {
  let model: VPCModel
  private let nics: [String: NetworkInterface]
  private let vpcOfNIC: [String: VPC]

  init(_ model: VPCModel) {
    self.model = model
    nics = Dictionary(
      model.networkInterfaces.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    vpcOfNIC = nics.compactMapValues { nic in
      let subnet = model.subnets.first { $0.id == nic.subnet }
      return model.vpcs.first { $0.id == subnet?.vpc }
    }
  }

  /// The first packet; nil when no frame of a capture can tell who sends it.
  func request(_ query: ReachProbe.Query) -> [UInt8]? {
    if query.direction == .from {
      return sent(by: query.interface, ip(query.own, query.remote, query.traffic, isAnswer: false))
    }
    return brought(by: query, ip(query.remote, wire(query), query.traffic, isAnswer: false))
  }

  /// The answer to a first packet that has arrived.
  func answer(_ query: ReachProbe.Query, _ traffic: ProbeTraffic) -> [UInt8]? {
    if query.direction == .to {
      return sent(by: query.interface, ip(query.own, query.remote, traffic, isAnswer: true))
    }
    return brought(by: query, ip(query.remote, wire(query), traffic, isAnswer: true))
  }

  // MARK: Who brings it

  /// Of a gateway's traffic the address outside is the public one.
  private func wire(_ query: ReachProbe.Query) -> IPAddress {
    guard case .gateway = query.peer, let nic = nics[query.interface] else { return query.own }
    return nic.publicAddresses.first { $0.privateAddress == query.own }?.publicAddress ?? query.own
  }

  /// A capture tells interfaces apart by their MAC addresses.
  private func sent(by id: String, _ packet: [UInt8]) -> [UInt8]? {
    guard let mac = nics[id]?.mac, nics.values.filter({ $0.mac == mac }).count == 1 else {
      return nil
    }
    return Compose.ethernet(to: .router, from: mac, packet)
  }

  private func brought(by query: ReachProbe.Query, _ packet: [UInt8]) -> [UInt8]? {
    switch query.peer {
    case .interface(let id): return sent(by: id, packet)
    case .mappings(let vpc):
      guard let vni = vpcOfNIC[query.interface]?.vni,
        let mapping = model.mappings.first(where: { $0.vpc == vpc && $0.address == query.remote })
      else { return nil }
      return tunnel(
        Compose.ethernet(to: .router, from: mapping.mac, packet), from: mapping.host, vni: vni)
    case .gateway(let id):
      guard let gateway = model.internetGateways.first(where: { $0.id == id }),
        let host = model.host
      else { return nil }
      return tunnel(
        Compose.ethernet(to: .router, from: host.gatewayMAC, packet), from: gateway.host,
        vni: gateway.vni)
    }
  }

  /// Geneve to the host; nil in a model without one, where a capture has no tunnels.
  private func tunnel(_ frame: [UInt8], from source: IPAddress, vni: UInt32) -> [UInt8]? {
    guard let host = model.host, host.address.family == source.family else { return nil }
    let geneve = [0, 0, 0x65, 0x58] + Compose.bytes(UInt64(vni) << 8, 4)
    let outer = ip(source, host.address, number: 17, Compose.udp(49_152, 6081, geneve + frame))
    return Compose.ethernet(to: host.mac, from: host.gatewayMAC, outer)
  }

  // MARK: IP

  private func ip(
    _ source: IPAddress, _ destination: IPAddress, _ traffic: ProbeTraffic, isAnswer: Bool
  ) -> [UInt8] {
    ip(
      source, destination, number: traffic.protocolNumber,
      payload(traffic, source.family, isAnswer: isAnswer))
  }

  private func ip(
    _ source: IPAddress, _ destination: IPAddress, number: UInt8, _ payload: [UInt8]
  ) -> [UInt8] {
    Compose.withTransportChecksum(
      source.family == .v4
        ? Compose.ipv4("\(source)", "\(destination)", protocol: number, payload)
        : Compose.ipv6("\(source)", "\(destination)", next: number, payload))
  }

  private func payload(
    _ traffic: ProbeTraffic, _ family: IPFamily, isAnswer: Bool
  ) -> [UInt8] {
    let (source, destination) = (traffic.sourcePort, traffic.destinationPort)
    switch traffic.protocolNumber {
    case 6:
      var flags = isAnswer ? Compose.tcpSYN | Compose.tcpACK : Compose.tcpSYN
      if traffic.isMidstream { flags = Compose.tcpACK }
      let (own, other): (UInt32, UInt32) = isAnswer ? (7_000, 5_001) : (5_000, 0)
      if traffic.isMidstream {
        return Compose.tcp(
          source, destination, sequence: isAnswer ? 7_000 : 5_000,
          acknowledgement: isAnswer ? 5_000 : 7_000, flags: flags)
      }
      return Compose.tcp(source, destination, sequence: own, acknowledgement: other, flags: flags)
    case 17: return Compose.udp(source, destination)
    case 132:
      return Compose.bytes(UInt64(source), 2) + Compose.bytes(UInt64(destination), 2)
        + [0, 0, 0, 0, 0, 0, 0, 0, isAnswer ? 2 : 1, 0, 0, 20] + [UInt8](repeating: 0, count: 16)
    case _ where traffic.isICMP(family):
      return Compose.icmp(
        traffic.icmpType, traffic.icmpCode, rest: Compose.bytes(UInt64(source), 2) + [0, 1])
    default: return [UInt8](repeating: 0, count: 16)
    }
  }
}

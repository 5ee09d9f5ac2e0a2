import VPCModel
import Wire

extension Generator {
  /// Sends traffic from elsewhere through the tunnel, now and then with a mistake; false if there
  /// is no tunnel that it could come through.
  mutating func sendTunnelled(_ traffic: Traffic, _ type: Int) -> Bool {
    guard let host = model.host, let nic = nic(traffic.destination),
      let vpc = vpc(of: nic)
    else { return false }
    var vni = vpc.vni
    var peer = host.address.advanced(by: 1)
    var inner = traffic
    if let mapping = model.mappings.first(where: { $0.address == traffic.source }) {
      peer = mapping.host
    } else if let gateway = model.internetGateways.first(where: { $0.vpc == vpc.id }) {
      peer = gateway.host
      if random.one(in: 2) { vni = gateway.vni }
      if let pair = nic.publicAddresses.first(where: { $0.privateAddress == traffic.destination }),
        !random.one(in: 8)
      {
        inner = readdress(traffic, to: pair.publicAddress)
      }
    }
    if odd(in: 25) { vni = UInt32(random.pick([1, 2, 3, 100, 200, 300])) }
    if odd(in: 25) { peer = peer.advanced(by: 1) }
    var mac = nic.mac
    if odd(in: 25) { mac = random.pick(model.networkInterfaces.map(\.mac), else: .router) }
    if odd(in: 25) { mac = .router }
    var frame = PacketComposer.ethernet(
      mac, MACAddress(0x0200_0000_1000), type: type, inner.bytes)
    if odd(in: 60) { frame.insert(contentsOf: [0x81, 0, 0, 5], at: 12) }
    sendOuter(from: peer, to: host, tunnelHeader(vni, frame))
    return true
  }

  private func vpc(of nic: NetworkInterface) -> VPC? {
    let subnet = model.subnets.first { $0.id == nic.subnet }
    return model.vpcs.first { $0.id == subnet?.vpc }
  }

  private func readdress(_ traffic: Traffic, to destination: IPAddress) -> Traffic {
    var changed = traffic
    guard traffic.bytes.count >= 20, destination.family == .v4 else { return traffic }
    changed.destination = destination
    changed.bytes.replaceSubrange(16..<20, with: PacketComposer.bytes(destination))
    PacketComposer.setIPv4Checksum(&changed.bytes)
    return changed
  }

  /// The destination port, and the header with the inner frame.
  private mutating func tunnelHeader(_ vni: UInt32, _ frame: [UInt8]) -> (Int, [UInt8]) {
    let isGeneve = random.one(in: 2)
    var options: [UInt8] = []
    if isGeneve && random.one(in: 10) { options = [1, 2, 5, 1, 0, 0, 0, 0] }
    if isGeneve && odd(in: 40) { options = [1, 2, 0x85, 1, 0, 0, 0, 0] }
    var bytes =
      isGeneve
      ? PacketComposer.geneve(vni: vni, frame, options: options)
      : PacketComposer.vxlan(vni: vni, frame)
    if odd(in: 25) {
      bytes[random.number(0...7)] ^= UInt8(1 << random.number(0...7))
    }
    if odd(in: 60) { bytes = Array(bytes.prefix(random.number(0...20))) }
    return (isGeneve ? 6081 : 4789, bytes)
  }

  private mutating func sendOuter(from peer: IPAddress, to host: Host, _ payload: (Int, [UInt8])) {
    var fields = PacketComposer.IPFields(
      source: peer, destination: host.address, protocolNumber: 17)
    if odd(in: 60) {
      fields.fragmentation = PacketComposer.Fragmentation(
        identifier: 7, offset: random.pick([0, 1480]), more: random.one(in: 2))
    }
    let port = odd(in: 80) ? 6082 : payload.0
    let packet = PacketComposer.ip(
      fields, PacketComposer.udp((50_000 + random.number(0...9), port), payload.1))
    let type = peer.family == .v4 ? 0x0800 : 0x86DD
    record(
      linkType: 1,
      PacketComposer.ethernet(host.mac, host.gatewayMAC, type: type, packet))
  }
}

import VPCModel
import Wire

extension Generator {
  // MARK: Fragments

  mutating func sendFragment() {
    if pending.isEmpty || random.one(in: 5) { makeFragments() }
    guard !pending.isEmpty else { return }
    // Mostly in order.
    let index = random.one(in: 6) ? random.number(0...pending.count - 1) : 0
    let traffic = pending[index]
    if !random.one(in: 8) { pending.remove(at: index) }
    send(traffic)
    if lastsLong && random.one(in: 10) { sendForgery(of: traffic) }
    if pending.count > 30 { pending.removeAll() }
  }

  /// The same place in the datagram, and other bytes.
  private mutating func sendForgery(of traffic: Traffic) {
    var forgery = traffic
    guard let last = forgery.bytes.indices.last else { return }
    forgery.bytes[last] ^= 1
    send(forgery)
  }

  private mutating func makeFragments() {
    let (source, destination) = pair()
    let isV4 = source.family == .v4
    let (number, payload): (UInt8, [UInt8]) =
      switch random.number(0...4) {
      case 0, 1:
        (17, PacketComposer.udp((40_001, port()), random.octets(random.number(60...300))))
      case 2:
        (
          6,
          PacketComposer.tcp(
            (40_002, port()), sequence: 1, acknowledgement: 1,
            flags: random.pick([2, 16], else: 2),
            window: 100, payload: random.number(60...200))
        )
      case 3: (isV4 ? 1 : 58, [isV4 ? 8 : 128, 0, 0, 0, 0, 3, 0, 1] + random.octets(120))
      default: (47, random.octets(120))
      }
    let identifier = random.one(in: 10) ? self.identifier : nextIdentifier()
    var offset = 0
    while offset < payload.count {
      var length = random.pick([8, 16, 24, 48, 64])
      if random.one(in: 40) { length += random.number(1...7) }
      let end = min(payload.count, offset + length)
      var fields = PacketComposer.IPFields(
        source: source, destination: destination, protocolNumber: number)
      fields.fragmentation = PacketComposer.Fragmentation(
        identifier: identifier, offset: random.one(in: 25) ? max(0, offset - 8) : offset,
        more: end < payload.count)
      pending.append(
        Traffic(
          source: source, destination: destination,
          bytes: PacketComposer.ip(fields, Array(payload[offset..<end]))))
      offset = (end + 7) / 8 * 8
    }
  }

  // MARK: Damage

  mutating func sendMalformed() {
    guard !recent.isEmpty else { return }
    var traffic = recent[random.number(0...recent.count - 1)]
    guard traffic.bytes.count >= 20 else { return }
    for _ in 0...random.number(0...1) {
      switch random.number(0...3) {
      case 0: traffic.bytes = Array(traffic.bytes.prefix(random.number(1...traffic.bytes.count)))
      default:
        let index = random.number(0...min(traffic.bytes.count, 60) - 1)
        traffic.bytes[index] = UInt8(truncatingIfNeeded: random.next())
      }
    }
    if traffic.source.family == .v4 && !random.one(in: 6) && traffic.bytes.count >= 60 {
      PacketComposer.setIPv4Checksum(&traffic.bytes)
    }
    send(traffic)
  }

  // MARK: Services

  mutating func sendService() {
    let sender = random.pick(model.networkInterfaces, else: model.networkInterfaces[0])
    if random.one(in: 8) {
      for _ in 0..<6 { sendARP(sender) }
    }
    switch random.number(0...5) {
    case 0, 1: sendARP(sender)
    case 2, 3: sendNeighbour(sender)
    case 4: sendDHCPv4(sender)
    default: sendDHCPv6(sender)
    }
  }

  private mutating func sendARP(_ sender: NetworkInterface) {
    let own = sender.addresses[0]
    var arp = PacketComposer.arp(
      operation: random.pick([1, 1, 1, 2, 3]), mac: sender.mac,
      sender: random.one(in: 5) ? address(.v4) : random.one(in: 6) ? IPAddress(v4: 0) : own,
      target: random.one(in: 4) ? own : address(.v4))
    if random.one(in: 20) { arp[random.number(0...5)] ^= 1 }
    if random.one(in: 20) { arp[random.number(8...13)] ^= 1 }
    let destination: MACAddress = random.one(in: 10) ? MACAddress(0x0100_5E00_0001) : .broadcast
    record(
      linkType: 1, PacketComposer.ethernet(destination, sender.mac, type: 0x0806, arp))
  }

  private mutating func sendNeighbour(_ sender: NetworkInterface) {
    let type: UInt8 = random.pick([133, 135, 135, 135, 134, 136, 137], else: 135)
    let target = random.one(in: 4) ? ownAddress(.v6) : address(.v6)
    let linkLocal = IPAddress(v6: 0xFE80 << 48, 0x1234)
    let solicited = IPAddress(v6: 0xFF02 << 48, 0x1_FF00_0000 | target.low & 0xFF_FFFF)
    let routers = IPAddress(v6: 0xFF02 << 48, 2)
    var fields = PacketComposer.IPFields(
      source: random.pick(
        [ownAddress(.v6), linkLocal, IPAddress(v6: 0, 0), address(.v6)], else: linkLocal),
      destination: type == 133 ? routers : solicited, protocolNumber: 58)
    if random.one(in: 5) { fields.destination = random.one(in: 2) ? target : routers }
    fields.hopLimit = random.one(in: 10) ? 64 : 255
    let options: [UInt8] = random.pick(
      [
        [], [1, 1] + PacketComposer.bytes(sender.mac), [1, 1] + PacketComposer.bytes(.router),
        [1, 0, 0, 0, 0, 0, 0, 0],
      ], else: [])
    sendFromGuest(
      sender, fields, PacketComposer.neighbour(type: type, target: target, options: options))
  }

  private mutating func sendDHCPv4(_ sender: NetworkInterface) {
    let types: [UInt8] = [1, 3, 8, 4, 7, 2, 5]
    let broadcast = IPAddress(v4: .max)
    var message = PacketComposer.dhcpv4(
      type: random.pick(types, else: 1), mac: random.one(in: 8) ? .router : sender.mac)
    if random.one(in: 6) { message[random.pick([0, 1, 2, 3, 24, 236, 240, 241])] ^= 1 }
    let fields = PacketComposer.IPFields(
      source: random.pick([IPAddress(v4: 0), sender.addresses[0], address(.v4)], else: broadcast),
      destination: random.one(in: 3) ? ModelGenerator.address("10.0.1.1") : broadcast,
      protocolNumber: 17)
    let ports = random.pick([(68, 67), (68, 67), (68, 67), (67, 68), (67, 67)], else: (68, 67))
    sendFromGuest(sender, fields, PacketComposer.udp(ports, message))
  }

  private mutating func sendDHCPv6(_ sender: NetworkInterface) {
    let group = IPAddress(v6: 0xFF02 << 48, 0x1_0002)
    let fields = PacketComposer.IPFields(
      source: random.pick(
        [IPAddress(v6: 0xFE80 << 48, 0x77), ownAddress(.v6), address(.v6)], else: group),
      destination: random.one(in: 6) ? ModelGenerator.address("fe80::1") : group,
      protocolNumber: 17)
    var message = PacketComposer.dhcpv6(type: UInt8(random.number(1...13)))
    if random.one(in: 6) { message[random.number(4...7)] ^= 1 }
    let ports = random.pick([(546, 547), (546, 547), (547, 546)], else: (546, 547))
    sendFromGuest(sender, fields, PacketComposer.udp(ports, message))
  }

  private mutating func sendFromGuest(
    _ sender: NetworkInterface, _ fields: PacketComposer.IPFields, _ payload: [UInt8]
  ) {
    var destination = MACAddress.router
    if fields.destination.isLimitedBroadcast { destination = .broadcast }
    if fields.destination.isMulticast {
      destination = MACAddress(0x3333_0000_0000 | fields.destination.low & 0xFFFF_FFFF)
    }
    let type = fields.source.family == .v4 ? 0x0800 : 0x86DD
    record(
      linkType: 1,
      PacketComposer.ethernet(
        destination, random.one(in: 12) ? MACAddress(0x02EE_0000_0098) : sender.mac, type: type,
        PacketComposer.ip(fields, payload)))
  }

  // MARK: What does not belong there

  mutating func sendStrange() {
    let sender = random.pick(model.networkInterfaces, else: model.networkInterfaces[0])
    let family = family()
    let group =
      family == .v4
      ? random.pick([IPAddress(v4: 0xE000_00FB), IPAddress(v4: .max)], else: IPAddress(v4: .max))
      : IPAddress(v6: 0xFF02 << 48, 0xFB)
    let own = sender.addresses.first { $0.family == family } ?? ownAddress(family)
    var fields = PacketComposer.IPFields(source: own, destination: group, protocolNumber: 17)
    switch random.number(0...4) {
    case 0: break
    case 1:
      fields.source = address(family)
      fields.destination = address(family)
    case 2: fields.destination = own
    case 3: fields.destination = ModelGenerator.address(family == .v4 ? "169.254.1.1" : "fe80::5")
    default:
      let odd = sender.addresses.last { $0.family == family } ?? own
      fields.destination = odd
    }
    sendFromGuest(sender, fields, PacketComposer.udp((5353, 5353), [1, 2, 3]))
  }

  mutating func sendNoise() {
    let sender = random.pick(model.networkInterfaces.map(\.mac), else: .router)
    switch random.number(0...4) {
    case 0:
      let type = random.pick([0x88CC, 0x0026, 0x8847, 0x86DD])
      record(
        linkType: 1, PacketComposer.ethernet(.router, sender, type: type, random.octets(40)))
    case 1: record(linkType: 1, PacketComposer.ethernet(sender, .router, type: 0x88CC, [1, 2]))
    case 2: record(linkType: 105, random.octets(50))
    case 3: record(linkType: 101, random.octets(random.number(1...60)))
    default: record(linkType: 1, random.octets(random.number(1...80)))
    }
  }
}

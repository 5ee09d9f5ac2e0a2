import Wire

/// Composes the packets of generated scenarios; every field can be wrong on purpose.
enum PacketComposer {
  static func big16(_ value: Int) -> [UInt8] {
    [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
  }

  static func big32(_ value: UInt32) -> [UInt8] {
    big16(Int(value >> 16)) + big16(Int(value & 0xFFFF))
  }

  static func bytes(_ address: IPAddress) -> [UInt8] {
    if address.family == .v4 { return big32(address.v4Bits) }
    return [address.high, address.low].flatMap { half in
      big32(UInt32(half >> 32)) + big32(UInt32(truncatingIfNeeded: half))
    }
  }

  static func bytes(_ mac: MACAddress) -> [UInt8] {
    big16(Int(mac.bits >> 32)) + big32(UInt32(truncatingIfNeeded: mac.bits))
  }

  struct Fragmentation {
    var identifier: UInt32
    var offset: Int
    var more: Bool
  }

  struct IPFields {
    var source: IPAddress
    var destination: IPAddress
    var protocolNumber: UInt8
    var hopLimit: UInt8 = 64
    var dontFragment = false
    /// IPv4 options, a multiple of 4 bytes.
    var options: [UInt8] = []
    /// IPv6 extension headers, complete but for their next header field: number and bytes.
    var extensions: [(number: UInt8, bytes: [UInt8])] = []
    var fragmentation: Fragmentation?
  }

  static func ip(_ fields: IPFields, _ payload: [UInt8]) -> [UInt8] {
    fields.source.family == .v4 ? ipv4(fields, payload) : ipv6(fields, payload)
  }

  private static func ipv4(_ fields: IPFields, _ payload: [UInt8]) -> [UInt8] {
    let headerLength = 20 + fields.options.count
    var flags = fields.dontFragment ? 0x4000 : 0
    if let part = fields.fragmentation { flags |= (part.more ? 0x2000 : 0) | part.offset / 8 }
    var header: [UInt8] = [0x40 | UInt8(headerLength / 4), 0]
    header += big16(headerLength + payload.count)
    header += big16(Int(fields.fragmentation?.identifier ?? 0x1234) & 0xFFFF)
    header += big16(flags)
    header += [fields.hopLimit, fields.protocolNumber, 0, 0]
    header += bytes(fields.source) + bytes(fields.destination) + fields.options
    setIPv4Checksum(&header)
    return header + payload
  }

  static func setIPv4Checksum(_ packet: inout [UInt8]) {
    guard let first = packet.first, packet.count >= Int(first & 15) * 4, first & 15 >= 5 else {
      return
    }
    packet[10] = 0
    packet[11] = 0
    var sum = 0
    for index in stride(from: 0, to: Int(first & 15) * 4, by: 2) {
      sum += Int(packet[index]) << 8 | Int(packet[index + 1])
    }
    while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
    packet.replaceSubrange(10..<12, with: big16(~sum & 0xFFFF))
  }

  /// Sets the checksum of a whole TCP, UDP or ICMP packet; leaves any other as it is.
  static func setTransportChecksum(_ packet: inout [UInt8]) {
    guard let version = packet.first.map({ $0 >> 4 }), version == 4 || version == 6 else { return }
    let octets = Octets(bytes: packet, originalLength: packet.count)
    let parsed = parseIP(version == 4 ? .v4 : .v6, octets)
    guard parsed.fault == nil, parsed.fragment == nil else { return }
    let offset: Int
    switch parsed.protocolNumber {
    case ProtocolNumber.tcp: offset = 16
    case ProtocolNumber.udp: offset = 6
    case ProtocolNumber.icmp where version == 4: offset = 2
    case ProtocolNumber.icmpv6 where version == 6: offset = 2
    default: return
    }
    let place = parsed.transportOffset + offset
    guard place + 2 <= parsed.length else { return }
    packet.replaceSubrange(place..<place + 2, with: [0, 0])
    let empty = Octets(bytes: packet, originalLength: packet.count)
    let sum = parseIP(version == 4 ? .v4 : .v6, empty).transportSum
    var checksum = ~sum
    if checksum == 0 && offset == 6 { checksum = 0xFFFF }
    packet.replaceSubrange(place..<place + 2, with: big16(Int(checksum)))
  }

  private static func ipv6(_ fields: IPFields, _ payload: [UInt8]) -> [UInt8] {
    var headers = fields.extensions
    if let part = fields.fragmentation {
      headers.append(
        (44, [0, 0] + big16(part.offset | (part.more ? 1 : 0)) + big32(part.identifier)))
    }
    var body = payload
    var next = fields.protocolNumber
    for header in headers.reversed() {
      var bytes = header.bytes
      bytes[0] = next
      next = header.number
      body = bytes + body
    }
    return [0x60, 0, 0, 0] + big16(body.count) + [next, fields.hopLimit] + bytes(fields.source)
      + bytes(fields.destination) + body
  }

  static func tcp(
    _ ports: (Int, Int), sequence: UInt32, acknowledgement: UInt32, flags: UInt8, window: Int,
    options: [UInt8] = [], payload: Int
  ) -> [UInt8] {
    let padded = options + [UInt8](repeating: 0, count: (4 - options.count % 4) % 4)
    return big16(ports.0) + big16(ports.1) + big32(sequence) + big32(acknowledgement)
      + [UInt8(5 + padded.count / 4) << 4, flags] + big16(window) + [0, 0, 0, 0] + padded
      + [UInt8](repeating: 0x61, count: payload)
  }

  static func udp(_ ports: (Int, Int), _ payload: [UInt8]) -> [UInt8] {
    big16(ports.0) + big16(ports.1) + big16(8 + payload.count) + [0, 0] + payload
  }

  static func sctp(_ ports: (Int, Int), payload: Int) -> [UInt8] {
    big16(ports.0) + big16(ports.1) + [UInt8](repeating: 0, count: 8 + payload)
  }

  static func icmp(type: UInt8, code: UInt8, _ rest: [UInt8]) -> [UInt8] {
    [type, code, 0, 0] + rest
  }

  static func ethernet(
    _ destination: MACAddress, _ source: MACAddress, type: Int, _ payload: [UInt8]
  ) -> [UInt8] {
    bytes(destination) + bytes(source) + big16(type) + payload
  }

  static func arp(
    operation: Int, mac: MACAddress, sender: IPAddress, target: IPAddress
  ) -> [UInt8] {
    big16(1) + big16(0x0800) + [6, 4] + big16(operation) + bytes(mac) + bytes(sender)
      + [UInt8](repeating: 0, count: 6) + bytes(target)
  }

  static func dhcpv4(type: UInt8, mac: MACAddress) -> [UInt8] {
    var message = [UInt8](repeating: 0, count: 240)
    message.replaceSubrange(0..<3, with: [1, 1, 6])
    message.replaceSubrange(28..<34, with: bytes(mac))
    message.replaceSubrange(236..<240, with: [0x63, 0x82, 0x53, 0x63])
    return message + [53, 1, type, 255]
  }

  static func dhcpv6(type: UInt8) -> [UInt8] {
    [type, 1, 2, 3, 0, 1, 0, 4, 0, 3, 0, 1]
  }

  /// A neighbour solicitation or advertisement, or with a type of 133 a router solicitation.
  static func neighbour(type: UInt8, target: IPAddress, options: [UInt8] = []) -> [UInt8] {
    [type, 0, 0, 0, 0, 0, 0, 0] + (type == 133 ? [] : bytes(target)) + options
  }

  static func geneve(vni: UInt32, _ inner: [UInt8], options: [UInt8] = []) -> [UInt8] {
    [UInt8(options.count / 4), 0, 0x65, 0x58] + big32(vni << 8) + options + inner
  }

  static func vxlan(vni: UInt32, _ inner: [UInt8]) -> [UInt8] {
    [8, 0, 0, 0] + big32(vni << 8) + inner
  }
}

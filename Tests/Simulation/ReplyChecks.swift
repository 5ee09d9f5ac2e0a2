import ReferenceModel
import VPCModel
import Wire

// What answers have to say, read from their bytes.

extension [UInt8] {
  func big16(_ offset: Int) -> Int {
    offset + 2 <= count ? Int(self[offset]) << 8 | Int(self[offset + 1]) : -1
  }

  func part(_ offset: Int, _ length: Int) -> [UInt8] {
    offset + length <= count ? Array(self[offset..<offset + length]) : []
  }

  /// The sum of 16-bit words in ones' complement: 0xFFFF where a checksum in it is right.
  func onesSum() -> Int {
    var sum = 0
    for index in stride(from: 0, to: count, by: 2) {
      sum += Int(self[index]) << 8 | (index + 1 < count ? Int(self[index + 1]) : 0)
    }
    while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
    return sum
  }
}

/// An ICMP "too big" message.
enum TooBigCheck {
  /// What is wrong with the message about a packet; nil when nothing is.
  static func difference(_ frame: [UInt8], about packet: [UInt8], mtu: Int) -> String? {
    guard let version = packet.first.map({ $0 >> 4 }) else { return "about nothing" }
    return version == 4 ? v4(frame, packet, mtu) : v6(frame, packet, mtu)
  }

  private static func v4(_ frame: [UInt8], _ packet: [UInt8], _ mtu: Int) -> String? {
    let ip = Array(frame.dropFirst(14))
    let message = Array(ip.dropFirst(20))
    if frame.big16(12) != 0x0800 || ip.first != 0x45 { return "no IPv4 packet" }
    if ip.big16(2) != ip.count || ip.count > 576 { return "length \(ip.big16(2))" }
    if ip.part(0, 20).onesSum() != 0xFFFF { return "header checksum" }
    if ip.part(9, 1) != [1] || ip.part(16, 4) != packet.part(12, 4) { return "not to the sender" }
    if message.part(0, 2) != [3, 4] { return "type and code \(message.part(0, 2))" }
    if message.onesSum() != 0xFFFF { return "ICMP checksum" }
    if message.big16(6) != mtu { return "MTU \(message.big16(6)), not \(mtu)" }
    let quote = Array(message.dropFirst(8))
    return quote.count >= 28 && Array(packet.prefix(quote.count)) == quote ? nil : "quote"
  }

  private static func v6(_ frame: [UInt8], _ packet: [UInt8], _ mtu: Int) -> String? {
    let ip = Array(frame.dropFirst(14))
    let message = Array(ip.dropFirst(40))
    if frame.big16(12) != 0x86DD || ip.first.map({ $0 >> 4 }) != 6 { return "no IPv6 packet" }
    if ip.big16(4) != message.count || ip.count > 1280 { return "length \(ip.big16(4))" }
    if ip.part(6, 1) != [58] || ip.part(24, 16) != packet.part(8, 16) { return "not to the sender" }
    if message.part(0, 2) != [2, 0] { return "type and code \(message.part(0, 2))" }
    let length = [0, 0, UInt8(message.count >> 8), UInt8(message.count & 255), 0, 0, 0, 58]
    if (ip.part(8, 32) + length + message).onesSum() != 0xFFFF { return "ICMPv6 checksum" }
    if message.big16(4) << 16 | message.big16(6) != mtu { return "MTU" }
    let quote = Array(message.dropFirst(8))
    return quote.count >= 48 && Array(packet.prefix(quote.count)) == quote ? nil : "quote"
  }
}

/// Pieces of an IPv4 packet that was too big for its way.
enum PieceCheck {
  /// What is wrong with the frames; nil when they are the packet again.
  static func difference(_ frames: [[UInt8]], of packet: [UInt8], limit: Int) -> String? {
    let header = Int(packet.first.map { $0 & 15 } ?? 5) * 4
    let payload = Array(packet.dropFirst(header))
    let flags = packet.big16(6)
    let start = (flags & 0x1FFF) * 8
    var position = 0
    for (index, frame) in frames.enumerated() {
      let ip = Array(frame.dropFirst(14))
      let own = Int(ip.first.map { $0 & 15 } ?? 5) * 4
      let isLast = index == frames.count - 1
      if ip.count > limit || ip.big16(2) != ip.count { return "length \(ip.count)" }
      if ip.part(0, own).onesSum() != 0xFFFF { return "header checksum" }
      if ip.part(8, 2) != packet.part(8, 2) || ip.part(12, 8) != packet.part(12, 8)
        || ip.part(4, 2) != packet.part(4, 2)
      {
        return "header"
      }
      if (ip.big16(6) & 0x1FFF) * 8 != start + position { return "offset of piece \(index)" }
      let more = !isLast || flags & 0x2000 != 0
      if (ip.big16(6) & 0x2000 != 0) != more { return "more fragments of piece \(index)" }
      let part = Array(ip.dropFirst(own))
      if part != payload.part(position, part.count) { return "payload of piece \(index)" }
      position += part.count
    }
    return frames.isEmpty || position == payload.count ? nil : "\(position) bytes of payload"
  }
}

extension SimulatedHost {
  /// What is wrong with a service's answer; nil when nothing is.
  func replyDifference(
    _ outcome: ReferenceModel.LiveServiceOutcome, _ reply: [UInt8], _ request: [UInt8],
    _ id: String
  ) -> String? {
    guard outcome == .reply else { return reply.isEmpty ? nil : "an answer with \(outcome)" }
    guard let nic = reference.currentModel.networkInterfaces.first(where: { $0.id == id }) else {
      return nil
    }
    let own = Self.bytes(nic.mac)
    // RFC 4861 sections 6.2.6 and 7.2.4: who asked without an address is answered as one of all.
    let isToAll = reply.big16(12) == 0x86DD && reply.part(0, 2) == [0x33, 0x33]
    if reply.part(0, 6) != own && !isToAll { return "an answer to another guest" }
    switch reply.big16(12) {
    case 0x0806: return arpDifference(reply, request, nic)
    case 0x0800: return dhcpDifference(reply, request, nic)
    case 0x86DD: return v6Difference(reply, request)
    default: return "an answer of type \(reply.big16(12))"
    }
  }

  static func bytes(_ mac: MACAddress) -> [UInt8] {
    (0..<6).map { UInt8(truncatingIfNeeded: mac.bits >> UInt64(40 - 8 * $0)) }
  }

  /// The MAC address by which a guest reaches an address of its VPC: the owner's, or the router's.
  private func hardwareAddress(_ address: IPAddress, for nic: NetworkInterface) -> [UInt8] {
    let model = reference.currentModel
    let vpc = model.subnets.first { $0.id == nic.subnet }?.vpc
    for other in model.networkInterfaces where other.addresses.contains(address) {
      let home = model.subnets.first { $0.id == other.subnet }?.vpc
      if home == vpc { return Self.bytes(other.mac) }
    }
    for mapping in model.mappings where mapping.address == address && mapping.vpc == vpc {
      return Self.bytes(mapping.mac)
    }
    return Self.bytes(.router)
  }

  // RFC 826.
  private func arpDifference(
    _ reply: [UInt8], _ request: [UInt8], _ nic: NetworkInterface
  ) -> String? {
    let asked = request.part(38, 4)
    let address = IPAddress(v4: asked.reduce(0) { $0 << 8 | UInt32($1) })
    let expected =
      [0, 1, 8, 0, 6, 4, 0, 2] + hardwareAddress(address, for: nic) + asked + request.part(22, 10)
    return reply.part(14, 28) == expected ? nil : "ARP answer \(reply), not \(expected)"
  }

  // RFC 2131: an answer to this client, with its primary address.
  private func dhcpDifference(
    _ reply: [UInt8], _ request: [UInt8], _ nic: NetworkInterface
  ) -> String? {
    let ip = Array(reply.dropFirst(14))
    if ip.part(0, 20).onesSum() != 0xFFFF || ip.big16(2) != ip.count { return "DHCP header" }
    if ip.part(9, 1) != [17] || ip.big16(20) != 67 || ip.big16(22) != 68 { return "DHCP ports" }
    let start = 14 + Int(request.part(14, 1).first.map { $0 & 15 } ?? 5) * 4 + 8
    let message = Array(ip.dropFirst(28))
    if message.first != 2 || message.part(4, 4) != request.part(start + 4, 4) { return "DHCP id" }
    guard let primary = nic.addresses.first(where: { $0.family == .v4 }) else { return "DHCP" }
    let bits = primary.v4Bits
    let address = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bits >> UInt32($0)) }
    // An INFORM asks for no address.
    let isInform = message.part(16, 4) == [0, 0, 0, 0]
    return message.part(16, 4) == address || isInform ? nil : "DHCP address \(message.part(16, 4))"
  }

  private func v6Difference(_ reply: [UInt8], _ request: [UInt8]) -> String? {
    let ip = Array(reply.dropFirst(14))
    let message = Array(ip.dropFirst(40))
    if ip.big16(4) != message.count { return "IPv6 length" }
    let length = [
      0, 0, UInt8(message.count >> 8), UInt8(message.count & 255), 0, 0, 0,
      ip.part(6, 1).first ?? 0,
    ]
    if (ip.part(8, 32) + length + message).onesSum() != 0xFFFF { return "checksum of the answer" }
    let isSolicitation = request.part(20, 1) == [58] && request.part(54, 1) == [135]
    if isSolicitation {
      if message.part(0, 1) != [136] { return "no advertisement" }
      if message.part(8, 16) != request.part(62, 16) { return "advertisement of another address" }
      if ip.part(7, 1) != [255] { return "hop limit of the advertisement" }
    }
    return nil
  }
}

import Wire

/// UDP destination ports of the tunnels that a host always decapsulates.
enum TunnelPort {
  /// RFC 8926.
  static let geneve: UInt16 = 6081
  /// RFC 7348.
  static let vxlan: UInt16 = 4789

  static func isTunnel(_ port: UInt16) -> Bool { port == geneve || port == vxlan }
}

extension Attributor {
  /// Whether an IPv4 packet is UDP to a tunnel port, or a later fragment of UDP, which shows no
  /// port and could be of a tunnel packet.
  ///
  /// What follows the packet in its frame is padding, whatever it looks like.
  static func isTunnelV4(_ ip: UnsafeRawPointer, _ present: Int) -> Bool {
    guard present >= 20, ip.byte(9) == 17 else { return false }
    let headerLength = Int(ip.byte(0) & 15) * 4
    guard headerLength >= 20, present >= headerLength else { return false }
    if ip.big16(6) & 0x1FFF != 0 { return true }
    // Zero is what segmentation offload leaves in captures.
    let total = ip.big16(2) == 0 ? present : min(present, Int(ip.big16(2)))
    guard total >= headerLength + 8 else { return false }
    return TunnelPort.isTunnel(ip.big16(headerLength + 2))
  }

  /// The same of an IPv6 packet, behind as many extension headers as are parsed.
  static func isTunnelV6(_ ip: UnsafeRawPointer, _ present: Int) -> Bool {
    guard let transport = IPv6Walk.transport(ip, present), transport.protocolNumber == 17 else {
      return false
    }
    let end = min(present, 40 + Int(ip.big16(4)))
    guard transport.offset <= end, transport.offset - 40 <= 256 else { return false }
    if !transport.isFirst { return true }
    guard end >= transport.offset + 8 else { return false }
    return TunnelPort.isTunnel(ip.big16(transport.offset + 2))
  }
}

/// Finds the transport header behind IPv6 extension headers (RFC 8200 section 4), for attribution
/// and flow logs only: what it accepts is judged by the engine's own parser.
enum IPv6Walk {
  struct Transport {
    var protocolNumber: UInt8
    var offset: Int
    /// False for a later fragment, which has no transport header.
    var isFirst = true
  }

  static func transport(_ ip: UnsafeRawPointer, _ present: Int) -> Transport? {
    guard present >= 40 else { return nil }
    var result = Transport(protocolNumber: ip.byte(6), offset: 40)
    for _ in 0..<8 {
      let next = result.protocolNumber
      guard next == 0 || next == 43 || next == 60 || next == 44 || next == 51 else { return result }
      guard present >= result.offset + 8 else { return nil }
      let header = ip + result.offset
      result.protocolNumber = header.byte(0)
      if next == 44 {
        result.offset += 8
        if header.big16(2) & 0xFFF8 != 0 {
          result.isFirst = false
          return result
        }
      } else {
        result.offset += next == 51 ? (Int(header.byte(1)) + 2) * 4 : (Int(header.byte(1)) + 1) * 8
      }
    }
    return result
  }
}

import Wire

/// UDP destination ports of the tunnels that a host always decapsulates.
package enum TunnelPort {
  /// RFC 8926.
  package static let geneve: UInt16 = 6081
  /// RFC 7348.
  package static let vxlan: UInt16 = 4789

  package static func isTunnel(_ port: UInt16) -> Bool { port == geneve || port == vxlan }
}

/// Finds the transport header behind IPv6 extension headers (RFC 8200 section 4), for attribution
/// and flow logs only: what it accepts is judged by the engine's own parser.
package enum IPv6Walk {
  package struct Transport {
    package var protocolNumber: UInt8
    package var offset: Int
    /// False for a later fragment, which has no transport header.
    package var isFirst = true
  }

  package static func transport(_ ip: UnsafeRawPointer, _ present: Int) -> Transport? {
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

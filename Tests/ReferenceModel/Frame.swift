import Wire

/// A recorded frame below the IP header.
struct Frame {
  enum Content {
    /// Too short for its link header, or of an unknown link type.
    case unreadable
    /// Ends inside its VLAN tags.
    case truncated
    /// Tagged where tags are refused.
    case vlan
    case arp(Octets)
    case ip(ParsedPacket)
    /// Neither IPv4, IPv6 nor ARP.
    case other
  }

  var sourceMAC: MACAddress?
  var destinationMAC: MACAddress?
  var content: Content
  /// The bytes of Ethernet header that bandwidth is charged for: 14, or 0 without one.
  var headerLength: Int
  /// Came from a port, not from a capture.
  private let isLive: Bool

  /// Reads a frame of a capture.
  ///
  /// - Parameter tags: how many VLAN tags are looked through.
  init(linkType: UInt16, octets: Octets, tags: Int, isLive: Bool = false) {
    self.isLive = isLive
    headerLength = 0
    content = .unreadable
    switch linkType {
    case 1:
      headerLength = 14
      guard octets.holds(0, 12) else { return }
      destinationMAC = octets.mac(0)
      sourceMAC = octets.mac(6)
      guard octets.holds(0, 14) else { return }
      read(type: octets.u16(12), octets.dropFirst(14), tags: tags)
    case 113:
      guard octets.holds(0, 16) else { return }
      if octets.u16(4) == 6 { sourceMAC = octets.mac(6) }
      read(type: octets.u16(14), octets.dropFirst(16), tags: tags)
    case 276:
      guard octets.holds(0, 20) else { return }
      if octets.u8(11) == 6 { sourceMAC = octets.mac(12) }
      read(type: octets.u16(0), octets.dropFirst(20), tags: tags)
    case 12, 14, 101:
      guard octets.holds(0, 1) else { return }
      switch octets.u8(0) >> 4 {
      case 4: content = .ip(parseIP(.v4, octets, isLive: isLive))
      case 6: content = .ip(parseIP(.v6, octets, isLive: isLive))
      default: return
      }
    case 228: content = .ip(parseIP(.v4, octets, isLive: isLive))
    case 229: content = .ip(parseIP(.v6, octets, isLive: isLive))
    default: return
    }
  }

  private mutating func read(type: UInt16, _ octets: Octets, tags: Int) {
    switch type {
    case 0x0800: content = .ip(parseIP(.v4, octets, isLive: isLive))
    case 0x86DD: content = .ip(parseIP(.v6, octets, isLive: isLive))
    case 0x0806: content = .arp(octets)
    case 0x8100, 0x88A8:
      guard tags > 0 else {
        content = .vlan
        return
      }
      guard octets.holds(0, 4) else {
        content = .truncated
        return
      }
      read(type: octets.u16(2), octets.dropFirst(4), tags: tags - 1)
    default: content = .other
    }
  }
}

import Wire

/// The link layer of a recorded frame: where its network header starts, and who sent it to whom.
package struct LinkLayer {
  /// Stands for an address that the frame does not show.
  static let noMAC = UInt64.max
  /// Stands for an EtherType that the capture cut off.
  static let noEtherType: UInt16 = 0

  /// Whether the record begins with an Ethernet header.
  var isEthernet = false
  var destination = LinkLayer.noMAC
  var source = LinkLayer.noMAC
  /// The type behind all tags that were looked through.
  var etherType = LinkLayer.noEtherType
  /// Offset of the network header.
  var network = 0
  /// Bytes of VLAN tags before the network header.
  var tagBytes = 0
  /// The capture ends within a VLAN tag.
  var isCutInTag = false

  /// Whether the frame's destination is a multicast or broadcast MAC address.
  var isToGroup: Bool {
    destination != LinkLayer.noMAC && MACAddress(destination).isMulticast
  }

  /// Reads the link layer of a record; nil when nothing can be said of it: an unknown link type, or
  /// too few bytes.
  ///
  /// - Parameters:
  ///   - linkType: a LINKTYPE value of the pcap format.
  ///   - bytes: the first of `captured` bytes.
  @inline(__always)
  package init?(linkType: UInt16, bytes: UnsafeRawPointer, captured: Int) {
    switch linkType {
    case 1:
      guard captured >= 12 else { return nil }
      isEthernet = true
      destination = bytes.mac(0).bits
      source = bytes.mac(6).bits
      network = min(14, captured)
      if captured < 14 { return }
      etherType = bytes.big16(12)
    case 101, 12, 14:
      guard captured > 0 else { return nil }
      switch bytes.byte(0) >> 4 {
      case 4: etherType = EtherType.ipv4
      case 6: etherType = EtherType.ipv6
      default: return nil
      }
      return
    case 228, 229:
      guard captured > 0 else { return nil }
      etherType = linkType == 228 ? EtherType.ipv4 : EtherType.ipv6
      return
    case 113:
      // Linux cooked v1: packet type, ARPHRD type, address length, address, protocol.
      guard captured >= 16 else { return nil }
      if bytes.big16(4) == 6 { source = bytes.mac(6).bits }
      etherType = bytes.big16(14)
      network = 16
    case 276:
      // Linux cooked v2: protocol, reserved, interface, ARPHRD type, packet type, length, address.
      guard captured >= 20 else { return nil }
      if bytes.byte(11) == 6 { source = bytes.mac(12).bits }
      etherType = bytes.big16(0)
      network = 20
    default:
      return nil
    }
    lookThroughTags(bytes, captured)
  }

  /// Steps over up to two 802.1Q or 802.1ad tags.
  @inline(__always)
  private mutating func lookThroughTags(_ bytes: UnsafeRawPointer, _ captured: Int) {
    while etherType == EtherType.vlan || etherType == EtherType.serviceVLAN {
      if tagBytes == 8 { return }
      guard captured >= network + 4 else {
        isCutInTag = true
        return
      }
      etherType = bytes.big16(network + 2)
      network += 4
      tagBytes += 4
    }
  }
}

/// EtherTypes that attribution tells apart (IANA "IEEE 802 Numbers").
enum EtherType {
  static let ipv4: UInt16 = 0x0800
  static let arp: UInt16 = 0x0806
  static let vlan: UInt16 = 0x8100
  static let ipv6: UInt16 = 0x86DD
  static let serviceVLAN: UInt16 = 0x88A8
}

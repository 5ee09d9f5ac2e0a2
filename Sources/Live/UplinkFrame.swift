import Datapath
import Tables
import Wire

/// What a frame from the underlay is to this host.
@frozen @usableFromInline enum UplinkFrame: BitwiseCopyable {
  /// For this host's tunnel endpoint: the engine judges it.
  case tunnel
  /// ARP, or a neighbour or router message of ICMPv6 (RFC 4861): the service thread's.
  case neighbor
  /// Not ours.
  case other

  /// Looks at the outer headers, just far enough to tell; the engine checks them.
  @inlinable
  init(_ packet: borrowing Packet, _ host: HostRecord) {
    self = .other
    let length = Int(packet.length)
    guard length >= 34 else {
      // SAFETY: an Ethernet header is there.
      if unsafe length >= 14 && UnsafeRawPointer(packet.base).big16(12) == Self.arp {
        self = .neighbor
      }
      return
    }
    // SAFETY: 34 bytes are there; further ones are asked for below.
    let frame = unsafe UnsafeRawPointer(packet.base)
    switch unsafe frame.big16(12) {
    case Self.arp: self = .neighbor
    case Self.ipv4:
      let protocolNumber = unsafe frame.byte(23)
      guard protocolNumber == IPProtocol.udp, host.isPresent,
        unsafe host.address == IPAddress(v4: frame.big32(30))
      else { return }
      // A fragment belongs to the tunnel as well: the engine drops and counts it.
      let isFragment = unsafe frame.big16(20) & 0x3FFF != 0
      let port = 14 &+ Int(unsafe frame.byte(14) & 15) &* 4 &+ 2
      if isFragment || port &+ 2 > length {
        self = .tunnel
      } else if unsafe Self.isTunnelPort(frame.big16(port)) {
        self = .tunnel
      }
    case Self.ipv6 where length >= 58: unsafe classifyIPv6(frame, host)
    default: return
    }
  }

  /// - Parameter frame: 58 bytes at least: Ethernet, IPv6, and four of what follows.
  @unsafe @inlinable
  mutating func classifyIPv6(_ frame: UnsafeRawPointer, _ host: HostRecord) {
    let next = unsafe frame.byte(20)
    if next == IPProtocol.icmpV6 {
      let type = unsafe frame.byte(54)
      if type >= 133 && type <= 137 { self = .neighbor }
      return
    }
    guard host.isPresent,
      unsafe host.address == IPAddress(v6: frame.big64(38), frame.big64(46))
    else { return }
    // 44 is a fragment header (RFC 8200 section 4.5).
    let isUDP = next == IPProtocol.udp
    if unsafe next == 44 || isUDP && Self.isTunnelPort(frame.big16(56)) { self = .tunnel }
  }

  // Ethernet types (IANA "IEEE 802 Numbers").
  @inlinable static var ipv4: UInt16 { 0x0800 }
  @inlinable static var arp: UInt16 { 0x0806 }
  @inlinable static var ipv6: UInt16 { 0x86DD }

  /// Geneve's (RFC 8926 section 3.3) or VXLAN's (RFC 7348 section 5): a host takes both, whatever
  /// it sends.
  @inlinable @inline(__always)
  static func isTunnelPort(_ port: UInt16) -> Bool { port == 6081 || port == 4789 }
}

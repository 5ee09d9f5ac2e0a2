import FlowLogs
import Wire

// What attribution makes of packets to tunnel ports.

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

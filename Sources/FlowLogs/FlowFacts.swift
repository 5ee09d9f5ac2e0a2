import Datapath
import Wire

/// Addresses, ports and protocol of one packet, as flow logs tell them.
public struct FlowTuple: Hashable, Sendable, BitwiseCopyable {
  public var source: IPAddress
  public var destination: IPAddress
  /// Zero for protocols without ports and for later fragments.
  public var sourcePort: UInt16
  public var destinationPort: UInt16
  public var protocolNumber: UInt8

  public init(
    source: IPAddress, destination: IPAddress, sourcePort: UInt16 = 0, destinationPort: UInt16 = 0,
    protocolNumber: UInt8
  ) {
    self.source = source
    self.destination = destination
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.protocolNumber = protocolNumber
  }
}

/// What a flow log takes from one packet.
package struct FlowFacts: BitwiseCopyable {
  package var tuple: FlowTuple
  /// FIN 1, SYN 2, RST 4; a SYN with ACK is 18; ACK alone counts nothing (AWS, "Flow log records").
  package var tcpFlags: UInt8 = 0
  /// Bytes of the IP packets by their own headers.
  package var bytes: UInt64
  /// More than one for a TCP packet that its sender left to be segmented.
  package var packets: UInt64 = 1
  /// Ports or flags should be there, but the bytes end before them.
  package var isCut = false
  /// Of a whole TCP header: bytes of it and of the IP header; 0 for anything else.
  private var headerBytes: UInt64 = 0

  /// EtherTypes (IEEE 802 numbers).
  private static let ipv4: UInt16 = 0x0800
  private static let ipv6: UInt16 = 0x86DD

  /// Reads an Ethernet frame; nil when it is not IP or too short for addresses.
  package init?(frame: UnsafeRawPointer, length: Int) {
    guard length >= 14 else { return nil }
    switch frame.big16(12) {
    case Self.ipv4: self.init(v4: frame + 14, present: length - 14)
    case Self.ipv6: self.init(v6: frame + 14, present: length - 14)
    default: return nil
    }
  }

  /// Reads an IP packet; nil when it is none or too short.
  package init?(etherType: UInt16, _ packet: UnsafeRawPointer, present: Int) {
    switch etherType {
    case Self.ipv4: self.init(v4: packet, present: present)
    case Self.ipv6: self.init(v6: packet, present: present)
    default: return nil
    }
  }

  /// Reads the frame inside a Geneve or VXLAN packet; nil when there is none to be seen.
  package init?(tunnelled frame: UnsafeRawPointer, length: Int) {
    guard length >= 14, let udp = Self.outerUDP(frame + 14, length - 14, frame.big16(12)) else {
      return nil
    }
    let tunnel = 14 + udp + 8
    guard length >= tunnel + 8 else { return nil }
    var inner = tunnel + 8
    if frame.big16(14 + udp + 2) == TunnelPort.geneve {
      inner += Int(frame.byte(tunnel) & 0x3F) * 4
    }
    guard length > inner else { return nil }
    self.init(frame: frame + inner, length: length - inner)
  }

  private static func outerUDP(_ ip: UnsafeRawPointer, _ present: Int, _ type: UInt16) -> Int? {
    if type == Self.ipv4, present >= 20, ip.byte(9) == 17, ip.big16(6) & 0x3FFF == 0 {
      let offset = Int(ip.byte(0) & 15) * 4
      return offset >= 20 && present >= offset + 8 ? offset : nil
    }
    if type == Self.ipv6, let transport = IPv6Walk.transport(ip, present),
      transport.protocolNumber == 17, transport.isFirst, present >= transport.offset + 8
    {
      return transport.offset
    }
    return nil
  }

  private init?(v4 ip: UnsafeRawPointer, present: Int) {
    guard present >= 20, ip.byte(0) >> 4 == 4 else { return nil }
    let total = UInt64(ip.big16(2))
    bytes = total == 0 ? UInt64(present) : total
    tuple = FlowTuple(
      source: IPAddress(v4: ip.big32(12)), destination: IPAddress(v4: ip.big32(16)),
      protocolNumber: ip.byte(9))
    let header = Int(ip.byte(0) & 15) * 4
    if ip.big16(6) & 0x1FFF == 0 && header >= 20 {
      readPorts(ip, header, present)
    }
  }

  private init?(v6 ip: UnsafeRawPointer, present: Int) {
    guard present >= 40, ip.byte(0) >> 4 == 6 else { return nil }
    bytes = 40 + UInt64(ip.big16(4))
    tuple = FlowTuple(
      source: IPAddress(v6: ip.big64(8), ip.big64(16)),
      destination: IPAddress(v6: ip.big64(24), ip.big64(32)), protocolNumber: ip.byte(6))
    guard let transport = IPv6Walk.transport(ip, present) else {
      isCut = true
      return
    }
    tuple.protocolNumber = transport.protocolNumber
    if transport.isFirst { readPorts(ip, transport.offset, present) }
  }

  private mutating func readPorts(_ ip: UnsafeRawPointer, _ offset: Int, _ present: Int) {
    let proto = tuple.protocolNumber
    guard proto == 6 || proto == 17 || proto == 132 else { return }
    guard present >= offset + (proto == 6 ? 14 : 4) else {
      isCut = true
      if present >= offset + 4 { readPorts(ip + offset) }
      return
    }
    readPorts(ip + offset)
    guard proto == 6 else { return }
    let flags = ip.byte(offset + 13)
    tcpFlags = flags & 7
    if flags & 0x12 == 0x12 { tcpFlags |= 0x10 }
    headerBytes = UInt64(offset) + UInt64(ip.byte(offset + 12) >> 4) * 4
  }

  private mutating func readPorts(_ transport: UnsafeRawPointer) {
    tuple.sourcePort = transport.big16(0)
    tuple.destinationPort = transport.big16(2)
  }

  /// Counts a packet that its sender left to be segmented (TSO) as the segments that it becomes,
  /// each with headers of its own.
  ///
  /// - Parameter size: bytes of payload in each segment; 0 for any other packet.
  package mutating func countSegments(of size: UInt16) {
    guard size > 0, headerBytes > 0, bytes > headerBytes else { return }
    packets = (bytes - headerBytes + UInt64(size) - 1) / UInt64(size)
    bytes += (packets - 1) * headerBytes
  }
}

import CXDP
import Datapath
import Live
import Wire

/// Translates between virtio-net headers (virtio 1.2 section 5.1.6) and packets.
///
/// A guest writes its header, so nothing in it is believed: where checksum and segments are follows
/// from the frame.
package enum OffloadHeader {
  static let needsChecksum: UInt8 = 1
  static let segmentTCP4: UInt8 = 1
  static let segmentTCP6: UInt8 = 4
  /// An addition to the kinds of segments.
  static let congestionMark: UInt8 = 0x80
  /// Smaller segments are refused: a frame of 64 KB may become 2,048 packets, not 65,000.
  static let segmentBytesMin = 32

  /// Where TCP or UDP begins in a plain frame.
  private struct Transport {
    var offset: Int
    var isIPv6: Bool
    var isTCP: Bool
  }

  /// Takes over what a received frame's header says.
  ///
  /// A checksum that is asked for at any other place than the packet's TCP or UDP header (the
  /// guest's own tunnels, what stands behind a fragment or authentication header) is completed here
  /// and now.
  ///
  /// - Returns: false for a frame that cannot be what its header says.
  package static func apply(_ header: cxdp_header, to packet: inout Packet) -> Bool {
    if header.flags & needsChecksum == 0 { return header.gso_type == 0 }
    let start = Int(header.checksum_start)
    let field = start &+ Int(header.checksum_offset)
    guard field &+ 2 <= Int(packet.length) else { return false }
    guard let transport = findTransport(packet), transport.offset == start,
      Int(header.checksum_offset) == (transport.isTCP ? 16 : 6)
    else { return header.gso_type == 0 && complete(&packet, from: start, field: field) }
    packet.flags.insert(.partialChecksum)
    if header.gso_type == 0 { return true }
    let kind = transport.isIPv6 ? segmentTCP6 : segmentTCP4
    guard transport.isTCP, header.gso_type & ~congestionMark == kind,
      Int(header.gso_size) >= segmentBytesMin
    else { return false }
    let dataOffset = Int(byte(packet, start &+ 12) >> 4) &* 4
    // A header that is shorter than any is left to the parser, which refuses the packet.
    if dataOffset >= 20 && Int(packet.length) > start &+ dataOffset &+ Int(header.gso_size) {
      packet.segmentSize = header.gso_size
    }
    return true
  }

  /// The header to send a packet with.
  package static func make(_ packet: borrowing Packet, _ headers: HeaderOffsets) -> cxdp_header {
    var header = cxdp_header()
    guard packet.flags.contains(.partialChecksum) else { return header }
    header.flags = needsChecksum
    header.checksum_start = headers.transport
    header.checksum_offset = headers.isTCP ? 16 : 6
    if packet.segmentSize > 0 && headers.isTCP
      && packet.length > UInt32(headers.payload) &+ UInt32(packet.segmentSize)
    {
      header.gso_type = headers.isIPv6 ? segmentTCP6 : segmentTCP4
      header.gso_size = packet.segmentSize
      header.header_length = headers.payload
    }
    return header
  }

  // MARK: Bytes

  @inline(__always)
  private static func byte(_ packet: borrowing Packet, _ offset: Int) -> UInt8 {
    packet.base.load(fromByteOffset: offset, as: UInt8.self)
  }

  @inline(__always)
  private static func word(_ packet: borrowing Packet, _ offset: Int) -> UInt16 {
    UInt16(bigEndian: packet.base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  private static func findTransport(_ packet: borrowing Packet) -> Transport? {
    let length = Int(packet.length)
    guard length >= 34 else { return nil }
    var offset: Int
    var next: UInt8
    let isIPv6: Bool
    switch word(packet, 12) {
    case 0x0800:
      let first = byte(packet, 14)
      // A fragment's payload does not begin with a header, or its checksum covers what is not here.
      guard first >> 4 == 4, first & 15 >= 5, word(packet, 20) & 0x3FFF == 0 else { return nil }
      offset = 14 &+ Int(first & 15) &* 4
      next = byte(packet, 23)
      isIPv6 = false
    case 0x86DD:
      guard length >= 54, byte(packet, 14) >> 4 == 6 else { return nil }
      guard let upper = skipExtensions(packet) else { return nil }
      offset = upper.offset
      next = upper.next
      isIPv6 = true
    default: return nil
    }
    guard next == 6 || next == 17, offset &+ (next == 6 ? 20 : 8) <= length else { return nil }
    return Transport(offset: offset, isIPv6: isIPv6, isTCP: next == 6)
  }

  /// What follows hop-by-hop, routing and destination options (RFC 8200 section 4), as many as the
  /// parser walks; nil for more, or past the end.
  ///
  /// - Parameter packet: of IPv6, at least 54 bytes.
  private static func skipExtensions(_ packet: borrowing Packet) -> (offset: Int, next: UInt8)? {
    var next = byte(packet, 20)
    var offset = 54
    for _ in 0...8 {
      guard next == 0 || next == 43 || next == 60 else { return (offset, next) }
      guard offset &+ 8 <= Int(packet.length) else { return nil }
      next = byte(packet, offset)
      offset &+= (Int(byte(packet, offset &+ 1)) &+ 1) &* 8
    }
    return nil
  }

  /// Sums from `start` to the end, the field included, which holds the pseudo-header's sum.
  private static func complete(_ packet: inout Packet, from start: Int, field: Int) -> Bool {
    guard start >= 14 && field >= start else { return false }
    let value = InternetChecksum.finish(
      InternetChecksum.sum(packet.base + start, count: Int(packet.length) &- start))
    packet.base.storeBytes(
      of: (value == 0 ? 0xFFFF : value).bigEndian, toByteOffset: field, as: UInt16.self)
    return true
  }
}

import Datapath
import Wire

/// How a super-packet is cut, and the headers of its segments.
@usableFromInline struct SegmentationPlan: BitwiseCopyable {
  /// Bytes of all headers, which every segment begins with.
  @usableFromInline let headerLength: Int
  /// Segments, 0 when the packet is refused.
  @usableFromInline private(set) var count = 0
  private let segmentSize: Int
  private let payloadLength: Int

  @usableFromInline @_noLocks
  init(_ packet: borrowing Packet, _ headers: HeaderOffsets) {
    headerLength = Int(headers.payload)
    segmentSize = Int(packet.segmentSize)
    payloadLength = Int(packet.originalLength) &- headerLength
    guard headers.isTCP, headerLength <= Int(packet.length), ChecksumField.isWhole(packet, headers),
      Self.tcpLength(packet, headers) == headerLength &- Int(headers.transport),
      headers.outer == 0
        || headers.outer >= 14 + 20 + 8 && headers.outer &+ 14 <= headers.network
    else { return }
    if segmentSize == 0 || payloadLength <= segmentSize {
      count = 1
      return
    }
    let number = (payloadLength &+ segmentSize &- 1) / segmentSize
    guard segmentSize >= Segmentation.minimumSize, number <= Segmentation.maximumCount,
      headerLength &+ segmentSize &- FrameParser.ethernetLength <= 65_535
    else { return }
    count = number
  }

  /// Bytes of the TCP header by its data offset, 0 for less than there must be.
  @_noLocks
  private static func tcpLength(_ packet: borrowing Packet, _ headers: HeaderOffsets) -> Int {
    // SAFETY: `isWhole` saw 20 bytes of the TCP header.
    let words = unsafe UnsafeRawPointer(packet.base).byte(Int(headers.transport) + 12) >> 4
    return words < 5 ? 0 : Int(words) &* 4
  }

  /// Bytes of payload in segment `index`.
  @usableFromInline @_noLocks
  func payloadLength(of index: Int) -> Int {
    min(segmentSize, payloadLength &- index &* segmentSize)
  }

  /// Where the payload of segment `index` begins in the super-packet.
  @usableFromInline @_noLocks
  func payloadOffset(of index: Int) -> Int { headerLength &+ index &* segmentSize }

  /// Copies the headers for segment `index` and changes what differs, but for the checksums of TCP
  /// and of the outer UDP.
  ///
  /// - Parameter segment: a new buffer with room for the segment; gets its length.
  @usableFromInline @_noLocks
  func writeHeaders(
    of index: Int, from packet: borrowing Packet, to segment: inout Packet, _ headers: HeaderOffsets
  ) {
    let length = headerLength &+ payloadLength(of: index)
    segment.length = UInt32(truncatingIfNeeded: length)
    segment.originalLength = segment.length
    segment.flags = PacketFlags()
    segment.segmentSize = 0
    // SAFETY: the initialiser saw all headers inside of the first buffer, and the new one has room.
    let base = unsafe segment.base
    unsafe base.copyMemory(from: packet.base, byteCount: headerLength)
    let network = Int(headers.network)
    unsafe Self.adaptIP(
      base, at: network, length: length &- network, index: index, isIPv6: headers.isIPv6,
      headerLength: Int(headers.transport) &- network)
    unsafe adaptTCP(base, at: Int(headers.transport), index: index)
    if headers.outer > 0 { unsafe Self.adaptOuter(base, length: length, index: index) }
  }

  /// Sets the length of an IP header, and identification and header checksum of IPv4.
  ///
  /// - Parameters:
  ///   - length: of the IP packet.
  ///   - headerLength: of the IPv4 header, with its options.
  @unsafe @_noLocks
  private static func adaptIP(
    _ base: UnsafeMutableRawPointer, at network: Int, length: Int, index: Int, isIPv6: Bool,
    headerLength: Int
  ) {
    if isIPv6 {
      unsafe base.storeBig16(UInt16(truncatingIfNeeded: length &- 40), at: network + 4)
      return
    }
    let header = unsafe base + network
    unsafe header.storeBig16(UInt16(truncatingIfNeeded: length), at: 2)
    // Counted up though DF is set and nobody needs it (RFC 6864), as Linux does.
    let identification = unsafe UnsafeRawPointer(header).big16(4)
    unsafe header.storeBig16(identification &+ UInt16(truncatingIfNeeded: index), at: 4)
    unsafe header.storeBig16(0, at: 10)
    let sum = unsafe InternetChecksum.sum(UnsafeRawPointer(header), count: headerLength)
    unsafe header.storeBig16(InternetChecksum.finish(sum), at: 10)
  }

  /// Sets the sequence number and flags of a TCP header.
  @unsafe @_noLocks
  private func adaptTCP(_ base: UnsafeMutableRawPointer, at transport: Int, index: Int) {
    let sequence = unsafe UnsafeRawPointer(base).big32(transport + 4)
    let shift = UInt32(truncatingIfNeeded: index &* segmentSize)
    unsafe base.storeBig32(sequence &+ shift, at: transport + 4)
    var flags = unsafe UnsafeRawPointer(base).byte(transport + 13)
    // CWR (RFC 3168) answers one mark; FIN and PSH belong to the last byte.
    if index > 0 { flags &= ~0x80 }
    if index &+ 1 < count { flags &= ~(TCPFlags.fin.rawValue | TCPFlags.psh.rawValue) }
    unsafe base.storeBytes(of: flags, toByteOffset: transport + 13, as: UInt8.self)
  }

  /// Sets the lengths of the outer headers, and identification and checksum of an outer IPv4
  /// header.
  ///
  /// - Parameter length: of the frame.
  @unsafe @_noLocks
  private static func adaptOuter(_ base: UnsafeMutableRawPointer, length: Int, index: Int) {
    let network = FrameParser.ethernetLength
    let isIPv6 = unsafe UnsafeRawPointer(base).big16(12) == 0x86DD
    let headerLength = isIPv6 ? 40 : 20
    unsafe adaptIP(
      base, at: network, length: length &- network, index: index, isIPv6: isIPv6,
      headerLength: headerLength)
    let udp = network &+ headerLength
    unsafe base.storeBig16(UInt16(truncatingIfNeeded: length &- udp), at: udp + 4)
  }
}

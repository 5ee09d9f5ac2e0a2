import Datapath
import Wire

/// The checksum field of the (inner) TCP or UDP header.
@usableFromInline enum ChecksumField {
  /// How many bytes from the transport header on the checksum covers, by the lengths that the
  /// headers declare; 0 when no whole TCP or UDP packet is where `headers` says.
  @usableFromInline @_noLocks
  static func coveredLength(_ packet: borrowing Packet, _ headers: HeaderOffsets) -> Int {
    guard isWhole(packet, headers) else { return 0 }
    let network = Int(headers.network)
    let transport = Int(headers.transport)
    // SAFETY: `isWhole` saw the IP header and 8 or 20 bytes of the transport header.
    let base = unsafe UnsafeRawPointer(packet.base)
    let total =
      headers.isIPv6
      ? 40 &+ Int(unsafe base.big16(network + 4)) : Int(unsafe base.big16(network + 2))
    let present = Int(packet.originalLength) &- transport
    let segment = min(total &- (transport &- network), present)
    if headers.isTCP { return segment >= 20 ? segment : 0 }
    let datagram = Int(unsafe base.big16(transport + 4))
    return datagram >= 8 && datagram <= segment ? datagram : 0
  }

  /// Whether the headers are in the first buffer, and the IP header leads to an unfragmented TCP or
  /// UDP packet at `headers.transport`.
  @usableFromInline @_noLocks
  static func isWhole(_ packet: borrowing Packet, _ headers: HeaderOffsets) -> Bool {
    let network = Int(headers.network)
    let transport = Int(headers.transport)
    let wanted = headers.isTCP ? IPProtocol.tcp : IPProtocol.udp
    guard transport &+ (headers.isTCP ? 20 : 8) <= Int(packet.length),
      packet.length <= packet.originalLength,
      network &+ (headers.isIPv6 ? 40 : 20) <= transport
    else { return false }
    // SAFETY: the IP header ends before the transport header, and that inside of the first buffer.
    let base = unsafe UnsafeRawPointer(packet.base)
    if headers.isIPv6 {
      return unsafe nextHeader(base, from: network, to: transport) == wanted
    }
    let headerLength = Int(unsafe base.byte(network) & 15) &* 4
    let isFragment = unsafe base.big16(network + 6) & 0x3FFF != 0
    return unsafe base.byte(network + 9) == wanted && !isFragment
      && network &+ headerLength == transport
  }

  /// The protocol that extension headers end with at `end`; nil when they end elsewhere, or with a
  /// fragment or authentication header, which allow no new checksum or length.
  ///
  /// - Parameter base: `end` readable bytes.
  @unsafe @_noLocks
  private static func nextHeader(
    _ base: UnsafeRawPointer, from network: Int, to end: Int
  ) -> UInt8? {
    var next = unsafe base.byte(network + 6)
    var position = network &+ 40
    while position < end {
      // Hop-by-hop, routing and destination options (RFC 8200 section 4).
      guard next == 0 || next == 43 || next == 60, position &+ 8 <= end else { return nil }
      next = unsafe base.byte(position)
      position &+= (Int(unsafe base.byte(position + 1)) &+ 1) &* 8
    }
    return position == end ? next : nil
  }

  /// Makes the field zero, so that it adds nothing to a sum over the header.
  @usableFromInline @_noLocks
  static func clear(_ packet: borrowing Packet, _ headers: HeaderOffsets) {
    // SAFETY: the caller saw with `coveredLength` that the header is in the first buffer.
    unsafe packet.base.storeBig16(0, at: offset(headers))
  }

  /// Stores the checksum.
  ///
  /// - Parameter sum: of the `coveredLength` bytes from the transport header on, the field being
  ///   zero.
  /// - Returns: the same bytes' sum with the checksum in its field.
  @usableFromInline @_noLocks
  static func store(
    _ sum: UInt16, _ packet: borrowing Packet, _ headers: HeaderOffsets, coveredLength: Int
  ) -> UInt16 {
    // SAFETY: as for `clear`.
    let pseudo = unsafe pseudoHeader(
      UnsafeRawPointer(packet.base), headers, coveredLength: coveredLength)
    let checksum = InternetChecksum.finish(pseudo &+ UInt64(sum))
    // Zero would say that a datagram has no checksum (RFC 768).
    let field = checksum == 0 && !headers.isTCP ? 0xFFFF : checksum
    unsafe packet.base.storeBig16(field, at: offset(headers))
    return InternetChecksum.fold(UInt64(sum) &+ UInt64(field))
  }

  /// The sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1).
  ///
  /// - Parameter base: the frame, with a whole IP header.
  @unsafe @_noLocks
  private static func pseudoHeader(
    _ base: UnsafeRawPointer, _ headers: HeaderOffsets, coveredLength: Int
  ) -> UInt64 {
    let number = headers.isTCP ? IPProtocol.tcp : IPProtocol.udp
    let addresses = unsafe base + Int(headers.network) + (headers.isIPv6 ? 8 : 12)
    return unsafe InternetChecksum.sum(
      addresses, count: headers.isIPv6 ? 32 : 8,
      initial: UInt64(number) &+ UInt64(truncatingIfNeeded: coveredLength))
  }

  private static func offset(_ headers: HeaderOffsets) -> Int {
    Int(headers.transport) &+ (headers.isTCP ? 16 : 6)
  }
}

/// The UDP checksum field of an outer IPv6 header.
@usableFromInline enum OuterField {
  /// Of the UDP header: Ethernet 14, IPv6 40.
  @usableFromInline static var udpOffset: Int { 54 }

  /// Whether the frame has an outer IPv6 and UDP header in its first buffer.
  @usableFromInline @_noLocks
  static func isNeeded(_ packet: borrowing Packet) -> Bool {
    guard packet.length >= udpOffset &+ 8, packet.length <= packet.originalLength else {
      return false
    }
    // SAFETY: 62 bytes are there.
    let base = unsafe UnsafeRawPointer(packet.base)
    return unsafe base.big16(12) == 0x86DD && base.byte(20) == IPProtocol.udp
  }

  /// Stores the checksum of a frame whose inner packet is complete and ends with the frame, of
  /// which only the headers are added up again.
  ///
  /// - Parameters:
  ///   - transport: where the inner transport header stands.
  ///   - inner: the sum of all from there on.
  @usableFromInline @_noLocks
  static func complete(_ packet: borrowing Packet, transport: Int, inner: UInt16) {
    guard isNeeded(packet) else { return }
    clear(packet)
    // SAFETY: the caller saw the inner transport header in the first buffer, behind the outer one.
    let front = unsafe InternetChecksum.sum(
      UnsafeRawPointer(packet.base + udpOffset), count: transport &- udpOffset)
    store(front &+ UInt64(inner), packet)
  }

  /// Makes the field zero.
  @usableFromInline @_noLocks
  static func clear(_ packet: borrowing Packet) {
    // SAFETY: `isNeeded` saw the header.
    unsafe packet.base.storeBig16(0, at: udpOffset + 6)
  }

  /// Stores the checksum.
  ///
  /// - Parameter sum: from the UDP header to the frame's end, the field being zero.
  @usableFromInline @_noLocks
  static func store(_ sum: UInt64, _ packet: borrowing Packet) {
    let length = UInt64(packet.originalLength) &- UInt64(udpOffset)
    // SAFETY: `isNeeded` saw the header; the addresses begin 8 bytes into the IPv6 header.
    let pseudo = unsafe InternetChecksum.sum(
      UnsafeRawPointer(packet.base + 22), count: 32, initial: UInt64(IPProtocol.udp) &+ length)
    let checksum = InternetChecksum.finish(pseudo &+ sum)
    unsafe packet.base.storeBig16(checksum == 0 ? 0xFFFF : checksum, at: udpOffset + 6)
  }
}

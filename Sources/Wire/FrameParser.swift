/// Reads Ethernet, IPv4, IPv6 with its extension headers, and the transport header of a frame.
///
/// All faults of a frame are collected, and the first in the order of `ParseFaults` is its reason:
/// what cannot be located (headers behind a broken one) is not looked for. Nothing is guessed, and
/// no byte beyond `length` is read.
@safe
public struct FrameParser {
  /// Length of an Ethernet header.
  @inlinable public static var ethernetLength: Int { 14 }

  @usableFromInline let base: UnsafeRawPointer
  /// Bytes that are there.
  @usableFromInline let length: Int
  /// Bytes the frame had on the wire; declared lengths are checked against them.
  @usableFromInline let originalLength: Int
  /// A capture made on the sending host: IPv4 checksum zero and total length zero are no faults.
  @usableFromInline let offloaded: Bool

  /// Parses the frame of `length` bytes at `base` into `headers`, all of which is overwritten.
  ///
  /// - Parameters:
  ///   - originalLength: bytes the frame had on the wire, at least `length`.
  ///   - offloaded: take what checksum and segmentation offload leave in captures as complete.
  /// - Complexity: O(1); at most 8 extension headers are walked.
  @unsafe @_transparent
  @_noLocks
  public static func parse(
    _ base: UnsafeRawPointer, length: Int, originalLength: Int, offloaded: Bool,
    into headers: inout Headers
  ) {
    let parser = unsafe FrameParser(
      base: base, length: length, originalLength: max(length, originalLength),
      offloaded: offloaded)
    headers = Headers()
    parser.parseEthernet(&headers)
  }

  @unsafe @_transparent @usableFromInline
  @_noLocks
  init(base: UnsafeRawPointer, length: Int, originalLength: Int, offloaded: Bool) {
    unsafe self.base = base
    self.length = length
    self.originalLength = originalLength
    self.offloaded = offloaded
  }

  @_transparent @usableFromInline
  @_noLocks
  func parseEthernet(_ headers: inout Headers) {
    guard length >= Self.ethernetLength else {
      headers.faults.insert(.truncated)
      return
    }
    headers.networkOffset = UInt16(truncatingIfNeeded: Self.ethernetLength)
    // SAFETY: 14 bytes are there.
    switch unsafe base.big16(12) {
    case 0x0800: parseIPv4(at: Self.ethernetLength, &headers)
    case 0x86DD: parseIPv6(at: Self.ethernetLength, &headers)
    case 0x0806:
      headers.link = .arp
      if length < Self.ethernetLength + 28 { headers.faults.insert(.truncated) }
    // IEEE 802.1Q's customer and service tags. 0x9100, which switches had for the latter before
    // there was a standard, is an EtherType like any other that is not read.
    case 0x8100, 0x88A8: headers.link = .vlan
    default: headers.link = .other
    }
  }

  // MARK: IPv4 (RFC 791)

  @_transparent @usableFromInline
  @_noLocks
  func parseIPv4(at offset: Int, _ headers: inout Headers) {
    headers.link = .ipv4
    headers.family = .v4
    guard offset &+ 20 <= length else {
      headers.faults.insert(.truncated)
      return
    }
    // SAFETY: 20 bytes from `offset` are there.
    let versionAndIHL = unsafe base.byte(offset)
    headers.sourceLow = UInt64(unsafe base.big32(offset + 12))
    headers.destinationLow = UInt64(unsafe base.big32(offset + 16))
    headers.hasAddresses = versionAndIHL >> 4 == 4
    let headerLength = Int(versionAndIHL & 15) &* 4
    guard versionAndIHL >> 4 == 4, headerLength >= 20 else {
      headers.faults.insert(.header)
      return
    }
    guard offset &+ headerLength <= length else {
      headers.faults.insert(.truncated)
      return
    }
    checkIPv4Checksum(at: offset, headerLength: headerLength, &headers)
    if headerLength > 20 {
      checkIPv4Options(from: offset &+ 20, to: offset &+ headerLength, &headers)
    }

    // SAFETY: as above.
    var total = Int(unsafe base.big16(offset + 2))
    if total == 0 && offloaded { total = originalLength &- offset }
    if total < headerLength || total > originalLength &- offset { headers.faults.insert(.length) }
    headers.datagramLength = UInt32(truncatingIfNeeded: total)
    let segment = max(0, total &- headerLength)
    headers.segmentLength = UInt32(truncatingIfNeeded: segment)
    headers.transportOffset = UInt16(truncatingIfNeeded: offset &+ headerLength)
    headers.transport = unsafe base.byte(offset + 9)

    let fragmentWord = unsafe base.big16(offset + 6)
    headers.dontFragment = fragmentWord & 0x4000 != 0
    if fragmentWord & 0x3FFF != 0 {
      headers.fragmentID = UInt32(unsafe base.big16(offset + 4))
      headers.fragmentProtocol = headers.transport
      setFragment(
        offset: Int(fragmentWord & 0x1FFF) &* 8, more: fragmentWord & 0x2000 != 0,
        start: offset &+ headerLength, payload: segment, &headers)
      if headers.isLaterFragment { return }
    }
    parseTransport(at: offset &+ headerLength, segment: segment, &headers)
  }

  @inlinable @inline(__always)
  @_noLocks
  func checkIPv4Checksum(at offset: Int, headerLength: Int, _ headers: inout Headers) {
    // SAFETY: `headerLength` bytes from `offset` are there.
    if unsafe headerLength == 20 && InternetChecksum.isRight20(base + offset) { return }
    unsafe checkIPv4ChecksumSlowly(base + offset, headerLength: headerLength, &headers)
  }

  @unsafe @usableFromInline @inline(never)
  @_noLocks
  func checkIPv4ChecksumSlowly(
    _ header: UnsafeRawPointer, headerLength: Int, _ headers: inout Headers
  ) {
    // SAFETY: as above.
    let sum = unsafe InternetChecksum.sum(header, count: headerLength)
    let field = unsafe header.big16(10)
    if InternetChecksum.fold(sum) != 0xFFFF && !(offloaded && field == 0) {
      headers.faults.insert(.checksum)
    }
  }

  /// Walks the options of RFC 791 section 3.1: source routes and malformed ones are faults.
  @usableFromInline @inline(never)
  @_noLocks
  func checkIPv4Options(from start: Int, to end: Int, _ headers: inout Headers) {
    var position = start
    while position < end {
      // SAFETY: `position` is below `end`, which is inside the captured bytes.
      let kind = unsafe base.byte(position)
      if kind == 0 { return }
      if kind == 1 {
        position &+= 1
        continue
      }
      guard position &+ 1 < end else {
        headers.faults.insert(.option)
        return
      }
      let size = Int(unsafe base.byte(position &+ 1))
      // 131 and 137: loose and strict source route.
      if size < 2 || position &+ size > end || kind == 131 || kind == 137 {
        headers.faults.insert(.option)
        return
      }
      position &+= size
    }
  }

  @inlinable
  @_noLocks
  func setFragment(
    offset: Int, more: Bool, start: Int, payload: Int, _ headers: inout Headers
  ) {
    headers.fragmentPayloadOffset = UInt16(truncatingIfNeeded: start)
    headers.fragmentLength = UInt32(truncatingIfNeeded: payload)
    headers.fragmentOffset = UInt16(truncatingIfNeeded: offset)
    headers.moreFragments = more
    if (more && payload & 7 != 0) || offset &+ payload > 65_535 { headers.faults.insert(.length) }
  }

  // MARK: Transport

  /// Reads the transport header, `segment` bytes of which the packet declares.
  @_transparent @usableFromInline
  @_noLocks
  func parseTransport(at offset: Int, segment: Int, _ headers: inout Headers) {
    switch headers.transport {
    case IPProtocol.tcp:
      guard hasHeader(of: 20, at: offset, segment: segment, &headers) else { return }
      // SAFETY: 20 bytes from `offset` are there.
      let dataOffset = Int(unsafe base.byte(offset + 12) >> 4) &* 4
      if dataOffset < 20 {
        headers.faults.insert(.header)
        return
      }
      guard hasHeader(of: dataOffset, at: offset, segment: segment, &headers) else { return }
      headers.tcpFlags = TCPFlags(rawValue: unsafe base.byte(offset + 13))
      readPorts(at: offset, &headers)
    case IPProtocol.udp:
      guard hasHeader(of: 8, at: offset, segment: segment, &headers) else { return }
      // SAFETY: 8 bytes from `offset` are there.
      let declared = Int(unsafe base.big16(offset + 4))
      if declared < 8 || (declared > segment && !headers.moreFragments) {
        headers.faults.insert(.length)
      }
      readPorts(at: offset, &headers)
    case IPProtocol.sctp:
      guard hasHeader(of: 12, at: offset, segment: segment, &headers) else { return }
      readPorts(at: offset, &headers)
    case IPProtocol.icmp where headers.family == .v4, IPProtocol.icmpV6 where headers.family == .v6:
      guard hasHeader(of: 8, at: offset, segment: segment, &headers) else { return }
      // SAFETY: 8 bytes from `offset` are there.
      headers.icmpType = unsafe base.byte(offset)
      headers.icmpCode = unsafe base.byte(offset + 1)
      // The identifier of an echo; meaningless for other types, which nobody asks.
      headers.sourcePort = unsafe base.big16(offset + 4)
      headers.hasTransport = true
    default:
      headers.hasTransport = true
    }
  }

  @inlinable @inline(__always)
  @_noLocks
  func readPorts(at offset: Int, _ headers: inout Headers) {
    // SAFETY: the caller saw that the transport header is there.
    headers.sourcePort = unsafe base.big16(offset)
    headers.destinationPort = unsafe base.big16(offset + 2)
    headers.hasTransport = true
  }

  /// Whether `size` bytes of a transport header are there; records the fault when not.
  @inlinable @inline(__always)
  @_noLocks
  func hasHeader(
    of size: Int, at offset: Int, segment: Int, _ headers: inout Headers
  ) -> Bool {
    if size <= segment && offset &+ size <= length { return true }
    if headers.moreFragments && size > segment {
      // The rest of the header is in a later fragment (RFC 1858): the fragment step says so.
      headers.isTiny = true
      return false
    }
    if offset &+ size > length { headers.faults.insert(.truncated) }
    if size > segment { headers.faults.insert(.length) }
    return false
  }
}

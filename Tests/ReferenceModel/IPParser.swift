import Wire

/// Reads the IP packet that begins with `octets`.
///
/// - Parameter isLive: what offload leaves in captures on the sending host is a fault.
func parseIP(_ family: IPFamily, _ octets: Octets, isLive: Bool = false) -> ParsedPacket {
  var packet = ParsedPacket(family: family, octets: octets)
  packet.isLive = isLive
  if family == .v4 { packet.parseIPv4() } else { packet.parseIPv6() }
  return packet
}

extension ParsedPacket {
  // RFC 791 section 3.1.
  fileprivate mutating func parseIPv4() {
    guard octets.holds(0, 20) else { return fail(.parseTruncated) }
    guard octets.u8(0) >> 4 == 4 else { return fail(.parseHeader) }
    addressesKnown = true
    source = octets.address(.v4, 12)
    destination = octets.address(.v4, 16)
    protocolNumber = octets.u8(9)
    hopLimit = octets.u8(8)
    let headerLength = Int(octets.u8(0) & 15) * 4
    guard headerLength >= 20 else { return fail(.parseHeader) }
    guard octets.holds(0, headerLength) else { return fail(.parseTruncated) }
    checkIPv4Checksum(headerLength)
    let totalLength = Int(octets.u16(2))
    // Zero is what segmentation offload leaves: the frame's length counts.
    length = totalLength == 0 && !isLive ? octets.originalLength : totalLength
    if length < headerLength || length > octets.originalLength { fail(.parseLength) }
    checkIPv4Options(headerLength)

    let flags = octets.u16(6)
    dontFragment = flags & 0x4000 != 0
    let more = flags & 0x2000 != 0
    let offset = Int(flags & 0x1FFF) * 8
    if more || offset > 0 {
      setFragment(
        identifier: UInt32(octets.u16(4)), offset: offset, more: more, payloadAt: headerLength,
        protocolNumber: protocolNumber)
    }
    parseTransport(at: headerLength)
  }

  private mutating func checkIPv4Checksum(_ headerLength: Int) {
    guard octets.u16(10) != 0 || isLive else { return }
    var sum: UInt32 = 0
    for offset in stride(from: 0, to: headerLength, by: 2) { sum += UInt32(octets.u16(offset)) }
    while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
    if sum != 0xFFFF { fail(.parseChecksum) }
  }

  private mutating func checkIPv4Options(_ headerLength: Int) {
    var offset = 20
    while offset < headerLength {
      let type = octets.u8(offset)
      if type == 0 { return }
      if type == 1 {
        offset += 1
        continue
      }
      guard offset + 1 < headerLength else { return fail(.parseOption) }
      let optionLength = Int(octets.u8(offset + 1))
      guard optionLength >= 2, offset + optionLength <= headerLength else {
        return fail(.parseOption)
      }
      // Loose and strict source route.
      if type == 131 || type == 137 { fail(.parseOption) }
      offset += optionLength
    }
  }

  // RFC 8200 sections 3 and 4.
  fileprivate mutating func parseIPv6() {
    guard octets.holds(0, 40) else { return fail(.parseTruncated) }
    guard octets.u8(0) >> 4 == 6 else { return fail(.parseHeader) }
    addressesKnown = true
    source = octets.address(.v6, 8)
    destination = octets.address(.v6, 24)
    hopLimit = octets.u8(7)
    length = 40 + Int(octets.u16(4))
    if length > octets.originalLength { fail(.parseLength) }

    var next = octets.u8(6)
    var offset = 40
    var count = 0
    var hadFragmentHeader = false
    while [0, 43, 44, 51, 60].contains(next) {
      count += 1
      guard count <= 8 else { return fail(.parseExtension) }
      // What a first fragment does not have of its headers is in the next one (RFC 7112).
      if fragment?.more == true && offset + 8 > length { return endTiny(next) }
      guard octets.holds(offset, 8) else {
        if offset + 8 > length { fail(.parseExtension) }
        return fail(.parseTruncated)
      }
      // How long a header is that the packet does not have, what follows the packet cannot tell.
      guard offset + 8 <= length else { return fail(.parseExtension) }
      let size = extensionLength(next, at: offset)
      if fragment?.more == true && offset + size > length { return endTiny(next) }
      guard octets.holds(offset, size) else {
        if offset + size > length { fail(.parseExtension) }
        return fail(.parseTruncated)
      }
      guard offset + size <= length, offset + size - 40 <= 256 else {
        return fail(.parseExtension)
      }
      let header = next
      next = octets.u8(offset)
      switch header {
      case 0:
        if count > 1 { fail(.parseExtension) }
        checkIPv6Options(at: offset, size: size, hopByHop: true)
      case 60:
        checkIPv6Options(at: offset, size: size, hopByHop: false)
      case 43:
        let type = octets.u8(offset + 2)
        let segmentsLeft = octets.u8(offset + 3)
        if type == 0 || segmentsLeft != 0 { fail(.parseExtension) }
      case 44:
        if hadFragmentHeader { fail(.parseExtension) }
        hadFragmentHeader = true
        let field = octets.u16(offset + 2)
        let more = field & 1 != 0
        let fragmentOffset = Int(field & 0xFFF8)
        if more || fragmentOffset > 0 {
          setFragment(
            identifier: octets.u32(offset + 4), offset: fragmentOffset, more: more,
            payloadAt: offset + 8, protocolNumber: next)
        }
        if fragmentOffset > 0 {
          protocolNumber = next
          return
        }
      default:
        break
      }
      offset += size
    }
    protocolNumber = next
    parseTransport(at: offset)
  }

  /// A first fragment without its whole chain of headers.
  private mutating func endTiny(_ next: UInt8) {
    isTiny = true
    protocolNumber = next
  }

  private func extensionLength(_ header: UInt8, at offset: Int) -> Int {
    switch header {
    case 44: 8
    // RFC 4302 section 2.2: in words of 4 bytes, less 2.
    case 51: (Int(octets.u8(offset + 1)) + 2) * 4
    default: (Int(octets.u8(offset + 1)) + 1) * 8
    }
  }

  private mutating func checkIPv6Options(at start: Int, size: Int, hopByHop: Bool) {
    var offset = start + 2
    let end = start + size
    while offset < end {
      let type = octets.u8(offset)
      if type == 0 {
        offset += 1
        continue
      }
      guard offset + 1 < end, offset + 2 + Int(octets.u8(offset + 1)) <= end else {
        return fail(.parseOption)
      }
      // RFC 2675: the jumbo payload option.
      if hopByHop && type == 0xC2 { fail(.parseLength) }
      offset += 2 + Int(octets.u8(offset + 1))
    }
  }

  private mutating func setFragment(
    identifier: UInt32, offset: Int, more: Bool, payloadAt: Int, protocolNumber: UInt8
  ) {
    let payloadLength = max(0, length - payloadAt)
    fragment = Fragment(
      identifier: identifier, offset: offset, length: payloadLength, more: more,
      protocolNumber: protocolNumber, payload: octets.captured(payloadAt, payloadLength))
    if more && payloadLength % 8 != 0 { fail(.parseLength) }
    if offset + payloadLength > 65_535 { fail(.parseLength) }
  }

  private mutating func parseTransport(at offset: Int) {
    transportOffset = offset
    transportLength = max(0, length - offset)
    if isLaterFragment { return }
    switch (protocolNumber, family) {
    case (ProtocolNumber.tcp, _): parseTCP()
    case (ProtocolNumber.udp, _): parseUDP()
    case (ProtocolNumber.sctp, _): if hasHeader(12) { readPorts() }
    case (ProtocolNumber.icmp, .v4), (ProtocolNumber.icmpv6, .v6): parseICMP()
    default: break
    }
  }

  /// Whether `count` bytes of transport header are in the packet and were captured.
  private mutating func hasHeader(_ count: Int) -> Bool {
    if fragment != nil && transportLength < count {
      isTiny = true
      return false
    }
    guard octets.holds(transportOffset, count) else {
      fail(.parseTruncated)
      return false
    }
    guard transportLength >= count else {
      fail(.parseLength)
      return false
    }
    return true
  }

  private mutating func readPorts() {
    ports = (octets.u16(transportOffset), octets.u16(transportOffset + 2))
  }

  // RFC 9293 section 3.1.
  private mutating func parseTCP() {
    guard hasHeader(20) else { return }
    readPorts()
    let headerLength = Int(octets.u8(transportOffset + 12) >> 4) * 4
    guard headerLength >= 20 else { return fail(.parseHeader) }
    guard hasHeader(headerLength) else { return }
    tcp = TCPSegment(
      sequence: octets.u32(transportOffset + 4), acknowledgement: octets.u32(transportOffset + 8),
      window: octets.u16(transportOffset + 14), flags: octets.u8(transportOffset + 13),
      options: Array(octets.captured(transportOffset + 20, headerLength - 20)),
      payloadLength: transportLength - headerLength)
  }

  private mutating func parseUDP() {
    guard hasHeader(8) else { return }
    readPorts()
    let declared = Int(octets.u16(transportOffset + 4))
    if declared < 8 || (fragment == nil && declared > transportLength) { fail(.parseLength) }
    if fragment == nil { transportLength = min(transportLength, max(8, declared)) }
  }

  private mutating func parseICMP() {
    guard hasHeader(8) else { return }
    icmp = ICMPHeader(
      type: octets.u8(transportOffset), code: octets.u8(transportOffset + 1),
      identifier: octets.u16(transportOffset + 4))
  }
}

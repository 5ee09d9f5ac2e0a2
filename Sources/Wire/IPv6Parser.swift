// IPv6 and its extension headers (RFC 8200). "More than 8 headers or 256 bytes of them" is where
// we stop: a firewall that skips what it cannot walk lets through what it did not see (RFC 7112).

extension FrameParser {
  @usableFromInline @inline(never)
  @_noLocks
  func parseIPv6(at offset: Int, _ headers: inout Headers) {
    headers.link = .ipv6
    headers.family = .v6
    headers.dontFragment = true
    guard offset &+ 40 <= length else {
      headers.faults.insert(.truncated)
      return
    }
    // SAFETY: 40 bytes from `offset` are there.
    headers.sourceHigh = unsafe base.big64(offset + 8)
    headers.sourceLow = unsafe base.big64(offset + 16)
    headers.destinationHigh = unsafe base.big64(offset + 24)
    headers.destinationLow = unsafe base.big64(offset + 32)
    headers.hasAddresses = unsafe base.byte(offset) >> 4 == 6
    guard headers.hasAddresses else {
      headers.faults.insert(.header)
      return
    }
    let total = 40 &+ Int(unsafe base.big16(offset + 4))
    if total > originalLength &- offset { headers.faults.insert(.length) }
    headers.datagramLength = UInt32(truncatingIfNeeded: total)
    let nextHeader = unsafe base.byte(offset + 6)
    let transportOffset = offset &+ 40
    if Self.isExtension(nextHeader) {
      walkExtensions(from: transportOffset, end: offset &+ total, first: nextHeader, &headers)
      return
    }
    headers.transport = nextHeader
    headers.transportOffset = UInt16(truncatingIfNeeded: transportOffset)
    headers.segmentLength = UInt32(truncatingIfNeeded: total &- 40)
    parseTransport(at: transportOffset, segment: total &- 40, &headers)
  }

  /// Hop-by-hop, routing, fragment, destination options and authentication header.
  @inlinable @inline(__always)
  static func isExtension(_ nextHeader: UInt8) -> Bool {
    switch nextHeader {
    case 0, 43, 44, 51, 60: true
    default: false
    }
  }

  /// Walks extension headers up to the transport header, which it parses too.
  ///
  /// - Parameter end: where the packet ends by its own payload length.
  @usableFromInline @inline(never)
  @_noLocks
  func walkExtensions(from start: Int, end: Int, first: UInt8, _ headers: inout Headers) {
    var position = start
    var next = first
    var count = 0
    var sawFragment = false
    while Self.isExtension(next) {
      count &+= 1
      if count > 8 {
        headers.faults.insert(.extensionHeader)
        return
      }
      guard let size = extensionSize(of: next, at: position, end: end, &headers) else { return }
      // The walk goes on: a cut header behind a misplaced one has precedence.
      if (next == 0 && position != start) || (next == 44 && sawFragment) {
        headers.faults.insert(.extensionHeader)
      }
      if position &+ size &- start > 256 {
        headers.faults.insert(.extensionHeader)
        return
      }
      // SAFETY: `extensionSize` saw that the whole header is there.
      let following = unsafe base.byte(position)
      switch next {
      case 0, 60:
        checkOptions(from: position &+ 2, to: position &+ size, isHopByHop: next == 0, &headers)
      case 43:
        // Type 0 is deprecated (RFC 5095); segments left means that others decide the path.
        if unsafe (base.byte(position &+ 2) == 0 || base.byte(position &+ 3) != 0) {
          headers.faults.insert(.extensionHeader)
        }
      case 44:
        sawFragment = true
        readFragmentHeader(at: position, end: end, following: following, &headers)
        if headers.isLaterFragment {
          headers.transport = following
          headers.transportOffset = UInt16(truncatingIfNeeded: position &+ 8)
          headers.segmentLength = UInt32(truncatingIfNeeded: max(0, end &- position &- 8))
          return
        }
      default: break
      }
      position &+= size
      next = following
    }
    headers.transport = next
    headers.transportOffset = UInt16(truncatingIfNeeded: position)
    let segment = max(0, end &- position)
    headers.segmentLength = UInt32(truncatingIfNeeded: segment)
    parseTransport(at: position, segment: segment, &headers)
  }

  /// The length of the extension header at `position`, or nil after recording why there is none.
  private func extensionSize(
    of kind: UInt8, at position: Int, end: Int, _ headers: inout Headers
  ) -> Int? {
    guard hasExtension(bytes: 8, at: position, end: end, &headers) else { return nil }
    // SAFETY: 8 bytes are there.
    let field = Int(unsafe base.byte(position &+ 1))
    let size = kind == 44 ? 8 : kind == 51 ? (field &+ 2) &* 4 : (field &+ 1) &* 8
    return hasExtension(bytes: size, at: position, end: end, &headers) ? size : nil
  }

  private func hasExtension(
    bytes size: Int, at position: Int, end: Int, _ headers: inout Headers
  ) -> Bool {
    if position &+ size <= end && position &+ size <= length { return true }
    if headers.moreFragments && position &+ size > end {
      headers.isTiny = true
      return false
    }
    if position &+ size > length { headers.faults.insert(.truncated) }
    if position &+ size > end { headers.faults.insert(.extensionHeader) }
    return false
  }

  private func readFragmentHeader(
    at position: Int, end: Int, following: UInt8, _ headers: inout Headers
  ) {
    // SAFETY: 8 bytes are there.
    let word = unsafe base.big16(position &+ 2)
    let offset = Int(word & 0xFFF8)
    let more = word & 1 != 0
    // An atomic fragment is a whole packet (RFC 6946).
    if offset == 0 && !more { return }
    headers.fragmentID = unsafe base.big32(position &+ 4)
    headers.fragmentProtocol = following
    setFragment(
      offset: offset, more: more, start: position &+ 8, payload: max(0, end &- position &- 8),
      &headers)
  }

  /// Checks the options of a hop-by-hop or destination options header (RFC 8200 section 4.2).
  private func checkOptions(
    from start: Int, to end: Int, isHopByHop: Bool, _ headers: inout Headers
  ) {
    var position = start
    while position < end {
      // SAFETY: `position` is below `end`, which is inside the captured bytes.
      let kind = unsafe base.byte(position)
      if kind == 0 {
        position &+= 1
        continue
      }
      guard position &+ 1 < end else {
        headers.faults.insert(.option)
        return
      }
      let size = Int(unsafe base.byte(position &+ 1))
      guard position &+ 2 &+ size <= end else {
        headers.faults.insert(.option)
        return
      }
      // A jumbo payload (RFC 2675) has a length that its header does not say.
      if kind == 0xC2 && isHopByHop { headers.faults.insert(.length) }
      position &+= 2 &+ size
    }
  }
}

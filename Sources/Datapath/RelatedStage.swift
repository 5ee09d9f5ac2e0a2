import Tables
import Wire

// ICMP errors quote the packet they are about (RFC 792, RFC 4443). One that is about a live
// connection of the same NIC, the other way round, belongs to it.

extension Worker {
  /// The live connection that an ICMP error is about, or nil; and the rule key of the packet that
  /// began it, as far as the quote shows it.
  mutating func quotedConnection(
    _ packet: inout Packet, _ headers: borrowing Headers, publicAddress: TableIndex,
    _ direction: Direction, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> (record: UInt32, ruleKey: UInt32)? {
    // SAFETY: the owner vouches for `length` bytes at `base`.
    // What stands behind the error's own end is padding, and quotes nothing.
    let end = min(Int(packet.length), Int(headers.networkOffset) &+ Int(headers.datagramLength))
    guard var quote = unsafe QuotedPacket(packet.base, length: end, headers) else { return nil }
    translateQuote(&quote, publicAddress, tables)
    // The error goes to who sent the quoted packet; others know nothing of it.
    guard quote.headers.sourceHigh == headers.destinationHigh,
      quote.headers.sourceLow == headers.destinationLow
    else { return nil }
    var key = FlowKey()
    makeKey(quote.headers, direction.opposite, nic: nic, into: &key)
    guard let record = flows.lookup(key, hash: key.hash(seed: flows.seed)),
      flows.entries[record].deadline > packet.time
    else { return nil }
    let isAsBegun = flows.entries[record].flags.contains(.fromOutside) == (direction == .egress)
    return (record, isAsBegun ? quote.headers.ruleKey : quote.headers.reversedRuleKey)
  }

  /// What came back through an internet gateway quotes the public address; the connection is one of
  /// the private address.
  func translateQuote(
    _ quote: inout QuotedPacket, _ publicAddress: TableIndex, _ tables: borrowing RuleTables
  ) {
    if publicAddress == .none { return }
    let record = tables.nicPublicAddresses[publicAddress]
    if quote.headers.sourceLow == record.publicAddress.low {
      quote.headers.sourceLow = record.privateAddress.low
    }
  }
}

/// The packet that an ICMP error quotes: its addresses, protocol and ports.
struct QuotedPacket: ~Copyable {
  var headers = Headers()
  /// Where the quoted IP header is in the frame.
  let offset: Int

  /// Reads the quote; nil when it is no unfragmented IP packet of the error's family with at least
  /// 8 bytes of transport header.
  ///
  /// - Parameters:
  ///   - base: the frame of `length` bytes.
  ///   - outer: the error's own headers.
  @unsafe
  init?(_ base: UnsafeRawPointer, length: Int, _ outer: borrowing Headers) {
    offset = Int(outer.transportOffset) &+ 8
    headers.family = outer.family
    let transportOffset: Int
    if outer.family == .v4 {
      guard offset &+ 20 <= length else { return nil }
      // SAFETY: 20 bytes from `offset` are there.
      let first = unsafe base.byte(offset)
      let headerLength = Int(first & 15) &* 4
      guard first >> 4 == 4, headerLength >= 20, unsafe base.big16(offset + 6) & 0x1FFF == 0 else {
        return nil
      }
      headers.sourceLow = UInt64(unsafe base.big32(offset + 12))
      headers.destinationLow = UInt64(unsafe base.big32(offset + 16))
      headers.transport = unsafe base.byte(offset + 9)
      transportOffset = offset &+ headerLength
    } else {
      guard offset &+ 40 <= length else { return nil }
      // SAFETY: 40 bytes from `offset` are there.
      guard unsafe base.byte(offset) >> 4 == 6 else { return nil }
      headers.sourceHigh = unsafe base.big64(offset + 8)
      headers.sourceLow = unsafe base.big64(offset + 16)
      headers.destinationHigh = unsafe base.big64(offset + 24)
      headers.destinationLow = unsafe base.big64(offset + 32)
      guard let upper = unsafe Self.skipExtensions(base, length: length, at: offset) else {
        return nil
      }
      headers.transport = upper.transport
      transportOffset = upper.offset
    }
    guard transportOffset &+ 8 <= length else { return nil }
    headers.transportOffset = UInt16(truncatingIfNeeded: transportOffset)
    // SAFETY: 8 bytes from `transportOffset` are there.
    headers.sourcePort = unsafe base.big16(transportOffset)
    headers.destinationPort = unsafe base.big16(transportOffset + 2)
    if headers.isICMP {
      headers.icmpType = unsafe base.byte(transportOffset)
      headers.sourcePort = unsafe base.big16(transportOffset + 4)
      // An error about anything but an echo has no connection to belong to.
      if headers.isEchoRequest == nil { return nil }
    }
  }

  /// The transport protocol behind a quoted IPv6 header and where it begins; nil for later
  /// fragments and chains that do not end.
  @unsafe
  private static func skipExtensions(
    _ base: UnsafeRawPointer, length: Int, at offset: Int
  ) -> (transport: UInt8, offset: Int)? {
    // SAFETY: the caller saw 40 bytes from `offset`.
    var next = unsafe base.byte(offset + 6)
    var position = offset &+ 40
    for _ in 0..<8 {
      switch next {
      case 0, 43, 44, 51, 60:
        guard position &+ 8 <= length else { return nil }
        // SAFETY: 8 bytes from `position` are there.
        if next == 44 {
          if unsafe base.big16(position + 2) & 0xFFF8 != 0 { return nil }
        }
        let field = Int(unsafe base.byte(position + 1))
        let size = next == 44 ? 8 : next == 51 ? (field &+ 2) &* 4 : (field &+ 1) &* 8
        next = unsafe base.byte(position)
        position &+= size
      default: return (next, position)
      }
    }
    return nil
  }
}

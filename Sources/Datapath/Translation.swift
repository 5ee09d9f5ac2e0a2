import Tables
import Wire

// The internet gateway's one-to-one translation (IPv4 only), with checksums updated by difference
// (RFC 1624): a wrong checksum stays wrong, and no payload is read.

extension Worker {
  /// Egress: the private source becomes the public address.
  mutating func translateSource(
    _ packet: inout Packet, _ headers: borrowing Headers, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) {
    guard headers.family == .v4 else { return }
    let index = publicAddress(of: nic, headers, tables)
    guard index != .none else { return }
    let record = tables.nicPublicAddresses[index]
    note(.translated, UInt64(index))
    let translation = Translation(
      old: record.privateAddress.v4Bits, new: record.publicAddress.v4Bits)
    // SAFETY: the owner vouches for `length` bytes at `base`, and the headers were parsed there.
    unsafe translation.rewrite(
      packet.base, length: Int(packet.length), headers, addressOffset: 12, quotedOffset: 16,
      isPartial: packet.flags.contains(.partialChecksum))
  }

  /// Ingress: the public destination becomes the private address.
  mutating func translateDestination(
    _ packet: inout Packet, _ context: borrowing PacketContext, _ tables: borrowing RuleTables
  ) {
    let record = tables.nicPublicAddresses[context.publicAddress]
    note(.translated, UInt64(context.publicAddress), 1)
    let translation = Translation(
      old: record.publicAddress.v4Bits, new: record.privateAddress.v4Bits)
    // SAFETY: the owner vouches for `length` bytes at `base`, and the headers were parsed there.
    unsafe translation.rewrite(
      packet.base, length: Int(packet.length), context.headers, addressOffset: 16, quotedOffset: 12)
  }
}

/// The replacement of one IPv4 address by another in a packet and in what an ICMP error quotes.
struct Translation {
  let old: UInt32
  let new: UInt32

  /// - Parameters:
  ///   - addressOffset: of the address in the IP header, 12 for the source, 16 for the destination.
  ///   - quotedOffset: of the same host's address in a quoted IP header: the other one.
  ///   - isPartial: the TCP or UDP checksum is the sum of the pseudo-header, not inverted.
  @unsafe
  func rewrite(
    _ base: UnsafeMutableRawPointer, length: Int, _ headers: borrowing Headers, addressOffset: Int,
    quotedOffset: Int, isPartial: Bool = false
  ) {
    let network = Int(headers.networkOffset)
    // SAFETY: the parser saw the whole IP header.
    unsafe base.storeBig32(new, at: network + addressOffset)
    unsafe updateField(base, at: network + 10)
    guard headers.hasTransport, !headers.isLaterFragment else { return }
    let transport = Int(headers.transportOffset)
    switch headers.transport {
    case IPProtocol.tcp where transport + 18 <= length:
      unsafe updateField(base, at: transport + 16, isPartial: isPartial)
    case IPProtocol.udp where transport + 8 <= length && isPartial:
      unsafe updateField(base, at: transport + 6, isPartial: true)
    case IPProtocol.udp where transport + 8 <= length:
      // Zero says that there is no checksum (RFC 768).
      if unsafe UnsafeRawPointer(base).big16(transport + 6) != 0 {
        unsafe updateField(base, at: transport + 6)
        if unsafe UnsafeRawPointer(base).big16(transport + 6) == 0 {
          unsafe base.storeBig16(0xFFFF, at: transport + 6)
        }
      }
    case IPProtocol.icmp where headers.isICMPError:
      unsafe rewriteQuote(base, length: length, headers, quotedOffset: quotedOffset)
    default: break
    }
  }

  /// Replaces the address inside a quoted packet, its header checksum, and the error's own checksum
  /// by the difference of both.
  @unsafe
  private func rewriteQuote(
    _ base: UnsafeMutableRawPointer, length: Int, _ headers: borrowing Headers, quotedOffset: Int
  ) {
    let quote = Int(headers.transportOffset) + 8
    guard quote + 20 <= length else { return }
    // SAFETY: 20 bytes from `quote` are there.
    let bytes = UnsafeRawPointer(base)
    guard unsafe bytes.big32(quote + quotedOffset) == old else { return }
    let oldChecksum = unsafe bytes.big16(quote + 10)
    unsafe base.storeBig32(new, at: quote + quotedOffset)
    unsafe updateField(base, at: quote + 10)
    let newChecksum = unsafe bytes.big16(quote + 10)
    let field = unsafe bytes.big16(Int(headers.transportOffset) + 2)
    let updated = InternetChecksum.update(
      field, old: words(old) &+ UInt64(oldChecksum), new: words(new) &+ UInt64(newChecksum))
    unsafe base.storeBig16(updated, at: Int(headers.transportOffset) + 2)
  }

  @unsafe
  private func updateField(
    _ base: UnsafeMutableRawPointer, at offset: Int, isPartial: Bool = false
  ) {
    let inversion: UInt16 = isPartial ? 0xFFFF : 0
    // SAFETY: the caller saw that the field is inside the frame.
    let field = unsafe UnsafeRawPointer(base).big16(offset) ^ inversion
    unsafe base.storeBig16(
      InternetChecksum.update(field, old: words(old), new: words(new)) ^ inversion, at: offset)
  }

  /// An address as the sum of its two 16-bit words.
  private func words(_ address: UInt32) -> UInt64 {
    UInt64(address >> 16) &+ UInt64(address & 0xFFFF)
  }
}

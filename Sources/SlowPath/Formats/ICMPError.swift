import Wire

/// An ICMP or ICMPv6 message: type, code, checksum, one word and the rest (RFC 792, RFC 4443).
package struct ICMPView {
  package static let headerLength = 8
  private let bytes: FrameBytes

  /// Nil when the header is not whole.
  package init?(_ bytes: FrameBytes) {
    guard bytes.count >= Self.headerLength else { return nil }
    self.bytes = bytes
  }

  package var type: UInt8 { bytes.byte(0) }
  package var code: UInt8 { bytes.byte(1) }
  package var checksum: UInt16 { bytes.big16(2) }
  package var word: UInt32 { bytes.big32(4) }
  package var quote: FrameBytes { bytes.dropFirst(Self.headerLength) }
}

/// ICMP "fragmentation needed and DF set", with the MTU of the next hop (RFC 1191 section 4).
package struct FragmentationNeeded: Equatable {
  /// Bytes an IP packet may have.
  package var mtu: UInt16
  /// The packet that was too big, from its IP header on, as far as it is quoted.
  package var quote: [UInt8]

  package init(mtu: UInt16, quote: [UInt8]) {
    self.mtu = mtu
    self.quote = quote
  }

  /// Nil for other types and codes.
  package init?(_ view: ICMPView) {
    guard view.type == 3, view.code == 4 else { return nil }
    self.init(mtu: UInt16(truncatingIfNeeded: view.word), quote: view.quote.array)
  }

  /// The ICMP message with its checksum.
  package func emit() -> [UInt8] {
    var message: [UInt8] = [3, 4, 0, 0, 0, 0]
    message.appendBig16(mtu)
    message.append(contentsOf: quote)
    var checksum = InternetChecksum()
    checksum.add(message)
    message.storeBig16(checksum.value, at: 2)
    return message
  }
}

/// ICMPv6 "packet too big" (RFC 4443 section 3.2).
package struct PacketTooBig: Equatable {
  /// Bytes an IP packet may have.
  package var mtu: UInt32
  /// The packet that was too big, from its IP header on, as far as it is quoted.
  package var quote: [UInt8]

  package init(mtu: UInt32, quote: [UInt8]) {
    self.mtu = mtu
    self.quote = quote
  }

  /// Nil for other types.
  package init?(_ view: ICMPView) {
    guard view.type == 2 else { return nil }
    self.init(mtu: view.word, quote: view.quote.array)
  }

  /// The ICMPv6 message with its checksum.
  package func emit(source: IPAddress, destination: IPAddress) -> [UInt8] {
    var message: [UInt8] = [2, 0, 0, 0]
    message.appendBig32(mtu)
    message.append(contentsOf: quote)
    NeighborDiscovery.setChecksum(of: &message, source: source, destination: destination)
    return message
  }
}

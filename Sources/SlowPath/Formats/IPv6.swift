import Wire

/// An IPv6 packet (RFC 8200).
package struct IPv6View {
  package static let headerLength = 40
  private let bytes: FrameBytes

  /// Nil when the version is not 6 or the header is not whole.
  package init?(_ bytes: FrameBytes) {
    guard bytes.count >= Self.headerLength, bytes.byte(0) >> 4 == 6 else { return nil }
    self.bytes = bytes
  }

  package var payloadLength: Int { Int(bytes.big16(4)) }
  package var nextHeader: UInt8 { bytes.byte(6) }
  package var hopLimit: UInt8 { bytes.byte(7) }
  package var source: IPAddress { bytes.ipv6(8) }
  package var destination: IPAddress { bytes.ipv6(24) }

  /// The packet without link-layer padding, as far as it is there.
  package var packet: FrameBytes { bytes.prefix(Self.headerLength + payloadLength) }
  package var payload: FrameBytes { packet.dropFirst(Self.headerLength) }

  /// Whether the capture cut the packet short.
  package var isCut: Bool { bytes.count < Self.headerLength + payloadLength }
}

/// What an IPv6 packet carries behind its extension headers.
package struct IPv6UpperLayer {
  package var protocolNumber: UInt8
  package var payload: FrameBytes
  package var hasFragmentHeader = false
  /// In bytes.
  package var fragmentOffset = 0
  package var moreFragments = false

  /// Walks hop-by-hop options, routing, fragment and destination options headers; nil when one
  /// is not whole. Stops behind the fragment header of a later fragment.
  ///
  /// - Complexity: linear in the number of headers, which the packet's length bounds.
  package init?(_ packet: IPv6View) {
    protocolNumber = packet.nextHeader
    payload = packet.payload
    while fragmentOffset == 0, [0, 43, 44, 60].contains(protocolNumber) {
      guard payload.count >= 8 else { return nil }
      var length = 8
      if protocolNumber == 44 {
        hasFragmentHeader = true
        fragmentOffset = Int(payload.big16(2) & 0xFFF8)
        moreFragments = payload.byte(3) & 1 != 0
      } else {
        length += Int(payload.byte(1)) * 8
      }
      guard payload.count >= length else { return nil }
      protocolNumber = payload.byte(0)
      payload = payload.dropFirst(length)
    }
  }
}

/// An IPv6 header to write; traffic class and flow label are zero.
package struct IPv6Header: Equatable {
  package var nextHeader: UInt8
  package var hopLimit: UInt8
  package var source: IPAddress
  package var destination: IPAddress

  package init(
    nextHeader: UInt8, hopLimit: UInt8, source: IPAddress, destination: IPAddress
  ) {
    self.nextHeader = nextHeader
    self.hopLimit = hopLimit
    self.source = source
    self.destination = destination
  }

  package init(_ view: IPv6View) {
    self.init(
      nextHeader: view.nextHeader, hopLimit: view.hopLimit, source: view.source,
      destination: view.destination)
  }

  /// - Parameter payloadLength: bytes that follow the header.
  package func emit(payloadLength: Int, into frame: inout [UInt8]) {
    frame.appendBig32(6 << 28)
    frame.appendBig16(UInt16(truncatingIfNeeded: payloadLength))
    frame.append(nextHeader)
    frame.append(hopLimit)
    frame.append(source)
    frame.append(destination)
  }
}

import Wire

/// A UDP datagram (RFC 768).
package struct UDPView {
  package static let headerLength = 8
  private let bytes: FrameBytes

  /// Nil when the header is not whole or the length field is smaller than it.
  package init?(_ bytes: FrameBytes) {
    guard bytes.count >= Self.headerLength, bytes.big16(4) >= Self.headerLength else {
      return nil
    }
    self.bytes = bytes
  }

  package var sourcePort: UInt16 { bytes.big16(0) }
  package var destinationPort: UInt16 { bytes.big16(2) }
  package var length: Int { Int(bytes.big16(4)) }
  package var checksum: UInt16 { bytes.big16(6) }
  /// The payload as far as it is there.
  package var payload: FrameBytes { bytes.prefix(length).dropFirst(Self.headerLength) }
}

/// The ports of a UDP datagram to write.
package struct UDPHeader: Equatable {
  package var sourcePort: UInt16
  package var destinationPort: UInt16

  package init(sourcePort: UInt16, destinationPort: UInt16) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
  }

  package init(_ view: UDPView) {
    self.init(sourcePort: view.sourcePort, destinationPort: view.destinationPort)
  }

  /// Appends header and payload with the checksum over the pseudo header of both addresses.
  package func emit(
    payload: [UInt8], source: IPAddress, destination: IPAddress, into frame: inout [UInt8]
  ) {
    let length = UDPView.headerLength + payload.count
    var datagram = [UInt8]()
    datagram.reserveCapacity(length)
    datagram.appendBig16(sourcePort)
    datagram.appendBig16(destinationPort)
    datagram.appendBig16(UInt16(truncatingIfNeeded: length))
    datagram.appendBig16(0)
    datagram.append(contentsOf: payload)
    var checksum = InternetChecksum(
      source: source, destination: destination, protocolNumber: IPProtocol.udp, length: length)
    checksum.add(datagram)
    // Zero would mean "no checksum"; RFC 768 sends the other zero of ones' complement instead.
    datagram.storeBig16(checksum.value == 0 ? 0xFFFF : checksum.value, at: 6)
    frame.append(contentsOf: datagram)
  }
}

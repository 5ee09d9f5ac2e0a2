import Wire

/// An IPv4 packet (RFC 791).
package struct IPv4View {
  package static let minimumHeaderLength = 20
  private let bytes: FrameBytes

  /// Nil when the version is not 4, or the header is not whole or longer than the packet.
  package init?(_ bytes: FrameBytes) {
    guard bytes.count >= Self.minimumHeaderLength, bytes.byte(0) >> 4 == 4 else { return nil }
    self.bytes = bytes
    guard headerLength >= Self.minimumHeaderLength, headerLength <= bytes.count,
      totalLength == 0 || totalLength >= headerLength
    else { return nil }
  }

  package var headerLength: Int { Int(bytes.byte(0) & 15) * 4 }
  package var typeOfService: UInt8 { bytes.byte(1) }
  package var totalLength: Int { Int(bytes.big16(2)) }
  package var identification: UInt16 { bytes.big16(4) }
  package var dontFragment: Bool { bytes.byte(6) & 0x40 != 0 }
  package var moreFragments: Bool { bytes.byte(6) & 0x20 != 0 }
  /// In bytes, a multiple of 8.
  package var fragmentOffset: Int { Int(bytes.big16(6) & 0x1FFF) * 8 }
  package var timeToLive: UInt8 { bytes.byte(8) }
  package var protocolNumber: UInt8 { bytes.byte(9) }
  package var checksum: UInt16 { bytes.big16(10) }
  package var source: IPAddress { bytes.ipv4(12) }
  package var destination: IPAddress { bytes.ipv4(16) }

  package var header: FrameBytes { bytes.prefix(headerLength) }
  package var options: FrameBytes { bytes[Self.minimumHeaderLength..<headerLength] }

  /// The packet without link-layer padding, as far as it is there.
  ///
  /// A total length of zero, left by segmentation offload, means all bytes.
  package var packet: FrameBytes { totalLength == 0 ? bytes : bytes.prefix(totalLength) }
  package var payload: FrameBytes { packet.dropFirst(headerLength) }

  /// Whether the capture cut the packet short.
  package var isCut: Bool { bytes.count < totalLength }
}

/// An IPv4 header without options and of an unfragmented packet, to write.
package struct IPv4Header: Equatable {
  package var typeOfService: UInt8 = 0
  package var timeToLive: UInt8 = 64
  package var protocolNumber: UInt8
  package var source: IPAddress
  package var destination: IPAddress

  package init(protocolNumber: UInt8, source: IPAddress, destination: IPAddress) {
    self.protocolNumber = protocolNumber
    self.source = source
    self.destination = destination
  }

  package init(_ view: IPv4View) {
    self.init(
      protocolNumber: view.protocolNumber, source: view.source, destination: view.destination)
    typeOfService = view.typeOfService
    timeToLive = view.timeToLive
  }

  /// Appends the header with its checksum.
  ///
  /// The packet is atomic: DF is set and the identification, which then means nothing, is zero
  /// (RFC 6864 section 4.1).
  ///
  /// - Parameter payloadLength: bytes that follow the header.
  package func emit(payloadLength: Int, into frame: inout [UInt8]) {
    let start = frame.count
    frame.append(0x45)
    frame.append(typeOfService)
    frame.appendBig16(UInt16(truncatingIfNeeded: IPv4View.minimumHeaderLength + payloadLength))
    frame.appendBig32(0x4000)
    frame.append(timeToLive)
    frame.append(protocolNumber)
    frame.appendBig16(0)
    frame.append(source)
    frame.append(destination)
    var checksum = InternetChecksum()
    checksum.add(Array(frame[start...]))
    frame.storeBig16(checksum.value, at: start + 10)
  }
}

import Wire

/// Ethertypes of the frames that services read and write (IEEE 802 numbers).
package enum EtherType {
  package static let ipv4: UInt16 = 0x0800
  package static let arp: UInt16 = 0x0806
  package static let ipv6: UInt16 = 0x86DD
}

/// An untagged Ethernet frame.
package struct EthernetView {
  package static let headerLength = 14
  private let bytes: FrameBytes

  /// Nil when the header is not whole.
  package init?(_ bytes: FrameBytes) {
    guard bytes.count >= Self.headerLength else { return nil }
    self.bytes = bytes
  }

  package var destination: MACAddress { bytes.mac(0) }
  package var source: MACAddress { bytes.mac(6) }
  package var etherType: UInt16 { bytes.big16(12) }
  package var payload: FrameBytes { bytes.dropFirst(Self.headerLength) }
}

/// An untagged Ethernet header to write.
package struct EthernetHeader: Equatable {
  package var destination: MACAddress
  package var source: MACAddress
  package var etherType: UInt16

  package init(destination: MACAddress, source: MACAddress, etherType: UInt16) {
    self.destination = destination
    self.source = source
    self.etherType = etherType
  }

  package init(_ view: EthernetView) {
    self.init(
      destination: view.destination, source: view.source, etherType: view.etherType)
  }

  package func emit(into frame: inout [UInt8]) {
    frame.append(destination)
    frame.append(source)
    frame.appendBig16(etherType)
  }
}

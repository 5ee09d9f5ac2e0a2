import Wire

/// An ARP message (RFC 826) of any hardware and protocol.
package struct ARPView {
  private static let fixedLength = 8
  private let bytes: FrameBytes

  /// Nil when the addresses that the length fields announce are not all there.
  package init?(_ bytes: FrameBytes) {
    guard bytes.count >= Self.fixedLength else { return nil }
    self.bytes = bytes
    let addresses = 2 * (Int(hardwareLength) + Int(protocolLength))
    guard bytes.count >= Self.fixedLength + addresses else { return nil }
  }

  package var hardwareType: UInt16 { bytes.big16(0) }
  package var protocolType: UInt16 { bytes.big16(2) }
  package var hardwareLength: UInt8 { bytes.byte(4) }
  package var protocolLength: UInt8 { bytes.byte(5) }
  package var operation: UInt16 { bytes.big16(6) }
  /// Sender's and target's addresses.
  package var addresses: FrameBytes { bytes.dropFirst(Self.fixedLength) }
}

/// An ARP request or reply for IPv4 on Ethernet.
package struct ARPMessage: Equatable {
  package enum Operation: UInt16 {
    case request = 1
    case reply = 2
  }

  package var operation: Operation
  package var senderHardware: MACAddress
  package var senderProtocol: IPAddress
  package var targetHardware: MACAddress
  package var targetProtocol: IPAddress

  package init(
    operation: Operation, senderHardware: MACAddress, senderProtocol: IPAddress,
    targetHardware: MACAddress, targetProtocol: IPAddress
  ) {
    self.operation = operation
    self.senderHardware = senderHardware
    self.senderProtocol = senderProtocol
    self.targetHardware = targetHardware
    self.targetProtocol = targetProtocol
  }

  /// Nil for other hardware, protocols and operations.
  package init?(_ view: ARPView) {
    guard view.hardwareType == 1, view.protocolType == EtherType.ipv4,
      view.hardwareLength == 6, view.protocolLength == 4,
      let operation = Operation(rawValue: view.operation)
    else { return nil }
    let addresses = view.addresses
    self.init(
      operation: operation, senderHardware: addresses.mac(0), senderProtocol: addresses.ipv4(6),
      targetHardware: addresses.mac(10), targetProtocol: addresses.ipv4(16))
  }

  package func emit(into frame: inout [UInt8]) {
    frame.appendBig16(1)
    frame.appendBig16(EtherType.ipv4)
    frame.append(contentsOf: [6, 4])
    frame.appendBig16(operation.rawValue)
    frame.append(senderHardware)
    frame.append(senderProtocol)
    frame.append(targetHardware)
    frame.append(targetProtocol)
  }
}

import Wire

/// Kinds of DHCPv4 message (RFC 2132 section 9.6).
package enum DHCPv4MessageType: UInt8 {
  case discover = 1
  case offer, request, decline, ack, nak, release, inform
}

/// Codes of the DHCPv4 options that are read or written (RFC 2132).
enum DHCPv4OptionCode {
  static let pad: UInt8 = 0
  static let subnetMask: UInt8 = 1
  static let router: UInt8 = 3
  static let domainNameServer: UInt8 = 6
  static let interfaceMTU: UInt8 = 26
  static let requestedAddress: UInt8 = 50
  static let leaseTime: UInt8 = 51
  static let overload: UInt8 = 52
  static let messageType: UInt8 = 53
  static let serverIdentifier: UInt8 = 54
  static let renewalTime: UInt8 = 58
  static let rebindingTime: UInt8 = 59
  static let clientIdentifier: UInt8 = 61
  static let end: UInt8 = 255
}

/// A DHCPv4 message: the BOOTP layout with the magic cookie (RFC 2131 section 2).
package struct DHCPv4View {
  package static let fixedLength = 240
  static let magic: UInt32 = 0x6382_5363
  private static let serverName = 44..<108
  private static let file = 108..<236
  private let bytes: FrameBytes

  /// The first value of each option, from all fields that hold options.
  package private(set) var options: [UInt8: FrameBytes] = [:]

  /// Nil when the fixed part is not whole, the cookie is missing, or an option passes the end.
  package init?(_ bytes: FrameBytes) {
    guard bytes.count >= Self.fixedLength, bytes.big32(236) == Self.magic else { return nil }
    self.bytes = bytes
    guard readOptions(bytes.dropFirst(Self.fixedLength)) else { return nil }
    // RFC 2132 section 9.3: options may go on in the file field, then in the server name.
    guard let overload = options[DHCPv4OptionCode.overload] else { return }
    guard overload.count == 1, 1...3 ~= overload.byte(0) else { return nil }
    if overload.byte(0) & 1 != 0, !readOptions(bytes[Self.file]) { return nil }
    if overload.byte(0) & 2 != 0, !readOptions(bytes[Self.serverName]) { return nil }
  }

  package var operation: UInt8 { bytes.byte(0) }
  package var hardwareType: UInt8 { bytes.byte(1) }
  package var hardwareLength: UInt8 { bytes.byte(2) }
  package var hops: UInt8 { bytes.byte(3) }
  package var transactionID: UInt32 { bytes.big32(4) }
  package var flags: UInt16 { bytes.big16(10) }
  package var clientAddress: IPAddress { bytes.ipv4(12) }
  package var yourAddress: IPAddress { bytes.ipv4(16) }
  package var relayAddress: IPAddress { bytes.ipv4(24) }
  package var clientHardware: MACAddress { bytes.mac(28) }

  private mutating func readOptions(_ field: FrameBytes) -> Bool {
    var rest = field
    while rest.count > 0, rest.byte(0) != DHCPv4OptionCode.end {
      if rest.byte(0) == DHCPv4OptionCode.pad {
        rest = rest.dropFirst(1)
        continue
      }
      guard rest.count >= 2, rest.count >= 2 + Int(rest.byte(1)) else { return false }
      let end = 2 + Int(rest.byte(1))
      if options[rest.byte(0)] == nil { options[rest.byte(0)] = rest[2..<end] }
      rest = rest.dropFirst(end)
    }
    return true
  }
}

/// A DHCPv4 message between a client on Ethernet and its server, without a relay.
package struct DHCPv4Message: Equatable {
  /// BOOTP messages were never shorter; some clients still refuse less (RFC 1542 section 2.1).
  package static let minimumLength = 300

  package var type: DHCPv4MessageType
  package var transactionID: UInt32
  package var clientHardware: MACAddress
  /// B: the client cannot receive unicast before it has an address.
  package var wantsBroadcast = false
  package var clientAddress = IPAddress(v4: 0)
  package var yourAddress = IPAddress(v4: 0)
  package var requestedAddress: IPAddress?
  package var serverIdentifier: IPAddress?
  package var clientIdentifier: [UInt8]?
  package var subnetMask: UInt32?
  package var router: IPAddress?
  package var domainNameServer: IPAddress?
  /// Bytes.
  package var interfaceMTU: UInt16?
  /// Seconds.
  package var leaseTime: UInt32?
  /// T1 in seconds.
  package var renewalTime: UInt32?
  /// T2 in seconds.
  package var rebindingTime: UInt32?

  package init(type: DHCPv4MessageType, transactionID: UInt32, clientHardware: MACAddress) {
    self.type = type
    self.transactionID = transactionID
    self.clientHardware = clientHardware
  }

  package var isFromServer: Bool { type == .offer || type == .ack || type == .nak }

  /// Nil when it is relayed, not of Ethernet, has no message type or one of the other side, or
  /// when an option that is read here has a wrong length.
  package init?(_ view: DHCPv4View) {
    typealias Code = DHCPv4OptionCode
    guard view.hardwareType == 1, view.hardwareLength == 6, view.hops == 0,
      view.relayAddress.isUnspecified,
      let kind = view.options[Code.messageType], kind.count == 1,
      let type = DHCPv4MessageType(rawValue: kind.byte(0))
    else { return nil }
    self.init(
      type: type, transactionID: view.transactionID, clientHardware: view.clientHardware)
    guard view.operation == (isFromServer ? 2 : 1) else { return nil }
    wantsBroadcast = view.flags & 0x8000 != 0
    clientAddress = view.clientAddress
    yourAddress = view.yourAddress

    let words = [
      Code.requestedAddress, Code.serverIdentifier, Code.subnetMask, Code.leaseTime,
      Code.renewalTime, Code.rebindingTime,
    ]
    guard words.allSatisfy({ view.options[$0].map { $0.count == 4 } ?? true }) else { return nil }
    requestedAddress = view.options[Code.requestedAddress]?.ipv4(0)
    serverIdentifier = view.options[Code.serverIdentifier]?.ipv4(0)
    subnetMask = view.options[Code.subnetMask]?.big32(0)
    leaseTime = view.options[Code.leaseTime]?.big32(0)
    renewalTime = view.options[Code.renewalTime]?.big32(0)
    rebindingTime = view.options[Code.rebindingTime]?.big32(0)

    let lists = [Code.router, Code.domainNameServer]
    guard lists.allSatisfy({ view.options[$0].map { $0.count >= 4 } ?? true }) else { return nil }
    router = view.options[Code.router]?.ipv4(0)
    domainNameServer = view.options[Code.domainNameServer]?.ipv4(0)

    if let mtu = view.options[Code.interfaceMTU] {
      guard mtu.count == 2 else { return nil }
      interfaceMTU = mtu.big16(0)
    }
    if let identifier = view.options[Code.clientIdentifier] {
      guard identifier.count >= 2 else { return nil }
      clientIdentifier = identifier.array
    }
  }

  /// Appends the message, padded to the minimum length.
  package func emit(into payload: inout [UInt8]) {
    let start = payload.count
    payload.append(contentsOf: [isFromServer ? 2 : 1, 1, 6, 0])
    payload.appendBig32(transactionID)
    payload.appendBig16(0)
    payload.appendBig16(wantsBroadcast ? 0x8000 : 0)
    payload.append(clientAddress)
    payload.append(yourAddress)
    // No next server and no relay.
    payload.appendBig64(0)
    payload.append(clientHardware)
    // The rest of the hardware address, server name and boot file.
    payload.appendZeros(10 + 64 + 128)
    payload.appendBig32(DHCPv4View.magic)
    emitOptions(into: &payload)
    payload.appendZeros(Self.minimumLength - (payload.count - start))
  }

  private func emitOptions(into payload: inout [UInt8]) {
    typealias Code = DHCPv4OptionCode
    payload.append(contentsOf: [Code.messageType, 1, type.rawValue])
    let words: [(UInt8, UInt32?)] = [
      (Code.requestedAddress, requestedAddress?.v4Bits),
      (Code.serverIdentifier, serverIdentifier?.v4Bits),
      (Code.leaseTime, leaseTime),
      (Code.renewalTime, renewalTime),
      (Code.rebindingTime, rebindingTime),
      (Code.subnetMask, subnetMask),
      (Code.router, router?.v4Bits),
      (Code.domainNameServer, domainNameServer?.v4Bits),
    ]
    for case (let code, let value?) in words {
      payload.append(contentsOf: [code, 4])
      payload.appendBig32(value)
    }
    if let interfaceMTU {
      payload.append(contentsOf: [Code.interfaceMTU, 2])
      payload.appendBig16(interfaceMTU)
    }
    // An option holds at most 255 bytes, and that is what a client's option could carry.
    if let identifier = clientIdentifier?.prefix(255) {
      payload.append(contentsOf: [Code.clientIdentifier, UInt8(identifier.count)])
      payload.append(contentsOf: identifier)
    }
    payload.append(Code.end)
  }
}

import Wire

/// Kinds of DHCPv6 message between client and server (RFC 8415 section 7.3).
package enum DHCPv6MessageType: UInt8 {
  case solicit = 1
  case advertise, request, confirm, renew, rebind, reply, release, decline, reconfigure
  case informationRequest
}

/// Codes of the DHCPv6 options that are read or written (RFC 8415 section 21, RFC 3646).
enum DHCPv6OptionCode {
  static let clientIdentifier: UInt16 = 1
  static let serverIdentifier: UInt16 = 2
  static let address: UInt16 = 5
  static let preference: UInt16 = 7
  static let statusCode: UInt16 = 13
  static let rapidCommit: UInt16 = 14
  static let dnsServers: UInt16 = 23
}

/// A run of DHCPv6 options.
struct DHCPv6Options {
  let list: [(code: UInt16, value: FrameBytes)]

  /// Nil when an option passes the end.
  init?(_ bytes: FrameBytes) {
    var list = [(code: UInt16, value: FrameBytes)]()
    var rest = bytes
    while rest.count > 0 {
      guard rest.count >= 4, rest.count >= 4 + Int(rest.big16(2)) else { return nil }
      let end = 4 + Int(rest.big16(2))
      list.append((rest.big16(0), rest[4..<end]))
      rest = rest.dropFirst(end)
    }
    self.list = list
  }

  subscript(code: UInt16) -> FrameBytes? { list.first { $0.code == code }?.value }

  /// Appends an option whose value `body` appends.
  static func append(
    _ code: UInt16, to payload: inout [UInt8], _ body: (inout [UInt8]) -> Void
  ) {
    payload.appendBig16(code)
    let length = payload.count
    payload.appendBig16(0)
    body(&payload)
    payload.storeBig16(UInt16(truncatingIfNeeded: payload.count - length - 2), at: length)
  }
}

/// A DHCPv6 message between client and server (RFC 8415 section 8); not one between relays.
package struct DHCPv6View {
  package static let fixedLength = 4
  private let bytes: FrameBytes
  package let type: DHCPv6MessageType
  let options: DHCPv6Options

  /// Nil for relay and unknown messages, and when an option passes the end.
  package init?(_ bytes: FrameBytes) {
    guard bytes.count >= Self.fixedLength,
      let type = DHCPv6MessageType(rawValue: bytes.byte(0)),
      let options = DHCPv6Options(bytes.dropFirst(Self.fixedLength))
    else { return nil }
    self.bytes = bytes
    self.type = type
    self.options = options
  }

  /// 24 bits.
  package var transactionID: UInt32 { bytes.big32(0) & 0xFF_FFFF }
}

/// A DHCPv6 message between client and server.
package struct DHCPv6Message: Equatable {
  package var type: DHCPv6MessageType
  /// 24 bits.
  package var transactionID: UInt32
  /// A DUID.
  package var clientIdentifier: [UInt8]?
  /// A DUID.
  package var serverIdentifier: [UInt8]?
  package var identityAssociations: [IdentityAssociation] = []
  package var status: DHCPv6Status?
  package var preference: UInt8?
  package var rapidCommit = false
  package var dnsServers: [IPAddress] = []

  package init(type: DHCPv6MessageType, transactionID: UInt32) {
    self.type = type
    self.transactionID = transactionID
  }

  /// Nil when an option that is read here has an impossible length or holds broken options.
  package init?(_ view: DHCPv6View) {
    typealias Code = DHCPv6OptionCode
    self.init(type: view.type, transactionID: view.transactionID)
    for (code, value) in view.options.list {
      switch code {
      case Code.clientIdentifier, Code.serverIdentifier:
        // RFC 8415 section 11.1: a type of two bytes and 1 to 128 bytes of identifier.
        guard 3...130 ~= value.count else { return nil }
        if code == Code.clientIdentifier { clientIdentifier = value.array }
        if code == Code.serverIdentifier { serverIdentifier = value.array }
      case Code.statusCode:
        guard value.count >= 2 else { return nil }
        status = DHCPv6Status(rawValue: value.big16(0))
      case Code.preference:
        guard value.count == 1 else { return nil }
        preference = value.byte(0)
      case Code.rapidCommit:
        guard value.count == 0 else { return nil }
        rapidCommit = true
      case Code.dnsServers:
        guard value.count % 16 == 0 else { return nil }
        dnsServers = stride(from: 0, to: value.count, by: 16).map(value.ipv6)
      default:
        guard let kind = IdentityAssociation.Kind(rawValue: code) else { continue }
        guard let association = IdentityAssociation(kind, value) else { return nil }
        identityAssociations.append(association)
      }
    }
  }

  package func emit(into payload: inout [UInt8]) {
    typealias Code = DHCPv6OptionCode
    payload.appendBig32(UInt32(type.rawValue) << 24 | transactionID & 0xFF_FFFF)
    if let clientIdentifier {
      DHCPv6Options.append(Code.clientIdentifier, to: &payload) {
        $0.append(contentsOf: clientIdentifier)
      }
    }
    if let serverIdentifier {
      DHCPv6Options.append(Code.serverIdentifier, to: &payload) {
        $0.append(contentsOf: serverIdentifier)
      }
    }
    for association in identityAssociations { association.emit(into: &payload) }
    if let status { status.emit(into: &payload) }
    if let preference {
      DHCPv6Options.append(Code.preference, to: &payload) { $0.append(preference) }
    }
    if rapidCommit { DHCPv6Options.append(Code.rapidCommit, to: &payload) { _ in } }
    if !dnsServers.isEmpty {
      DHCPv6Options.append(Code.dnsServers, to: &payload) { payload in
        for server in dnsServers { payload.append(server) }
      }
    }
  }
}

import Wire

/// Status codes that this server uses (RFC 8415 section 21.13).
package enum DHCPv6Status: UInt16 {
  case success = 0
  case unspecifiedFailure, noAddressesAvailable, noBinding, notOnLink, useMulticast
  case noPrefixAvailable

  /// Appends a status code option without a text.
  func emit(into payload: inout [UInt8]) {
    DHCPv6Options.append(DHCPv6OptionCode.statusCode, to: &payload) { $0.appendBig16(rawValue) }
  }
}

/// Addresses that a client manages together (RFC 8415 sections 21.4, 21.5 and 21.21).
package struct IdentityAssociation: Equatable {
  /// The option code of the association.
  package enum Kind: UInt16 {
    case nonTemporary = 3
    case temporary = 4
    case prefixDelegation = 25
  }

  package var kind: Kind
  package var identifier: UInt32
  /// T1 in seconds; temporary addresses have none.
  package var renewalTime: UInt32 = 0
  /// T2 in seconds; temporary addresses have none.
  package var rebindingTime: UInt32 = 0
  package var addresses: [LeasedAddress] = []
  package var status: DHCPv6Status?

  package init(kind: Kind, identifier: UInt32) {
    self.kind = kind
    self.identifier = identifier
  }

  /// Nil when the option or one in it is not whole.
  init?(_ kind: Kind, _ value: FrameBytes) {
    let fixedLength = kind == .temporary ? 4 : 12
    guard value.count >= fixedLength,
      let options = DHCPv6Options(value.dropFirst(fixedLength))
    else { return nil }
    self.init(kind: kind, identifier: value.big32(0))
    if kind != .temporary {
      renewalTime = value.big32(4)
      rebindingTime = value.big32(8)
    }
    for (code, value) in options.list {
      if code == DHCPv6OptionCode.address {
        guard let address = LeasedAddress(value) else { return nil }
        addresses.append(address)
      } else if code == DHCPv6OptionCode.statusCode {
        guard value.count >= 2 else { return nil }
        status = DHCPv6Status(rawValue: value.big16(0))
      }
    }
  }

  func emit(into payload: inout [UInt8]) {
    DHCPv6Options.append(kind.rawValue, to: &payload) { payload in
      payload.appendBig32(identifier)
      if kind != .temporary {
        payload.appendBig32(renewalTime)
        payload.appendBig32(rebindingTime)
      }
      for address in addresses { address.emit(into: &payload) }
      if let status { status.emit(into: &payload) }
    }
  }
}

/// An address with its lifetimes (RFC 8415 section 21.6).
package struct LeasedAddress: Equatable {
  package var address: IPAddress
  /// Seconds.
  package var preferredLifetime: UInt32
  /// Seconds; zero takes the address away.
  package var validLifetime: UInt32

  package init(address: IPAddress, preferredLifetime: UInt32, validLifetime: UInt32) {
    self.address = address
    self.preferredLifetime = preferredLifetime
    self.validLifetime = validLifetime
  }

  /// Nil when the option or one in it is not whole.
  init?(_ value: FrameBytes) {
    guard value.count >= 24, DHCPv6Options(value.dropFirst(24)) != nil else { return nil }
    address = value.ipv6(0)
    preferredLifetime = value.big32(16)
    validLifetime = value.big32(20)
  }

  func emit(into payload: inout [UInt8]) {
    DHCPv6Options.append(DHCPv6OptionCode.address, to: &payload) { payload in
      payload.append(address)
      payload.appendBig32(preferredLifetime)
      payload.appendBig32(validLifetime)
    }
  }
}

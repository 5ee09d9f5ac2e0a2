import Wire

extension ServiceResponder {
  private static var clientPort: UInt16 { 546 }
  private static var serverPort: UInt16 { 547 }
  /// Preferred and valid, in seconds. T1 and T2 are 0.5 and 0.8 of it (RFC 8415 section 21.4).
  private static var lifetime: UInt32 { 3600 }

  /// The DUID-LL of the router's MAC (RFC 8415 section 11.4).
  static var serverIdentifier: [UInt8] {
    var identifier: [UInt8] = [0, 3, 0, 1]
    identifier.append(MACAddress.router)
    return identifier
  }

  /// Hands the interface its primary IPv6 address (RFC 8415 section 18.3).
  func answerDHCPv6(_ request: ServiceRequest, into answer: inout [UInt8]) -> ServiceOutcome {
    let interface = request.interface
    guard let packet = IPv6View(request.ethernet.payload), !packet.source.isUnspecified,
      let message = dhcpv6Message(packet), isSound(message),
      let address = interface.primary(.v6)
    else { return .drop(.serviceDHCP) }
    if request.isForeign(request.ethernet.source) { return .drop(.spoofMAC) }

    var reply = DHCPv6Message(type: .reply, transactionID: message.transactionID)
    reply.clientIdentifier = message.clientIdentifier
    reply.serverIdentifier = Self.serverIdentifier
    reply.dnsServers = [.resolverV6]
    switch message.type {
    case .release, .decline:
      return .consume
    case .confirm:
      let asked = message.identityAssociations.flatMap(\.addresses).map(\.address)
      reply.status = asked.allSatisfy(interface.addresses.contains) ? .success : .notOnLink
    case .solicit:
      if message.rapidCommit {
        reply.rapidCommit = true
      } else {
        reply.type = .advertise
        // The only server there is: the client need not wait for others.
        reply.preference = .max
      }
      reply.identityAssociations = associations(for: message, address)
    case .request, .renew, .rebind:
      reply.identityAssociations = associations(for: message, address)
    case .informationRequest:
      break
    case .advertise, .reply, .reconfigure:
      return .drop(.serviceDHCP)
    }
    return compose(reply, to: packet.source, interface, into: &answer)
  }

  private func dhcpv6Message(_ packet: IPv6View) -> DHCPv6Message? {
    guard let upper = IPv6UpperLayer(packet), upper.fragmentOffset == 0, !upper.moreFragments,
      upper.protocolNumber == IPProtocol.udp, let datagram = UDPView(upper.payload),
      datagram.destinationPort == Self.serverPort, let view = DHCPv6View(datagram.payload)
    else { return nil }
    return DHCPv6Message(view)
  }

  /// Whether a client sent it and says who it is (RFC 8415 section 16).
  ///
  /// The rules on server identifiers are not enforced: a VPC has one server, and a client that
  /// comes from elsewhere still names another one.
  private func isSound(_ message: DHCPv6Message) -> Bool {
    switch message.type {
    case .solicit, .confirm, .rebind, .request, .renew, .release, .decline:
      message.clientIdentifier != nil
    case .informationRequest: true
    case .advertise, .reply, .reconfigure: false
    }
  }

  /// Gives the address to the first association for one, and tells all others that there is no
  /// more. Addresses that a client wants to keep but may not have get a lifetime of zero.
  private func associations(
    for message: DHCPv6Message, _ address: IPAddress
  ) -> [IdentityAssociation] {
    let mayKeep = message.type == .renew || message.type == .rebind
    var isGiven = false
    return message.identityAssociations.map { asked in
      var association = IdentityAssociation(kind: asked.kind, identifier: asked.identifier)
      if asked.kind == .prefixDelegation {
        association.status = .noPrefixAvailable
        return association
      }
      let isHolder = asked.kind == .nonTemporary && !isGiven
      if isHolder {
        isGiven = true
        association.renewalTime = Self.lifetime / 2
        association.rebindingTime = Self.lifetime / 5 * 4
        association.addresses.append(
          LeasedAddress(
            address: address, preferredLifetime: Self.lifetime, validLifetime: Self.lifetime))
      } else {
        association.status = .noAddressesAvailable
      }
      for stale in asked.addresses where mayKeep && !(isHolder && stale.address == address) {
        association.addresses.append(
          LeasedAddress(address: stale.address, preferredLifetime: 0, validLifetime: 0))
      }
      return association
    }
  }

  /// Composes an answer, but none that is larger than the guest's link: a message that asks for
  /// so many things is not a client's.
  private func compose(
    _ message: DHCPv6Message, to destination: IPAddress, _ interface: ServiceInterface,
    into answer: inout [UInt8]
  ) -> ServiceOutcome {
    var payload = [UInt8]()
    message.emit(into: &payload)
    let length = IPv6View.headerLength + UDPView.headerLength + payload.count
    guard length <= max(tables.mtu, 1280) else { return .drop(.serviceDHCP) }
    answer.removeAll(keepingCapacity: true)
    EthernetHeader(destination: interface.mac, source: .router, etherType: EtherType.ipv6)
      .emit(into: &answer)
    IPv6Header(
      nextHeader: IPProtocol.udp, hopLimit: 64, source: .linkLocalRouter,
      destination: destination
    ).emit(payloadLength: UDPView.headerLength + payload.count, into: &answer)
    UDPHeader(sourcePort: Self.serverPort, destinationPort: Self.clientPort)
      .emit(payload: payload, source: .linkLocalRouter, destination: destination, into: &answer)
    return .reply
  }
}

import Wire

extension ServiceResponder {
  private static var clientPort: UInt16 { 68 }
  private static var serverPort: UInt16 { 67 }
  /// Seconds; as AWS. T1 and T2 are 0.5 and 0.875 of it (RFC 2131 section 4.4.5).
  private static var leaseTime: UInt32 { 3600 }

  /// Hands the interface its primary IPv4 address (RFC 2131 section 4.3).
  ///
  /// The IP source is not compared: a client that comes with the address of another place must
  /// be told so with a NAK.
  func answerDHCPv4(_ request: ServiceRequest, into answer: inout [UInt8]) -> ServiceOutcome {
    let interface = request.interface
    guard let message = dhcpv4Message(request), !message.isFromServer,
      !request.isForeign(message.clientHardware),
      let address = interface.primary(.v4), let prefix = interface.prefix(.v4)
    else { return .drop(.serviceDHCP) }
    if request.isForeign(request.ethernet.source) { return .drop(.spoofMAC) }
    let lease = Lease(
      address: address, prefix: prefix, resolver: interface.resolver, mtu: tables.mtu)

    switch message.type {
    case .discover:
      return compose(lease.answer(.offer, to: message), for: interface, lease, into: &answer)
    case .request:
      // A request to another server gets a NAK too: a VPC has no other, and the client starts anew.
      let isOurs = message.serverIdentifier.map { $0 == lease.router } ?? true
      let wanted = [message.requestedAddress, message.clientAddress]
        .compactMap(\.self).filter { !$0.isUnspecified }
      let isGranted = isOurs && wanted.allSatisfy { $0 == address }
      let type: DHCPv4MessageType = isGranted ? .ack : .nak
      return compose(lease.answer(type, to: message), for: interface, lease, into: &answer)
    case .inform:
      return compose(lease.answer(.ack, to: message), for: interface, lease, into: &answer)
    case .release, .decline:
      return .consume
    case .offer, .ack, .nak:
      return .drop(.serviceDHCP)
    }
  }

  private func dhcpv4Message(_ request: ServiceRequest) -> DHCPv4Message? {
    guard let packet = IPv4View(request.ethernet.payload),
      packet.protocolNumber == IPProtocol.udp, packet.fragmentOffset == 0,
      !packet.moreFragments, let datagram = UDPView(packet.payload),
      datagram.destinationPort == Self.serverPort, let view = DHCPv4View(datagram.payload)
    else { return nil }
    return DHCPv4Message(view)
  }

  /// Sends a NAK to all, other answers to the client's address if it has one, to all if it asks
  /// for that, and else to the address it gets (RFC 2131 section 4.1).
  private func compose(
    _ message: DHCPv4Message, for interface: ServiceInterface, _ lease: Lease,
    into answer: inout [UInt8]
  ) -> ServiceOutcome {
    var destination = message.yourAddress
    if message.type == .nak {
      destination = .limitedBroadcast
    } else if !message.clientAddress.isUnspecified {
      destination = message.clientAddress
    } else if message.wantsBroadcast {
      destination = .limitedBroadcast
    }
    var payload = [UInt8]()
    message.emit(into: &payload)
    answer.removeAll(keepingCapacity: true)
    EthernetHeader(
      destination: destination.isLimitedBroadcast ? .broadcast : interface.mac, source: .router,
      etherType: EtherType.ipv4
    ).emit(into: &answer)
    IPv4Header(protocolNumber: IPProtocol.udp, source: lease.router, destination: destination)
      .emit(payloadLength: UDPView.headerLength + payload.count, into: &answer)
    UDPHeader(sourcePort: Self.serverPort, destinationPort: Self.clientPort)
      .emit(payload: payload, source: lease.router, destination: destination, into: &answer)
    return .reply
  }

  /// What an interface is told of itself.
  private struct Lease {
    var address: IPAddress
    var prefix: IPPrefix
    var resolver: IPAddress?
    var mtu: Int

    var router: IPAddress { prefix.address.advanced(by: 1) }

    func answer(_ type: DHCPv4MessageType, to request: DHCPv4Message) -> DHCPv4Message {
      var message = DHCPv4Message(
        type: type, transactionID: request.transactionID,
        clientHardware: request.clientHardware)
      message.wantsBroadcast = request.wantsBroadcast
      message.serverIdentifier = router
      // RFC 6842: the client's identifier comes back in every answer.
      message.clientIdentifier = request.clientIdentifier
      if type == .nak { return message }
      // DISCOVER carries no client address; RFC 2131 table 3 has it zero in an OFFER.
      message.clientAddress = type == .offer ? IPAddress(v4: 0) : request.clientAddress
      message.subnetMask = UInt32(
        truncatingIfNeeded: IPPrefix.mask(family: .v4, length: prefix.length).low)
      message.router = router
      message.domainNameServer = resolver
      message.interfaceMTU = UInt16(clamping: mtu)
      if request.type == .inform { return message }
      message.yourAddress = address
      message.leaseTime = leaseTime
      message.renewalTime = leaseTime / 2
      message.rebindingTime = leaseTime / 8 * 7
      return message
    }
  }
}

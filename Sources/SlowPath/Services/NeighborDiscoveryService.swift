import Wire

extension ServiceResponder {
  /// Answers neighbour and router solicitations (RFC 4861 sections 6.2.6 and 7.2.4).
  func answerNeighborDiscovery(
    _ request: ServiceRequest, into answer: inout [UInt8]
  ) -> ServiceOutcome {
    guard let packet = IPv6View(request.ethernet.payload),
      let message = soundMessage(of: packet)
    else { return .drop(.serviceND) }
    let linkLayer = message.linkLayerAddress(NeighborDiscovery.sourceLinkLayerAddress)
    if request.isForeign(request.ethernet.source) || linkLayer.map(request.isForeign) == true {
      return .drop(.spoofMAC)
    }
    guard mayAsk(packet.source, request.interface) else { return .drop(.spoofIP) }
    if message.type == .routerSolicitation {
      return advertiseRouter(packet, to: request.interface, into: &answer)
    }
    return advertiseNeighbor(message.target, packet, to: request.interface, into: &answer)
  }

  /// Any link-local address but the router's may be the guest's own.
  private func mayAsk(_ source: IPAddress, _ interface: ServiceInterface) -> Bool {
    source.isUnspecified || source.isLinkLocal && source != .linkLocalRouter
      || interface.addresses.contains(source)
  }

  /// A solicitation that passes the checks of RFC 4861 sections 6.1.1 and 7.1.1 but the checksum,
  /// which guests may leave to offload, and is whole and not fragmented (RFC 6980); nil for
  /// anything else.
  private func soundMessage(of packet: IPv6View) -> NeighborDiscoveryView? {
    guard packet.hopLimit == 255, !packet.isCut, let upper = IPv6UpperLayer(packet),
      !upper.hasFragmentHeader,
      upper.protocolNumber == IPProtocol.icmpV6,
      let message = NeighborDiscoveryView(upper.payload), message.code == 0
    else { return nil }
    let fromNowhere = packet.source.isUnspecified
    let optionless = message.options(NeighborDiscovery.sourceLinkLayerAddress).isEmpty
    switch message.type {
    case .routerSolicitation:
      return fromNowhere && !optionless ? nil : message
    case .neighborSolicitation:
      if message.target.isMulticast { return nil }
      if fromNowhere && !optionless { return nil }
      return message
    case .routerAdvertisement, .neighborAdvertisement, .redirect:
      return nil
    }
  }

  private func advertiseNeighbor(
    _ target: IPAddress, _ packet: IPv6View, to interface: ServiceInterface,
    into answer: inout [UInt8]
  ) -> ServiceOutcome {
    if isOwn(target, packet, interface) { return .consume }
    guard let mac = tables.hardwareAddress(of: target, for: interface) else {
      return .drop(.serviceND)
    }
    // Duplicate detection has no address to be answered at (RFC 4861 section 7.2.4).
    let fromNowhere = packet.source.isUnspecified
    let destination = fromNowhere ? IPAddress.allNodes : packet.source
    let advertisement = NeighborAdvertisement(
      target: target, isRouter: interface.isRouter(target), isSolicited: !fromNowhere,
      overrides: true, targetLinkLayerAddress: mac)
    compose(
      advertisement.emit(source: target, destination: destination), source: target,
      destination: destination, mac: mac, to: interface, into: &answer)
    return .reply
  }

  /// Whether a guest asks for an address of its own. Its link-local addresses stand in no model:
  /// the one it sends from, the one of its MAC, and any that it tests for duplicates are its own.
  private func isOwn(
    _ target: IPAddress, _ packet: IPv6View, _ interface: ServiceInterface
  ) -> Bool {
    if interface.addresses.contains(target) { return true }
    guard target.isLinkLocal, target != .linkLocalRouter else { return false }
    return packet.source.isUnspecified || target == packet.source
      || target == interface.linkLocalAddress
  }

  private func advertiseRouter(
    _ packet: IPv6View, to interface: ServiceInterface, into answer: inout [UInt8]
  ) -> ServiceOutcome {
    let prefixes = interface.subnetPrefixes.filter { $0.family == .v6 }
    guard !prefixes.isEmpty,
      packet.destination == .allRouters || interface.isRouter(packet.destination)
    else { return .drop(.serviceND) }
    // As in AWS, addresses come from DHCPv6 only. Lifetimes are the defaults of RFC 4861
    // section 6.2.1.
    let advertisement = RouterAdvertisement(
      currentHopLimit: 64, isManaged: true, hasOtherConfiguration: true, routerLifetime: 1800,
      sourceLinkLayerAddress: .router, mtu: UInt32(clamping: tables.mtu),
      prefixes: prefixes.map {
        AdvertisedPrefix(
          prefix: $0, isOnLink: true, isAutonomous: false, validLifetime: 2_592_000,
          preferredLifetime: 604_800)
      })
    let destination = packet.source.isUnspecified ? IPAddress.allNodes : packet.source
    compose(
      advertisement.emit(source: .linkLocalRouter, destination: destination),
      source: .linkLocalRouter, destination: destination, mac: .router, to: interface,
      into: &answer)
    return .reply
  }

  private func compose(
    _ message: [UInt8], source: IPAddress, destination: IPAddress, mac: MACAddress,
    to interface: ServiceInterface, into answer: inout [UInt8]
  ) {
    answer.removeAll(keepingCapacity: true)
    EthernetHeader(
      destination: destination.isMulticast ? destination.multicastMAC : interface.mac,
      source: mac, etherType: EtherType.ipv6
    ).emit(into: &answer)
    IPv6Header(
      nextHeader: IPProtocol.icmpV6, hopLimit: 255, source: source, destination: destination
    ).emit(payloadLength: message.count, into: &answer)
    answer.append(contentsOf: message)
  }
}

import Wire

/// A question for routers (RFC 4861 section 4.1).
package struct RouterSolicitation: Equatable {
  package var sourceLinkLayerAddress: MACAddress?

  package init(sourceLinkLayerAddress: MACAddress? = nil) {
    self.sourceLinkLayerAddress = sourceLinkLayerAddress
  }

  /// Nil for other messages.
  package init?(_ view: NeighborDiscoveryView) {
    guard view.type == .routerSolicitation else { return nil }
    sourceLinkLayerAddress = view.linkLayerAddress(NeighborDiscovery.sourceLinkLayerAddress)
  }

  /// The ICMPv6 message with its checksum.
  package func emit(source: IPAddress, destination: IPAddress) -> [UInt8] {
    var message = [UInt8]()
    NeighborDiscovery.append(.routerSolicitation, word: 0, to: &message)
    if let sourceLinkLayerAddress {
      NeighborDiscovery.append(
        option: NeighborDiscovery.sourceLinkLayerAddress, sourceLinkLayerAddress, to: &message)
    }
    NeighborDiscovery.setChecksum(of: &message, source: source, destination: destination)
    return message
  }
}

/// What a router says of itself and its link (RFC 4861 section 4.2).
package struct RouterAdvertisement: Equatable {
  package var currentHopLimit: UInt8
  /// M: addresses come from DHCPv6.
  package var isManaged: Bool
  /// O: other configuration comes from DHCPv6.
  package var hasOtherConfiguration: Bool
  /// Seconds; zero is not a default router.
  package var routerLifetime: UInt16
  package var sourceLinkLayerAddress: MACAddress?
  /// Bytes.
  package var mtu: UInt32?
  package var prefixes: [AdvertisedPrefix]

  package init(
    currentHopLimit: UInt8, isManaged: Bool, hasOtherConfiguration: Bool,
    routerLifetime: UInt16, sourceLinkLayerAddress: MACAddress?, mtu: UInt32?,
    prefixes: [AdvertisedPrefix]
  ) {
    self.currentHopLimit = currentHopLimit
    self.isManaged = isManaged
    self.hasOtherConfiguration = hasOtherConfiguration
    self.routerLifetime = routerLifetime
    self.sourceLinkLayerAddress = sourceLinkLayerAddress
    self.mtu = mtu
    self.prefixes = prefixes
  }

  /// Nil for other messages; options of a wrong length are passed over.
  package init?(_ view: NeighborDiscoveryView) {
    guard view.type == .routerAdvertisement else { return nil }
    currentHopLimit = UInt8(truncatingIfNeeded: view.word >> 24)
    isManaged = view.word & 1 << 23 != 0
    hasOtherConfiguration = view.word & 1 << 22 != 0
    routerLifetime = UInt16(truncatingIfNeeded: view.word)
    sourceLinkLayerAddress = view.linkLayerAddress(NeighborDiscovery.sourceLinkLayerAddress)
    mtu = view.options(NeighborDiscovery.mtu).first.map { $0.big32(4) }
    prefixes = view.options(NeighborDiscovery.prefixInformation).compactMap(AdvertisedPrefix.init)
  }

  /// The ICMPv6 message with its checksum.
  package func emit(source: IPAddress, destination: IPAddress) -> [UInt8] {
    var message = [UInt8]()
    let word: UInt32 =
      UInt32(currentHopLimit) << 24 | (isManaged ? 1 << 23 : 0)
      | (hasOtherConfiguration ? 1 << 22 : 0) | UInt32(routerLifetime)
    NeighborDiscovery.append(.routerAdvertisement, word: word, to: &message)
    // Reachable time and retransmission timer: unspecified by this router.
    message.appendBig64(0)
    if let sourceLinkLayerAddress {
      NeighborDiscovery.append(
        option: NeighborDiscovery.sourceLinkLayerAddress, sourceLinkLayerAddress, to: &message)
    }
    if let mtu {
      message.append(contentsOf: [NeighborDiscovery.mtu, 1, 0, 0])
      message.appendBig32(mtu)
    }
    for prefix in prefixes { prefix.emit(into: &message) }
    NeighborDiscovery.setChecksum(of: &message, source: source, destination: destination)
    return message
  }
}

/// A prefix information option (RFC 4861 section 4.6.2).
package struct AdvertisedPrefix: Equatable {
  package var prefix: IPPrefix
  /// L: addresses of the prefix are neighbours.
  package var isOnLink: Bool
  /// A: hosts may form addresses of their own.
  package var isAutonomous: Bool
  /// Seconds.
  package var validLifetime: UInt32
  /// Seconds.
  package var preferredLifetime: UInt32

  package init(
    prefix: IPPrefix, isOnLink: Bool, isAutonomous: Bool, validLifetime: UInt32,
    preferredLifetime: UInt32
  ) {
    self.prefix = prefix
    self.isOnLink = isOnLink
    self.isAutonomous = isAutonomous
    self.validLifetime = validLifetime
    self.preferredLifetime = preferredLifetime
  }

  /// Nil when the option or the prefix length is impossible.
  init?(_ option: FrameBytes) {
    guard option.count == 32, option.byte(2) <= 128 else { return nil }
    prefix = IPPrefix(option.ipv6(16), length: Int(option.byte(2)))
    isOnLink = option.byte(3) & 0x80 != 0
    isAutonomous = option.byte(3) & 0x40 != 0
    validLifetime = option.big32(4)
    preferredLifetime = option.big32(8)
  }

  func emit(into message: inout [UInt8]) {
    message.append(contentsOf: [NeighborDiscovery.prefixInformation, 4])
    message.append(UInt8(truncatingIfNeeded: prefix.length))
    message.append((isOnLink ? 0x80 : 0) | (isAutonomous ? 0x40 : 0))
    message.appendBig32(validLifetime)
    message.appendBig32(preferredLifetime)
    message.appendBig32(0)
    message.append(prefix.address)
  }
}

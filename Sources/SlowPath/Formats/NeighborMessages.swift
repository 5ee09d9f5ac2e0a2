import Wire

/// A question for the link-layer address of a neighbour (RFC 4861 section 4.3).
package struct NeighborSolicitation: Equatable {
  package var target: IPAddress
  package var sourceLinkLayerAddress: MACAddress?

  package init(target: IPAddress, sourceLinkLayerAddress: MACAddress? = nil) {
    self.target = target
    self.sourceLinkLayerAddress = sourceLinkLayerAddress
  }

  /// Nil for other messages.
  package init?(_ view: NeighborDiscoveryView) {
    guard view.type == .neighborSolicitation else { return nil }
    target = view.target
    sourceLinkLayerAddress = view.linkLayerAddress(NeighborDiscovery.sourceLinkLayerAddress)
  }

  /// The ICMPv6 message with its checksum.
  package func emit(source: IPAddress, destination: IPAddress) -> [UInt8] {
    var message = [UInt8]()
    NeighborDiscovery.append(.neighborSolicitation, word: 0, to: &message)
    message.append(target)
    if let sourceLinkLayerAddress {
      NeighborDiscovery.append(
        option: NeighborDiscovery.sourceLinkLayerAddress, sourceLinkLayerAddress, to: &message)
    }
    NeighborDiscovery.setChecksum(of: &message, source: source, destination: destination)
    return message
  }
}

/// The answer with a link-layer address (RFC 4861 section 4.4).
package struct NeighborAdvertisement: Equatable {
  package var target: IPAddress
  package var isRouter: Bool
  package var isSolicited: Bool
  package var overrides: Bool
  package var targetLinkLayerAddress: MACAddress?

  package init(
    target: IPAddress, isRouter: Bool, isSolicited: Bool, overrides: Bool,
    targetLinkLayerAddress: MACAddress?
  ) {
    self.target = target
    self.isRouter = isRouter
    self.isSolicited = isSolicited
    self.overrides = overrides
    self.targetLinkLayerAddress = targetLinkLayerAddress
  }

  /// Nil for other messages.
  package init?(_ view: NeighborDiscoveryView) {
    guard view.type == .neighborAdvertisement else { return nil }
    target = view.target
    isRouter = view.word & 1 << 31 != 0
    isSolicited = view.word & 1 << 30 != 0
    overrides = view.word & 1 << 29 != 0
    targetLinkLayerAddress = view.linkLayerAddress(NeighborDiscovery.targetLinkLayerAddress)
  }

  /// The ICMPv6 message with its checksum.
  package func emit(source: IPAddress, destination: IPAddress) -> [UInt8] {
    var message = [UInt8]()
    let word: UInt32 =
      (isRouter ? 1 << 31 : 0) | (isSolicited ? 1 << 30 : 0) | (overrides ? 1 << 29 : 0)
    NeighborDiscovery.append(.neighborAdvertisement, word: word, to: &message)
    message.append(target)
    if let targetLinkLayerAddress {
      NeighborDiscovery.append(
        option: NeighborDiscovery.targetLinkLayerAddress, targetLinkLayerAddress, to: &message)
    }
    NeighborDiscovery.setChecksum(of: &message, source: source, destination: destination)
    return message
  }
}

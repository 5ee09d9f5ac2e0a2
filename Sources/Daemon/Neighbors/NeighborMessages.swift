import SlowPath
import Wire

/// Reads and writes the frames of ARP and neighbour discovery on the underlay.
struct NeighborMessages {
  /// What a frame says.
  enum Message: Equatable {
    /// Somebody asks for our address. `sender` is nil for who has no address yet (RFC 5227 section
    /// 2.1.1, RFC 4862 section 5.4).
    case question(sender: IPAddress?, mac: MACAddress)
    /// Somebody answers a question of ours.
    case answer(IPAddress, mac: MACAddress, overrides: Bool)
  }

  let address: IPAddress
  let mac: MACAddress

  // MARK: Read

  /// nil for every frame that is not a valid message to us.
  func read(_ frame: UnsafeRawBufferPointer) -> Message? {
    guard let ethernet = EthernetView(FrameBytes(frame)) else { return nil }
    switch ethernet.etherType {
    case EtherType.arp where address.family == .v4: return readARP(ethernet)
    case EtherType.ipv6 where address.family == .v6: return readDiscovery(ethernet)
    default: return nil
    }
  }

  private func readARP(_ ethernet: EthernetView) -> Message? {
    guard let view = ARPView(ethernet.payload), let message = ARPMessage(view),
      message.targetProtocol == address, message.senderHardware == ethernet.source,
      message.senderProtocol != address
    else { return nil }
    let sender = message.senderProtocol
    switch message.operation {
    case .request:
      return .question(sender: sender.isUnspecified ? nil : sender, mac: message.senderHardware)
    case .reply:
      guard ethernet.destination == mac else { return nil }
      return .answer(sender, mac: message.senderHardware, overrides: true)
    }
  }

  /// The checks of RFC 4861 sections 7.1.1 and 7.1.2.
  private func readDiscovery(_ ethernet: EthernetView) -> Message? {
    guard let packet = IPv6View(ethernet.payload), !packet.isCut, packet.hopLimit == 255,
      packet.nextHeader == IPProtocol.icmpV6, let view = NeighborDiscoveryView(packet.payload),
      view.code == 0,
      view.hasRightChecksum(source: packet.source, destination: packet.destination)
    else { return nil }
    if let question = NeighborSolicitation(view), question.target == address {
      guard packet.source != address else { return nil }
      if packet.source.isUnspecified { return .question(sender: nil, mac: ethernet.source) }
      let mac = question.sourceLinkLayerAddress ?? ethernet.source
      return .question(sender: packet.source, mac: mac)
    }
    // What was not asked for is not taken (RFC 4861 section 7.2.5 would mark it stale).
    if let answer = NeighborAdvertisement(view), answer.isSolicited,
      packet.destination == address
    {
      let mac = answer.targetLinkLayerAddress ?? ethernet.source
      return .answer(answer.target, mac: mac, overrides: answer.overrides)
    }
    return nil
  }

  // MARK: Write

  /// The question for a neighbour's MAC address.
  ///
  /// - Parameter known: who is asked; nil for everybody.
  func request(_ target: IPAddress, to known: MACAddress?) -> [UInt8] {
    var frame: [UInt8] = []
    if target.family == .v4 {
      EthernetHeader(
        destination: known ?? .broadcast, source: mac, etherType: EtherType.arp
      ).emit(into: &frame)
      ARPMessage(
        operation: .request, senderHardware: mac, senderProtocol: address,
        targetHardware: known ?? MACAddress(0), targetProtocol: target
      ).emit(into: &frame)
      return padded(frame)
    }
    let destination = known == nil ? target.solicitedNode : target
    let question = NeighborSolicitation(target: target, sourceLinkLayerAddress: mac)
    return discovery(
      question.emit(source: address, destination: destination), to: destination,
      known ?? destination.multicastMAC)
  }

  /// The answer with our MAC address.
  ///
  /// - Parameter sender: who asked; nil for who has no address yet, whom only everybody reaches.
  func answer(to sender: IPAddress?, at station: MACAddress) -> [UInt8] {
    if address.family == .v4 {
      var frame: [UInt8] = []
      EthernetHeader(destination: station, source: mac, etherType: EtherType.arp)
        .emit(into: &frame)
      ARPMessage(
        operation: .reply, senderHardware: mac, senderProtocol: address,
        targetHardware: station, targetProtocol: sender ?? IPAddress(v4: 0)
      ).emit(into: &frame)
      return padded(frame)
    }
    let allNodes = IPAddress(v6: 0xFF02 << 48, 1)
    let destination = sender ?? allNodes
    let answer = NeighborAdvertisement(
      target: address, isRouter: false, isSolicited: sender != nil, overrides: true,
      targetLinkLayerAddress: mac)
    return discovery(
      answer.emit(source: address, destination: destination), to: destination,
      sender == nil ? allNodes.multicastMAC : station)
  }

  private func discovery(
    _ message: [UInt8], to destination: IPAddress, _ station: MACAddress
  ) -> [UInt8] {
    var frame: [UInt8] = []
    EthernetHeader(destination: station, source: mac, etherType: EtherType.ipv6)
      .emit(into: &frame)
    IPv6Header(
      nextHeader: IPProtocol.icmpV6, hopLimit: 255, source: address, destination: destination
    ).emit(payloadLength: message.count, into: &frame)
    return frame + message
  }

  /// The least length of an Ethernet frame without its checksum (IEEE 802.3 section 4A.4.2).
  private func padded(_ frame: [UInt8]) -> [UInt8] {
    frame + Array(repeating: 0, count: max(0, 60 - frame.count))
  }
}

extension IPAddress {
  /// ff02::1:ff00:0/104 with the last 24 bits of the address (RFC 4291 section 2.7.1).
  fileprivate var solicitedNode: IPAddress {
    IPAddress(v6: 0xFF02 << 48, 0x1_FF00_0000 | low & 0xFF_FFFF)
  }

  /// 33:33 and the last 32 bits of an IPv6 multicast address (RFC 2464 section 7).
  fileprivate var multicastMAC: MACAddress { MACAddress(0x3333_0000_0000 | low & 0xFFFF_FFFF) }
}

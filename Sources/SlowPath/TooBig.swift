import Wire

/// Tells a guest that its packet was larger than the path allows.
public enum TooBig {
  /// RFC 1812 section 4.3.2.3: an ICMP datagram has at most 576 bytes.
  private static let maximumLengthV4 = 576
  /// RFC 4443 section 2.4: an ICMPv6 error has at most the minimum MTU of IPv6.
  private static let maximumLengthV6 = 1280
  /// Precedence of internetwork control (RFC 1812 section 4.3.2.5).
  private static let internetworkControl: UInt8 = 0xC0

  /// Composes "fragmentation needed" (RFC 1191) or "packet too big" (RFC 4443) for the sender.
  ///
  /// There is no answer to ICMP errors, to later fragments, to multicast and broadcast, from
  /// addresses that name no single host (RFC 1122 section 3.2.2, RFC 4443 section 2.4), and to
  /// what is not IP.
  ///
  /// - Parameters:
  ///   - frame: the guest's Ethernet frame without VLAN tag; what a capture cut is not quoted.
  ///   - mtu: bytes an IP packet may have.
  ///   - routerV4: the source of an answer to IPv4.
  ///   - routerV6: the source of an answer to IPv6.
  ///   - answer: becomes the whole Ethernet frame for the guest; untouched without an answer.
  /// - Returns: whether there is an answer.
  /// - Complexity: linear in the length of the quote.
  public static func answer(
    to frame: UnsafeRawBufferPointer, mtu: Int, routerV4: IPAddress, routerV6: IPAddress,
    into answer: inout [UInt8]
  ) -> Bool {
    guard let ethernet = EthernetView(FrameBytes(frame)), !ethernet.destination.isMulticast else {
      return false
    }
    switch ethernet.etherType {
    case EtherType.ipv4:
      return answerV4(ethernet, mtu: mtu, router: routerV4, into: &answer)
    case EtherType.ipv6:
      return answerV6(ethernet, mtu: mtu, router: routerV6, into: &answer)
    default:
      return false
    }
  }

  private static func answerV4(
    _ ethernet: EthernetView, mtu: Int, router: IPAddress, into answer: inout [UInt8]
  ) -> Bool {
    guard let packet = IPv4View(ethernet.payload), packet.fragmentOffset == 0,
      isHost(packet.source), isHost(packet.destination), !isError(packet)
    else { return false }
    let room = maximumLengthV4 - IPv4View.minimumHeaderLength - ICMPView.headerLength
    let message = FragmentationNeeded(
      mtu: UInt16(clamping: mtu), quote: packet.packet.prefix(room).array
    ).emit()
    answer.removeAll(keepingCapacity: true)
    EthernetHeader(
      destination: ethernet.source, source: .router, etherType: EtherType.ipv4
    ).emit(into: &answer)
    var header = IPv4Header(
      protocolNumber: IPProtocol.icmp, source: router, destination: packet.source)
    header.typeOfService = internetworkControl
    header.emit(payloadLength: message.count, into: &answer)
    answer.append(contentsOf: message)
    return true
  }

  private static func answerV6(
    _ ethernet: EthernetView, mtu: Int, router: IPAddress, into answer: inout [UInt8]
  ) -> Bool {
    guard let packet = IPv6View(ethernet.payload), let upper = IPv6UpperLayer(packet),
      upper.fragmentOffset == 0, isHost(packet.source), isHost(packet.destination),
      !isError(upper)
    else { return false }
    let room = maximumLengthV6 - IPv6View.headerLength - ICMPView.headerLength
    let message = PacketTooBig(
      mtu: UInt32(clamping: mtu), quote: packet.packet.prefix(room).array
    ).emit(source: router, destination: packet.source)
    answer.removeAll(keepingCapacity: true)
    EthernetHeader(
      destination: ethernet.source, source: .router, etherType: EtherType.ipv6
    ).emit(into: &answer)
    IPv6Header(
      nextHeader: IPProtocol.icmpV6, hopLimit: 64, source: router, destination: packet.source
    ).emit(payloadLength: message.count, into: &answer)
    answer.append(contentsOf: message)
    return true
  }

  /// Whether an address may be that of one host: not unspecified, loopback, multicast, or of
  /// IPv4's class E with the limited broadcast.
  private static func isHost(_ address: IPAddress) -> Bool {
    if address.isUnspecified || address.isMulticast { return false }
    if address.family == .v6 { return (address.high, address.low) != (0, 1) }
    return address.low >> 24 != 127 && address.low >> 28 != 15
  }

  /// Whether a packet is an ICMP error (RFC 1122 section 3.2.2), or ICMP whose type cannot be
  /// read.
  private static func isError(_ packet: IPv4View) -> Bool {
    guard packet.protocolNumber == IPProtocol.icmp else { return false }
    guard packet.payload.count > 0 else { return true }
    return [3, 4, 5, 11, 12].contains(packet.payload.byte(0))
  }

  /// Whether a packet is an ICMPv6 error or redirect, or ICMPv6 whose type cannot be read.
  private static func isError(_ upper: IPv6UpperLayer) -> Bool {
    guard upper.protocolNumber == IPProtocol.icmpV6 else { return false }
    guard upper.payload.count > 0 else { return true }
    let type = upper.payload.byte(0)
    return type < 128 || type == NeighborDiscoveryType.redirect.rawValue
  }
}

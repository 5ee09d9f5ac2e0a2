import Wire

/// What a service says of a packet; nil where a function returns it: not for a service.
enum ServiceOutcome: Equatable {
  case reply, consume
  case drop(DropReason)
}

/// The services that a VPC answers its guests: ARP, ND, router advertisements, DHCP.
struct Services {
  let routing: Routing

  /// Whether somebody of the VPC, or the subnet's router, has the address.
  private func isKnown(_ address: IPAddress, to nic: NetworkInterfaceState) -> Bool {
    nic.isRouter(address) || routing.nic(nic.vpc, address) != nil
      || routing.mapping(nic.vpc, address) != nil
  }

  // MARK: ARP (RFC 826)

  /// - Parameter link: the frame's source, where it was taken at the network interface.
  func answerARP(
    _ octets: Octets, from nic: NetworkInterfaceState, link: MACAddress?
  ) -> ServiceOutcome {
    guard octets.u16(0) == 1, octets.u16(2) == 0x0800, octets.u8(4) == 6, octets.u8(5) == 4,
      octets.u16(6) == 1
    else { return .drop(.serviceARP) }
    if let link, link != nic.nic.mac || octets.mac(8) != nic.nic.mac { return .drop(.spoofMAC) }
    let sender = octets.address(.v4, 14)
    let target = octets.address(.v4, 24)
    guard sender.isUnspecified || nic.owns(sender) else { return .drop(.spoofIP) }
    if nic.owns(target) { return .consume }
    return isKnown(target, to: nic) ? .reply : .drop(.serviceARP)
  }

  // MARK: Which packets are for a service

  enum Kind { case nd, dhcpServer, dhcpv4, dhcpv6 }

  /// The service that a guest's packet is for.
  func kind(of packet: ParsedPacket, from nic: NetworkInterfaceState) -> Kind? {
    if packet.family == .v6, let icmp = packet.icmp, (133...137).contains(icmp.type) { return .nd }
    guard packet.protocolNumber == ProtocolNumber.udp, let ports = packet.ports else { return nil }
    if packet.family == .v4 {
      if ports == (67, 68) { return .dhcpServer }
      let isForUs = packet.destination.isLimitedBroadcast || nic.isRouter(packet.destination)
      return ports.destination == 67 && isForUs ? .dhcpv4 : nil
    }
    if ports == (547, 546) { return .dhcpServer }
    // RFC 8415 section 7.1: All_DHCP_Relay_Agents_and_Servers.
    let isForUs =
      packet.destination == IPAddress(v6: 0xFF02 << 48, 0x0001_0002)
      || nic.isRouter(packet.destination)
    return ports.destination == 547 && isForUs ? .dhcpv6 : nil
  }

  /// Whether a service's packet went to a group or broadcast address that is proper for it.
  func isProperGroup(_ kind: Kind, _ packet: ParsedPacket) -> Bool {
    let destination = packet.destination
    switch kind {
    case .dhcpServer: return true
    case .dhcpv4: return destination.isLimitedBroadcast
    case .dhcpv6: return destination.isMulticast
    case .nd:
      guard destination.high == 0xFF02 << 48, let type = packet.icmp?.type else { return false }
      switch type {
      case 133: return destination.low == 2
      case 135: return destination.low >> 24 == 0x1_FF
      default: return destination.low == 1
      }
    }
  }

  /// - Parameter link: the frame's source, where it was taken at the network interface.
  func answer(
    _ kind: Kind, _ packet: ParsedPacket, from nic: NetworkInterfaceState, atNIC: Bool,
    link: MACAddress?
  ) -> ServiceOutcome {
    let outcome = answer(kind, packet, from: nic, atNIC: atNIC)
    // What is no sound message is that first; then its link-layer source counts.
    let isForeign = link.map { $0 != nic.nic.mac } ?? false
    switch outcome {
    case .drop(.spoofMAC), .drop(.serviceDHCPServer), .drop(.serviceDHCP): return outcome
    case .drop(.serviceND) where !isSoundND(packet): return outcome
    default: return isForeign ? .drop(.spoofMAC) : outcome
    }
  }

  private func answer(
    _ kind: Kind, _ packet: ParsedPacket, from nic: NetworkInterfaceState, atNIC: Bool
  ) -> ServiceOutcome {
    switch kind {
    case .nd: return packet.fragment == nil ? answerND(packet, nic, atNIC) : .drop(.serviceND)
    case .dhcpServer: return .drop(.serviceDHCPServer)
    case .dhcpv4:
      return packet.fragment == nil ? answerDHCPv4(packet, nic, atNIC) : .drop(.serviceDHCP)
    case .dhcpv6: return packet.fragment == nil ? answerDHCPv6(packet, nic) : .drop(.serviceDHCP)
    }
  }

  // MARK: Neighbour discovery (RFC 4861)

  /// The types of a solicitation's options and its first source link-layer address; nil when it is
  /// no sound solicitation.
  private func soundND(_ packet: ParsedPacket) -> (types: [UInt8], mac: MACAddress?)? {
    guard let icmp = packet.icmp, icmp.type == 133 || icmp.type == 135, icmp.code == 0,
      packet.hopLimit == 255, packet.fragment == nil
    else { return nil }
    let message = packet.transport(from: 0)
    let fixedLength = icmp.type == 135 ? 24 : 8
    guard message.originalLength >= fixedLength, message.holds(0, message.originalLength),
      let options = neighbourOptions(message.dropFirst(fixedLength))
    else { return nil }
    // Section 7.1.1, 4.1: who has no address yet names no link-layer address.
    if packet.source.isUnspecified && options.types.contains(1) { return nil }
    // Section 7.1.1 as well: nobody asks for a group.
    if icmp.type == 135 && message.address(.v6, 8).isMulticast { return nil }
    return options
  }

  private func isSoundND(_ packet: ParsedPacket) -> Bool { soundND(packet) != nil }

  private func answerND(
    _ packet: ParsedPacket, _ nic: NetworkInterfaceState, _ atNIC: Bool
  ) -> ServiceOutcome {
    guard let options = soundND(packet), let icmp = packet.icmp else { return .drop(.serviceND) }
    if atNIC, let mac = options.mac, mac != nic.nic.mac { return .drop(.spoofMAC) }
    let isSolicitation = icmp.type == 135
    let message = packet.transport(from: 0)
    guard isOwnSource(packet.source, nic) else { return .drop(.spoofIP) }
    guard isSolicitation else {
      let isProper = packet.destination.isMulticast || nic.isRouter(packet.destination)
      return isProper ? .reply : .drop(.serviceND)
    }
    let target = message.address(.v6, 8)
    if nic.owns(target) { return .consume }
    if isKnown(target, to: nic) { return .reply }
    // Duplicate detection of the guest's own link-local address.
    if packet.source.isUnspecified && target.isLinkLocal { return .consume }
    return .drop(.serviceND)
  }

  /// The types of the options and the address in the first of type 1; nil when they are malformed.
  private func neighbourOptions(_ octets: Octets) -> (types: [UInt8], mac: MACAddress?)? {
    var types: [UInt8] = []
    var mac: MACAddress?
    var offset = 0
    while offset < octets.originalLength {
      guard octets.holds(offset, 2) else { return nil }
      let length = Int(octets.u8(offset + 1)) * 8
      guard length > 0, octets.holds(offset, length) else { return nil }
      types.append(octets.u8(offset))
      if octets.u8(offset) == 1 && mac == nil { mac = octets.mac(offset + 2) }
      offset += length
    }
    return (types, mac)
  }

  /// Whether a guest may speak to services from the address.
  private func isOwnSource(_ source: IPAddress, _ nic: NetworkInterfaceState) -> Bool {
    if source.isUnspecified || nic.owns(source) { return true }
    return source.family == .v6 && source.isLinkLocal && !nic.isRouter(source)
  }

  // MARK: DHCP (RFC 2131, RFC 8415)

  private func answerDHCPv4(
    _ packet: ParsedPacket, _ nic: NetworkInterfaceState, _ atNIC: Bool
  ) -> ServiceOutcome {
    let message = packet.transport(from: 8)
    guard nic.nic.addresses.contains(where: { $0.family == .v4 }),
      message.holds(0, 240), message.u8(0) == 1, message.u8(1) == 1, message.u8(2) == 6,
      message.u8(3) == 0, message.u32(24) == 0, message.u32(236) == 0x6382_5363,
      !atNIC || message.mac(28) == nic.nic.mac, let type = dhcpMessageType(message.dropFirst(240))
    else { return .drop(.serviceDHCP) }
    switch type {
    case 1, 3, 8: return .reply
    case 4, 7: return .consume
    default: return .drop(.serviceDHCP)
    }
  }

  /// The value of option 53; nil when it is missing or the options are malformed.
  private func dhcpMessageType(_ octets: Octets) -> UInt8? {
    var type: UInt8?
    var offset = 0
    while offset < octets.originalLength {
      guard octets.holds(offset, 1) else { return nil }
      let code = octets.u8(offset)
      if code == 255 { return type }
      if code == 0 {
        offset += 1
        continue
      }
      guard octets.holds(offset, 2) else { return nil }
      let length = Int(octets.u8(offset + 1))
      guard octets.holds(offset + 2, length) else { return nil }
      if code == 53 {
        guard length == 1 else { return nil }
        type = octets.u8(offset + 2)
      }
      offset += 2 + length
    }
    return type
  }

  private func answerDHCPv6(_ packet: ParsedPacket, _ nic: NetworkInterfaceState)
    -> ServiceOutcome
  {
    let message = packet.transport(from: 8)
    guard nic.nic.addresses.contains(where: { $0.family == .v6 }), message.holds(0, 4),
      let options = dhcpv6Options(message.dropFirst(4)), options.allSatisfy(isSound)
    else { return .drop(.serviceDHCP) }
    let type = message.u8(0)
    // RFC 8415 section 16: all but an information request name their client.
    let namesClient = options.contains { $0.code == 1 }
    guard namesClient || type == 11 else { return .drop(.serviceDHCP) }
    guard !packet.source.isUnspecified else { return .drop(.serviceDHCP) }
    switch type {
    case 1, 3, 4, 5, 6, 11: return .reply
    case 8, 9: return .consume
    default: return .drop(.serviceDHCP)
    }
  }

  private typealias DHCPv6Option = (code: UInt16, value: Octets)

  /// Nil when an option is not whole.
  private func dhcpv6Options(_ octets: Octets) -> [DHCPv6Option]? {
    var options: [DHCPv6Option] = []
    var offset = 0
    while offset < octets.originalLength {
      guard octets.holds(offset, 4) else { return nil }
      let length = Int(octets.u16(offset + 2))
      guard octets.holds(offset + 4, length) else { return nil }
      options.append((octets.u16(offset), octets.dropFirst(offset + 4).prefix(length)))
      offset += 4 + length
    }
    return options
  }

  /// Whether an option has a length that RFC 8415 gives it, by its section.
  private func isSound(_ option: DHCPv6Option) -> Bool {
    let length = option.value.originalLength
    switch option.code {
    case 1, 2: return (3...130).contains(length)  // 11.1, the identifiers of client and server
    case 7: return length == 1  // 21.8, the preference
    case 13: return length >= 2  // 21.13, a status
    case 14: return length == 0  // 21.14, rapid commit
    case 23: return length % 16 == 0  // RFC 3646 section 3, name servers
    case 3, 25: return holdsSound(option.value, behind: 12)  // 21.4 and 21.21, associations
    case 4: return holdsSound(option.value, behind: 4)  // 21.5, temporary addresses
    default: return true
    }
  }

  /// Whether an association is as long as its fields and holds whole addresses and statuses.
  private func holdsSound(_ value: Octets, behind fields: Int) -> Bool {
    guard value.holds(0, fields), let inner = dhcpv6Options(value.dropFirst(fields)) else {
      return false
    }
    return inner.allSatisfy { option in
      switch option.code {
      // 21.6: an address and two lifetimes.
      case 5: option.value.holds(0, 24) && dhcpv6Options(option.value.dropFirst(24)) != nil
      case 13: option.value.holds(0, 2)
      default: true
      }
    }
  }
}

import Tables
import Wire

// Link layer and services: what a guest may send besides IP packets to one receiver.

extension Worker {
  /// Steps 2 and 3 of egress. True when the packet has its verdict or goes to a service.
  @inline(__always)
  mutating func linkStep(
    _ packet: inout Packet, _ context: inout PacketContext, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> Bool {
    if !context.headers.isIP {
      judgeOtherLink(&packet, context.headers.link, nic: nic)
      return true
    }
    let isGroup = isToGroup(packet, context.headers)
    if mayBeService(context.headers) {
      switch serviceOutcome(context.headers, isGroup: isGroup, nic: nic, tables) {
      case .none: break
      case .drop(let reason):
        dropEgress(&packet, context.headers, reason, nic: nic, tables)
        return true
      case .punt(let service):
        punt(&packet, service)
        if service == .neighborDiscovery && leadsToLocalNIC(context.headers, nic: nic, tables) {
          packet.direction = .local
        }
        return true
      }
    }
    if isGroup {
      dropEgress(&packet, context.headers, .l2Multicast, nic: nic, tables)
      return true
    }
    return false
  }

  /// Whether a guest's fragment is refused, whatever is known of its datagram: by steps 2 to 4,
  /// which come before that is asked. Of IP packets only.
  mutating func isRefusedFragment(
    _ packet: inout Packet, _ context: inout PacketContext, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> Bool {
    if isToGroup(packet, context.headers) { return true }
    if mayBeService(context.headers),
      case .drop = serviceOutcome(context.headers, isGroup: false, nic: nic, tables)
    {
      return true
    }
    // This look ahead is no step of the judgement.
    let wasTracing = isTracing
    isTracing = false
    defer { isTracing = wasTracing }
    return sourceStep(&packet, &context, nic: nic, tables) != .none
  }

  /// Whether an IP packet goes to a group, by its MAC or its IP address.
  @inline(__always)
  private func isToGroup(_ packet: borrowing Packet, _ headers: borrowing Headers) -> Bool {
    // SAFETY: the parser saw a whole Ethernet header.
    let target = unsafe UnsafeRawPointer(packet.base).mac(0)
    return target.isMulticast && !packet.flags.contains(.rawIP) || headers.isToGroup
  }

  /// ARP goes to its service; nothing else that is not IP leaves a guest.
  @inline(never)
  private mutating func judgeOtherLink(
    _ packet: inout Packet, _ link: LinkPayload, nic: TableIndex
  ) {
    switch link {
    case .arp:
      // SAFETY: the parser saw a whole Ethernet header.
      let target = unsafe UnsafeRawPointer(packet.base).mac(0)
      if target.isMulticast && target != .broadcast {
        drop(&packet, .l2Multicast, nic: nic)
      } else {
        punt(&packet, .arp)
      }
    case .vlan: drop(&packet, .l2VLAN, nic: nic)
    case .other, .truncated, .ipv4, .ipv6: drop(&packet, .l2Ethertype, nic: nic)
    }
  }

  /// A cheap look at what neighbour discovery and DHCP have in common.
  @inline(__always)
  private func mayBeService(_ headers: borrowing Headers) -> Bool {
    if headers.transport == IPProtocol.udp {
      let port = headers.destinationPort
      return port &- 67 < 2 || port &- 546 < 2
    }
    return headers.isICMP
  }

  /// What neighbour discovery and DHCP make of a packet.
  private enum ServiceOutcome {
    case none
    case punt(Service)
    case drop(DropReason)
  }

  /// Neighbour discovery and DHCP: who answers a packet, or that it is refused.
  @inline(never)
  private func serviceOutcome(
    _ headers: borrowing Headers, isGroup: Bool, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> ServiceOutcome {
    if headers.isICMP {
      // RFC 4861: router and neighbour solicitations and advertisements, redirect.
      guard headers.family == .v6, headers.icmpType >= 133, headers.icmpType <= 137 else {
        return .none
      }
      if isGroup && !Self.isProperGroup(headers) { return .none }
      // RFC 6980: such messages must not come in pieces.
      return headers.isFragment ? .drop(.serviceND) : .punt(.neighborDiscovery)
    }
    let service: Service
    switch (headers.family, headers.sourcePort, headers.destinationPort) {
    case (.v4, 67, 68), (.v6, 547, 546): return .drop(.serviceDHCPServer)
    case (.v4, _, 67):
      let isRouted = !isGroup && isRouter(headers, nic: nic, tables)
      guard headers.destination.isLimitedBroadcast || isRouted else { return .none }
      service = .dhcp4
    case (.v6, _, 547):
      // All_DHCP_Relay_Agents_and_Servers, RFC 8415 section 7.1.
      let isServers = headers.destination == IPAddress(v6: 0xFF02_0000_0000_0000, 0x0001_0002)
      guard isServers || !isGroup && isRouter(headers, nic: nic, tables) else { return .none }
      service = .dhcp6
    default: return .none
    }
    // A message in pieces is no client's: it fits the smallest link.
    return headers.isFragment ? .drop(.serviceDHCP) : .punt(service)
  }

  /// Whether a neighbour discovery message went to the group that RFC 4861 has for it: all routers,
  /// the target's solicited-node group, all nodes.
  private static func isProperGroup(_ headers: borrowing Headers) -> Bool {
    guard headers.destinationHigh == 0xFF02_0000_0000_0000 else { return false }
    switch headers.icmpType {
    case 133: return headers.destinationLow == 2
    case 135: return headers.destinationLow >> 24 == 0x1FF
    default: return headers.destinationLow == 1
    }
  }

  /// Whether the destination is the router of the NIC's subnet: its first address + 1, or fe80::1.
  private func isRouter(
    _ headers: borrowing Headers, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> Bool {
    let destination = headers.destination
    if destination == IPAddress(v6: 0xFE80_0000_0000_0000, 1) { return true }
    let range = tables.subnets[tables.nics[nic].subnet].cidrs
    var position = range.start
    while position < range.start &+ range.count {
      if tables.subnetCIDRs[position].prefix.address.advanced(by: 1) == destination { return true }
      position &+= 1
    }
    return false
  }

  private mutating func punt(_ packet: inout Packet, _ service: Service) {
    note(.service, UInt64(service.rawValue))
    packet.verdict = .punt
    packet.service = service
  }

  /// Whether the frame was taken at the NIC and its source MAC is not the NIC's.
  @inline(__always)
  func isForeignMAC(
    _ packet: borrowing Packet, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> Bool {
    guard packet.flags.contains(.atNIC), !packet.flags.contains(.rawIP) else { return false }
    // SAFETY: the parser saw a whole Ethernet header.
    return unsafe UnsafeRawPointer(packet.base).mac(6) != tables.nics[nic].mac
  }

  /// Step 4: the packet's source is the sender's own.
  @inline(__always)
  mutating func sourceStep(
    _ packet: inout Packet, _ context: inout PacketContext, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> DropReason {
    if isForeignMAC(packet, nic: nic, tables) { return .spoofMAC }
    if context.headers.sourceLow == context.headers.destinationLow
      && context.headers.sourceHigh == context.headers.destinationHigh
    {
      return .spoofIP
    }
    // SAFETY: `pointer` checks the bounds, and tables do not move.
    let record = unsafe tables.nics.pointer(Int(nic))
    let isChecked = unsafe record.pointee.sourceDestCheck
    if unsafe isChecked
      && !isAddress(
        context.headers.sourceHigh, context.headers.sourceLow, context.headers.family,
        of: record.pointee.addresses, tables)
    {
      return .spoofIP
    }
    note(.source, isChecked ? 1 : 0)
    return .none
  }
}

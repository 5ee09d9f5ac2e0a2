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
    // SAFETY: the parser saw a whole Ethernet header.
    let target = unsafe UnsafeRawPointer(packet.base).mac(0)
    let isGroup =
      target.isMulticast && !packet.flags.contains(.rawIP) || context.headers.isToGroup
    if mayBeService(&context) {
      if serviceStep(&packet, context.headers, isGroup: isGroup, nic: nic, tables) { return true }
    }
    if isGroup {
      dropEgress(&packet, context.headers, .l2Multicast, nic: nic, tables)
      return true
    }
    return false
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
  private func mayBeService(_ context: inout PacketContext) -> Bool {
    if context.headers.transport == IPProtocol.udp {
      let port = context.headers.destinationPort
      return port &- 67 < 2 || port &- 546 < 2
    }
    return context.headers.isICMP
  }

  /// Neighbour discovery and DHCP. True when the packet goes to a service or is refused by one.
  @inline(never)
  private mutating func serviceStep(
    _ packet: inout Packet, _ headers: borrowing Headers, isGroup: Bool, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> Bool {
    if headers.isICMP {
      // RFC 4861: router and neighbour solicitations and advertisements, redirect.
      guard headers.family == .v6, headers.icmpType >= 133, headers.icmpType <= 137 else {
        return false
      }
      if isGroup && !Self.isProperGroup(headers) { return false }
      // RFC 6980: such messages must not come in pieces.
      if headers.isFragment {
        dropEgress(&packet, headers, .serviceND, nic: nic, tables)
        return true
      }
      punt(&packet, .neighborDiscovery)
      if leadsToLocalNIC(headers, nic: nic, tables) { packet.direction = .local }
      return true
    }
    switch (headers.family, headers.sourcePort, headers.destinationPort) {
    case (.v4, 67, 68), (.v6, 547, 546):
      dropEgress(&packet, headers, .serviceDHCPServer, nic: nic, tables)
      return true
    case (.v4, _, 67):
      let isRouted = !isGroup && isRouter(headers, nic: nic, tables)
      guard headers.destination.isLimitedBroadcast || isRouted else { return false }
      return serveDHCP(&packet, headers, .dhcp4, nic: nic, tables)
    case (.v6, _, 547):
      // All_DHCP_Relay_Agents_and_Servers, RFC 8415 section 7.1.
      let isServers = headers.destination == IPAddress(v6: 0xFF02_0000_0000_0000, 0x0001_0002)
      guard isServers || !isGroup && isRouter(headers, nic: nic, tables) else { return false }
      return serveDHCP(&packet, headers, .dhcp6, nic: nic, tables)
    default: return false
    }
  }

  /// A message in pieces is no client's: it fits the smallest link.
  private mutating func serveDHCP(
    _ packet: inout Packet, _ headers: borrowing Headers, _ service: Service, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> Bool {
    if headers.isFragment {
      dropEgress(&packet, headers, .serviceDHCP, nic: nic, tables)
    } else {
      punt(&packet, service)
    }
    return true
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
  private mutating func isRouter(
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

import Tables
import Wire

/// What a tunnel header said.
private struct TunnelPacket {
  var outerSource: IPAddress
  var vni: UInt32
  /// Of the inner Ethernet frame, from the start of the outer one.
  var innerOffset: Int
}

// Step 1 of ingress: the outer packet, its VNI, and whether its sender is where the inner source
// lives. A tunnel in a tunnel is plain payload; nothing recurses.

extension Worker {
  /// Takes a tunnel packet's outer header off and finds the NIC it is for.
  ///
  /// On success the packet's frame is the inner one; otherwise it has its verdict.
  mutating func decapsulate(
    _ packet: inout Packet, _ context: inout PacketContext, _ tables: borrowing RuleTables
  ) {
    packet.direction = .ingress
    packet.nic = .none
    context.nic = .none
    guard let tunnel = openTunnel(&packet) else { return }
    let number = IPAddress(v4: tunnel.vni)
    let vpc = tables.vnis.lookup(scope: 0, number)
    guard vpc != .none || tables.gatewayVNIs.lookup(scope: 0, number) != .none else {
      return drop(&packet, .tunnelVNI, nic: .none)
    }
    // SAFETY: `openTunnel` found the inner frame within the captured bytes.
    unsafe packet.base = unsafe packet.base + tunnel.innerOffset
    packet.length &-= UInt32(truncatingIfNeeded: tunnel.innerOffset)
    packet.originalLength &-= UInt32(truncatingIfNeeded: tunnel.innerOffset)
    packet.headroom &+= UInt32(truncatingIfNeeded: tunnel.innerOffset)
    context.tunnelLength = UInt16(truncatingIfNeeded: tunnel.innerOffset)
    // SAFETY: `openTunnel` saw that the inner frame begins inside the captured bytes.
    unsafe FrameParser.parse(
      packet.base, length: Int(packet.length), originalLength: Int(packet.originalLength),
      offloaded: packet.flags.contains(.offloaded), into: &context.headers)
    note(.tunnel, UInt64(tunnel.vni))
    if !context.headers.hasAddresses {
      // Not an IP packet: nobody's, and judged as what it is.
      return judgeIngress(&packet, &context, tables)
    }
    if !findReceiver(tunnel, vpc, &packet, &context, tables) {
      drop(&packet, .tunnelPeer, nic: .none)
    }
  }

  // MARK: Outer header

  /// Checks the outer packet; nil when it was dropped.
  private mutating func openTunnel(_ packet: inout Packet) -> TunnelPacket? {
    var outer = Headers()
    // SAFETY: the owner vouches for `length` bytes at `base`.
    unsafe FrameParser.parse(
      packet.base, length: Int(packet.length), originalLength: Int(packet.originalLength),
      offloaded: packet.flags.contains(.offloaded), into: &outer)
    if !outer.faults.isEmpty {
      drop(&packet, outer.faults.reason, nic: .none)
      return nil
    }
    if outer.isFragment {
      drop(&packet, .tunnelFragment, nic: .none)
      return nil
    }
    guard outer.transport == IPProtocol.udp else {
      drop(&packet, .tunnelHeader, nic: .none)
      return nil
    }
    let offset = Int(outer.transportOffset) &+ 8
    // SAFETY: without a fault the UDP header is there. Its length fits, and what the IP packet has
    // behind it is nobody's.
    let length = unsafe UnsafeRawPointer(packet.base).big16(offset &- 4)
    let end = Int(outer.transportOffset) &+ Int(length)
    guard offset &+ 8 <= end else {
      drop(&packet, .tunnelHeader, nic: .none)
      return nil
    }
    guard offset &+ 8 <= Int(packet.length) else {
      drop(&packet, .parseTruncated, nic: .none)
      return nil
    }
    var isCut = false
    let opened =
      outer.destinationPort == 6081
      ? unsafe openGeneve(
        packet.base, at: offset, end: end, captured: Int(packet.length), isCut: &isCut)
      : unsafe openVXLAN(packet.base, at: offset)
    if isCut {
      drop(&packet, .parseTruncated, nic: .none)
      return nil
    }
    guard let (vni, innerOffset) = opened, innerOffset <= Int(packet.length) else {
      drop(&packet, .tunnelHeader, nic: .none)
      return nil
    }
    // Behind the outer packet there may be padding that is not the inner frame's.
    packet.originalLength = UInt32(truncatingIfNeeded: end)
    packet.length = min(packet.length, packet.originalLength)
    return TunnelPacket(outerSource: outer.source, vni: vni, innerOffset: innerOffset)
  }

  /// RFC 8926 section 3.4: version 0, data packet, Ethernet inside, no critical option (we know
  /// none), options that fit.
  ///
  /// - Parameters:
  ///   - end: where the outer packet ends by its own lengths.
  ///   - captured: bytes that are there; `isCut` tells that the options are not.
  @unsafe
  private mutating func openGeneve(
    _ base: UnsafeMutableRawPointer, at offset: Int, end: Int, captured: Int, isCut: inout Bool
  ) -> (vni: UInt32, innerOffset: Int)? {
    // SAFETY: 8 bytes from `offset` are there.
    let bytes = UnsafeRawPointer(base)
    let first = unsafe bytes.byte(offset)
    let second = unsafe bytes.byte(offset + 1)
    let vniWord = unsafe bytes.big32(offset + 4)
    let optionsEnd = offset &+ 8 &+ Int(first & 0x3F) &* 4
    guard first >> 6 == 0, second == 0, unsafe bytes.big16(offset + 2) == 0x6558,
      vniWord & 0xFF == 0, optionsEnd <= end
    else { return nil }
    if optionsEnd > captured {
      isCut = true
      return nil
    }
    var position = offset &+ 8
    while position < optionsEnd {
      // SAFETY: options come in words of 4 bytes, and `optionsEnd` is inside the captured bytes.
      let word = unsafe bytes.big32(position)
      let isCritical = word & 0x8000 != 0
      position &+= 4 &+ Int(word & 0x1F) &* 4
      if isCritical || position > optionsEnd { return nil }
    }
    return (vniWord >> 8, optionsEnd)
  }

  /// RFC 7348 section 5: the I flag alone, reserved fields zero.
  @unsafe
  private mutating func openVXLAN(
    _ base: UnsafeMutableRawPointer, at offset: Int
  ) -> (vni: UInt32, innerOffset: Int)? {
    // SAFETY: 8 bytes from `offset` are there.
    let bytes = UnsafeRawPointer(base)
    let vniWord = unsafe bytes.big32(offset + 4)
    guard unsafe bytes.big32(offset) == 0x0800_0000, vniWord & 0xFF == 0 else { return nil }
    return (vniWord >> 8, offset &+ 8)
  }

  // MARK: Sender and receiver

  /// Checks that the inner source lives at the outer source, and finds the receiving NIC.
  ///
  /// - Parameter vpc: whose VNI it is; `none` when it is a gateway's alone.
  /// - Returns: false when the sender may not send this.
  private mutating func findReceiver(
    _ tunnel: TunnelPacket, _ vpc: TableIndex, _ packet: inout Packet,
    _ context: inout PacketContext, _ tables: borrowing RuleTables
  ) -> Bool {
    let source = context.headers.source
    if vpc != .none && livesAt(tunnel.outerSource, source, vpc, tables) {
      setReceiver(packet, &context, vpc, tables)
      return true
    }
    var isGateway = false
    var index = 0
    while index < tables.gateways.count {
      let gateway = tables.gateways[index]
      let usesVNI = gateway.vni == tunnel.vni || gateway.vpc == vpc
      if usesVNI && gateway.host == tunnel.outerSource
        && !isInside(source, tables.vpcs[gateway.vpc].cidrs, tables.vpcCIDRs)
      {
        isGateway = true
        setGatewayReceiver(packet, &context, gateway.vpc, tables)
        if context.nic != .none { return true }
      }
      index &+= 1
    }
    return isGateway
  }

  /// Whether an address is mapped to a tunnel endpoint, in a VPC or in one peered with it.
  private mutating func livesAt(
    _ endpoint: IPAddress, _ address: IPAddress, _ vpc: TableIndex, _ tables: borrowing RuleTables
  ) -> Bool {
    if isMapped(address, in: vpc, to: endpoint, tables) { return true }
    var index = 0
    while index < tables.peerings.count {
      let peering = tables.peerings[index]
      if peering.first == vpc && isMapped(address, in: peering.second, to: endpoint, tables) {
        return true
      }
      if peering.second == vpc && isMapped(address, in: peering.first, to: endpoint, tables) {
        return true
      }
      index &+= 1
    }
    return false
  }

  private mutating func isMapped(
    _ address: IPAddress, in vpc: TableIndex, to endpoint: IPAddress,
    _ tables: borrowing RuleTables
  ) -> Bool {
    let found = tables.addresses.lookup(scope: vpc, address)
    guard found != .none, Location(bits: found).isMapping else { return false }
    let mapping = tables.mappings[Location(bits: found).index]
    return mapping.endpoint != .none && tables.endpoints[mapping.endpoint].address == endpoint
  }

  /// The NIC that has the inner destination, or that the inner frame is addressed to by MAC.
  private mutating func setReceiver(
    _ packet: borrowing Packet, _ context: inout PacketContext, _ vpc: TableIndex,
    _ tables: borrowing RuleTables
  ) {
    let found = tables.addresses.lookup(scope: vpc, context.headers.destination)
    if found != .none && !Location(bits: found).isMapping {
      context.nic = Location(bits: found).index
    } else {
      setReceiverByMAC(packet, &context, vpc, tables)
    }
  }

  private mutating func setReceiverByMAC(
    _ packet: borrowing Packet, _ context: inout PacketContext, _ vpc: TableIndex,
    _ tables: borrowing RuleTables
  ) {
    // SAFETY: the parser saw a whole Ethernet header.
    let target = unsafe UnsafeRawPointer(packet.base).mac(0)
    context.nic = tables.nicMACs.lookup(scope: vpc, IPAddress(v6: 0, target.bits))
  }

  /// The NIC behind a public address, whose private one the packet gets. IPv6 goes through a
  /// gateway untranslated; a private IPv4 address is nobody's there, unless a NIC takes what is not
  /// its own.
  private mutating func setGatewayReceiver(
    _ packet: borrowing Packet, _ context: inout PacketContext, _ vpc: TableIndex,
    _ tables: borrowing RuleTables
  ) {
    if context.headers.family == .v4 {
      let found = tables.publicAddresses.lookup(scope: vpc, context.headers.destination)
      if found != .none {
        let record = tables.nicPublicAddresses[found]
        context.nic = record.nic
        context.publicAddress = found
        // From here on the packet is judged by its private address.
        context.headers.destinationLow = record.privateAddress.low
      } else {
        setReceiverByMAC(packet, &context, vpc, tables)
      }
    } else {
      setReceiver(packet, &context, vpc, tables)
    }
  }
}

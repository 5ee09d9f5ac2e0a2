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
    // SAFETY: `openTunnel` found the inner frame within the captured bytes.
    unsafe FrameParser.parse(
      packet.base + tunnel.innerOffset, length: Int(packet.length) &- tunnel.innerOffset,
      originalLength: Int(packet.originalLength) &- tunnel.innerOffset,
      offloaded: packet.flags.contains(.offloaded), into: &context.headers)
    let isPlain =
      context.headers.hasAddresses && context.headers.family == .v4
      && tunnel.outerSource.family == .v4
    let inner = context.headers.sourceLow &<< 32 | context.headers.destinationLow
    let outer = tunnel.outerSource.low &<< 32 | UInt64(tunnel.vni)
    let receiver = isPlain ? knownReceiver(inner, outer, tables) : .none
    if receiver != .none {
      stripTunnel(tunnel, &packet, &context)
      context.nic = receiver
      return
    }
    let isByAddress = locate(tunnel, &packet, &context, tables)
    if isByAddress && isPlain { keepSender(inner, outer, context.nic, tables) }
  }

  /// Finds the NIC of a packet whose way is not known.
  ///
  /// - Returns: whether the inner destination's address led to it, in the VPC of the VNI.
  @inline(never)
  private mutating func locate(
    _ tunnel: TunnelPacket, _ packet: inout Packet, _ context: inout PacketContext,
    _ tables: borrowing RuleTables
  ) -> Bool {
    let number = IPAddress(v4: tunnel.vni)
    let vpc = tables.vnis.lookup(scope: 0, number)
    guard vpc != .none || tables.gatewayVNIs.lookup(scope: 0, number) != .none else {
      drop(&packet, .tunnelVNI, nic: .none)
      return false
    }
    stripTunnel(tunnel, &packet, &context)
    if !context.headers.hasAddresses {
      // Not an IP packet: nobody's, and judged as what it is.
      judgeIngress(&packet, &context, tables)
      return false
    }
    if vpc != .none && livesAt(tunnel.outerSource, context.headers.source, vpc, tables) {
      return setReceiver(packet, &context, vpc, tables)
    }
    if !findGatewayReceiver(tunnel, vpc, packet, &context, tables) {
      drop(&packet, .tunnelPeer, nic: .none)
    }
    return false
  }

  /// Makes the inner frame the packet's.
  @inline(__always)
  private mutating func stripTunnel(
    _ tunnel: TunnelPacket, _ packet: inout Packet, _ context: inout PacketContext
  ) {
    let length = UInt32(truncatingIfNeeded: tunnel.innerOffset)
    // SAFETY: `openTunnel` found the inner frame within the captured bytes.
    unsafe packet.base = unsafe packet.base + tunnel.innerOffset
    packet.length &-= length
    packet.originalLength &-= length
    packet.headroom &+= length
    context.tunnelLength = UInt16(truncatingIfNeeded: length)
    note(.tunnel, UInt64(tunnel.vni))
  }

  // MARK: Outer header

  /// Checks the outer packet; nil when it was dropped.
  @inline(__always)
  private mutating func openTunnel(_ packet: inout Packet) -> TunnelPacket? {
    // SAFETY: the owner vouches for `length` bytes at `base`.
    guard
      unsafe PlainOuterHeader.matches(
        packet.base, length: Int(packet.length), originalLength: Int(packet.originalLength))
    else { return openOtherTunnel(&packet) }
    // SAFETY: the UDP header and 8 bytes behind it are there.
    let source = IPAddress(v4: unsafe UnsafeRawPointer(packet.base).big32(26))
    return openPayload(&packet, at: PlainOuterHeader.transportOffset, source)
  }

  /// The same for outer headers of other forms, and for those with faults.
  @inline(never)
  private mutating func openOtherTunnel(_ packet: inout Packet) -> TunnelPacket? {
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
    return openPayload(&packet, at: Int(outer.transportOffset), outer.source)
  }

  /// Reads the tunnel header behind a UDP header without fault.
  @inline(__always)
  private mutating func openPayload(
    _ packet: inout Packet, at transport: Int, _ source: IPAddress
  ) -> TunnelPacket? {
    let offset = transport &+ 8
    // SAFETY: without a fault the UDP header is there. Its length fits, and what the IP packet has
    // behind it is nobody's.
    let length = unsafe UnsafeRawPointer(packet.base).big16(offset &- 4)
    let end = transport &+ Int(length)
    guard offset &+ 8 <= end else {
      drop(&packet, .tunnelHeader, nic: .none)
      return nil
    }
    guard offset &+ 8 <= Int(packet.length) else {
      drop(&packet, .parseTruncated, nic: .none)
      return nil
    }
    var isCut = false
    // SAFETY: as above.
    let port = unsafe UnsafeRawPointer(packet.base).big16(transport &+ 2)
    let opened =
      port == 6081
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
    return TunnelPacket(outerSource: source, vni: vni, innerOffset: innerOffset)
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

  /// Finds the receiving NIC of what an internet gateway sends.
  ///
  /// - Parameter vpc: whose VNI it is; `none` when it is a gateway's alone.
  /// - Returns: false when the sender is no gateway that may send this.
  private mutating func findGatewayReceiver(
    _ tunnel: TunnelPacket, _ vpc: TableIndex, _ packet: borrowing Packet,
    _ context: inout PacketContext, _ tables: borrowing RuleTables
  ) -> Bool {
    let source = context.headers.source
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
  ///
  /// - Returns: whether it has the destination.
  private mutating func setReceiver(
    _ packet: borrowing Packet, _ context: inout PacketContext, _ vpc: TableIndex,
    _ tables: borrowing RuleTables
  ) -> Bool {
    let found = tables.addresses.lookup(scope: vpc, context.headers.destination)
    if found != .none && !Location(bits: found).isMapping {
      context.nic = Location(bits: found).index
      return true
    }
    setReceiverByMAC(packet, &context, vpc, tables)
    return false
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
      _ = setReceiver(packet, &context, vpc, tables)
    }
  }
}

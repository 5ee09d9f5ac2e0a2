import Tables
import Wire

// The receiver's side: interface, fragments, connection, network ACL, groups, limits, delivery.

extension Worker {
  /// Judges a packet that came from the underlay or was captured on its way to a NIC.
  mutating func judgeIngress(
    _ packet: inout Packet, _ context: inout PacketContext, _ tables: borrowing RuleTables
  ) {
    let nic = context.nic
    // A tunnel packet has no NIC before its inner packet was parsed; a captured one came with it.
    if !context.headers.faults.isEmpty {
      return drop(&packet, context.headers.faults.reason, nic: packet.nic)
    }
    switch context.headers.link {
    case .ipv4, .ipv6: break
    case .vlan: return drop(&packet, .l2VLAN, nic: packet.nic)
    case .arp, .other, .truncated: return drop(&packet, .l2Ethertype, nic: packet.nic)
    }
    packet.nic = nic
    if nic == .none { return drop(&packet, .eniNone, nic: nic) }
    note(.ingress, UInt64(nic))
    if isTracing {
      note(
        .parsed, UInt64(context.headers.ruleKey), UInt64(context.headers.datagramLength))
    }
    let refusal = interfaceStep(packet, &context, nic: nic, tables)
    if refusal != .none { return drop(&packet, refusal, nic: nic) }
    packet.rule = 0
    judgeReception(&packet, &context, known: .none, nic: nic, isLocal: false, tables)
  }

  /// Judges a packet that a NIC of this host just sent to another: verdict, rule and state of the
  /// sender stand unless the receiver drops it.
  mutating func judgeLocal(
    _ packet: inout Packet, _ context: inout PacketContext, receiver: TableIndex,
    _ tables: borrowing RuleTables
  ) {
    note(.ingress, UInt64(receiver))
    context.candidate = .none
    // It was the sender's.
    context.firstGroupRule = .none
    if context.headers.hasTransport && !context.headers.isLaterFragment {
      makeKey(context.headers, .ingress, nic: receiver, into: &context.key)
      context.hash = context.key.hash(seed: flows.seed)
      if let candidate = flows.prefetchCandidate(context.hash) { context.candidate = candidate }
    }
    let known = knownRecord(&packet, &context, .ingress, tables)
    if known == .none && !isForNIC(&context, receiver, tables) {
      return drop(&packet, .eniNone, nic: receiver)
    }
    judgeReception(&packet, &context, known: known, nic: receiver, isLocal: true, tables)
  }

  /// Step 2: the address, and where it counts the MAC, are the interface's.
  func interfaceStep(
    _ packet: borrowing Packet, _ context: inout PacketContext, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> DropReason {
    if context.publicAddress == .none && !isForNIC(&context, nic, tables) {
      return .eniNone
    }
    let checksMAC = packet.origin == .underlay || packet.flags.contains(.atNIC)
    if checksMAC && !packet.flags.contains(.rawIP) {
      // SAFETY: the parser saw a whole Ethernet header.
      let target = unsafe UnsafeRawPointer(packet.base).mac(0)
      // Another host's guest may have sent it to the router, which is the same everywhere.
      let isRouted = packet.origin == .underlay && target == .router
      if target != tables.nics[nic].mac && !isRouted { return .eniMAC }
    }
    return .none
  }

  /// Whether the destination is an address of the NIC, or the NIC takes what is not.
  private func isForNIC(
    _ context: inout PacketContext, _ nic: TableIndex, _ tables: borrowing RuleTables
  ) -> Bool {
    !tables.nics[nic].sourceDestCheck
      || isAddress(
        context.headers.destinationHigh, context.headers.destinationLow, context.headers.family,
        of: tables.nics[nic].addresses, tables)
  }

  /// Steps 3 to 8.
  private mutating func judgeReception(
    _ packet: inout Packet, _ context: inout PacketContext, known: UInt32, nic: TableIndex,
    isLocal: Bool, _ tables: borrowing RuleTables
  ) {
    if context.headers.isFragment {
      judgeFragmentIngress(&packet, &context, nic: nic, isLocal: isLocal, tables)
    } else {
      judgeFlowIngress(
        &packet, &context, known: known, nic: nic, isLocal: isLocal, tables)
    }
  }

  /// Step 3.
  @inline(never)
  private mutating func judgeFragmentIngress(
    _ packet: inout Packet, _ context: inout PacketContext, nic: TableIndex, isLocal: Bool,
    _ tables: borrowing RuleTables
  ) {
    switch fragmentStep(&packet, context.headers, .ingress, nic: nic) {
    case .first(let datagram):
      context.receivedFragment = datagram
      judgeFlowIngress(
        &packet, &context, known: .none, nic: nic, isLocal: isLocal, tables)
      context.receivedFragment = .none
      if packet.verdict == .drop { recordFirstFragment(datagram, packet) }
    case .drop(let reason):
      drop(&packet, reason, nic: nic)
    case .follows(let datagram):
      let known = fragments.datagrams[datagram]
      note(.fragmentFollows, UInt64(known.rule))
      if known.reason != .none {
        return drop(&packet, known.reason, nic: nic, rule: known.rule)
      }
      let state = FlowState(rawValue: known.state) ?? .none
      _ = receive(
        &packet, &context, FlowDecision(), rule: known.rule, state: state, nic: nic,
        isLocal: isLocal, tables)
    }
  }

  @inline(__always)
  private mutating func judgeFlowIngress(
    _ packet: inout Packet, _ context: inout PacketContext, known: UInt32, nic: TableIndex,
    isLocal: Bool, _ tables: borrowing RuleTables
  ) {
    var decision = FlowDecision()
    let refusal = flowStep(
      &packet, &context, .ingress, known: known, nic: nic, &decision, tables)
    if refusal != .none { return drop(&packet, refusal, nic: nic) }
    let isCached =
      known != .none && decision.action == .update || hasCachedIngress(decision, tables)
    if !isCached {
      let subnet = tables.nics[nic].subnet
      if !isInside(context.headers.source, tables.subnets[subnet].cidrs, tables.subnetCIDRs) {
        let match = aclStep(context.headers, .ingress, subnet: subnet, tables)
        if !match.allow { return drop(&packet, .aclIngress, nic: nic, rule: match.rule) }
      }
    }
    if decision.needsGroups {
      decision.rule = groupStep(context, .ingress, nic: nic, tables)
      if decision.rule == 0 { return drop(&packet, .sgIngress, nic: nic) }
    }
    let record = receive(
      &packet, &context, decision, rule: decision.rule, state: decision.state, nic: nic,
      isLocal: isLocal, tables)
    if !isCached && record != .none { cacheIngress(record, tables) }
  }

  @inline(__always)
  private func hasCachedIngress(
    _ decision: FlowDecision, _ tables: borrowing RuleTables
  ) -> Bool {
    guard decision.action == .update, !isTracing else { return false }
    return flows.entries[decision.record].flags.contains(.ingressCached)
      && tables.hasSameWays(since: flows.entries[decision.record].generation)
  }

  /// Remembers that the ACL lets a connection's packets in; TCP and UDP only, as for egress.
  private mutating func cacheIngress(_ record: UInt32, _ tables: borrowing RuleTables) {
    guard flows.entries[record].kind == .tcp || flows.entries[record].kind == .udp else { return }
    if !tables.hasSameWays(since: flows.entries[record].generation) {
      flows.entries[record].flags.remove(.egressCached)
    }
    flows.entries[record].generation = tables.generation
    flows.entries[record].flags.insert(.ingressCached)
  }

  /// Steps 7 and 8: limits, commitment, and the frame as the guest gets it.
  ///
  /// - Returns: the connection's record, `none` when the packet has none or was dropped.
  @inline(__always)
  private mutating func receive(
    _ packet: inout Packet, _ context: inout PacketContext, _ decision: FlowDecision,
    rule: UInt32, state: FlowState, nic: TableIndex, isLocal: Bool, _ tables: borrowing RuleTables
  ) -> UInt32 {
    let refusal = limitStep(
      &packet, &context, creates: decision.action == .create, replaces: decision.record != .none,
      .ingress, nic: nic,
      tables)
    if refusal != .none {
      drop(&packet, refusal, nic: nic)
      return .none
    }
    let record = commit(&context, decision, .ingress, nic: nic, tables)
    nics[nic].counters.packetsIn &+= UInt64(context.packets)
    nics[nic].counters.bytesIn &+= UInt64(context.cost)
    packet.verdict = .forward
    packet.output = .nic(nic)
    if !isLocal {
      packet.rule = rule
      packet.state = state
    }
    if context.receivedFragment != .none {
      // The receiver's own rule and state, whatever the sender's are.
      fragments.datagrams[context.receivedFragment].rule = rule
      fragments.datagrams[context.receivedFragment].state = state.rawValue
    }
    trim(&packet, &context)
    if context.publicAddress != .none { translateDestination(&packet, context, tables) }
    // SAFETY: the parser saw a whole Ethernet header.
    unsafe packet.base.storeMAC(tables.nics[nic].mac, at: 0)
    unsafe packet.base.storeMAC(.router, at: 6)
    return record
  }
}

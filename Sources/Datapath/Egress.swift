import Tables
import Wire

// The sender's side, in the order in which AWS documents it and the reasons are promised: parse,
// link layer, services, source, fragments, connection, groups, destination and network ACL,
// location, size, limits; then encapsulate or hand to the receiver.

extension Worker {
  mutating func judgeEgress(
    _ packet: inout Packet, _ context: inout PacketContext, _ tables: borrowing RuleTables
  ) {
    let nic = context.nic
    packet.direction = .egress
    if !context.headers.faults.isEmpty {
      note(.egress, UInt64(nic))
      return drop(&packet, context.headers.faults.reason, nic: nic)
    }
    if isTracing {
      note(.egress, UInt64(nic))
      note(.parsed, UInt64(context.headers.ruleKey), UInt64(context.headers.datagramLength))
    }
    let record = knownRecord(&packet, &context, .egress, tables)
    if record != .none {
      if isForeignMAC(packet, nic: nic, tables) {
        return dropEgress(&packet, context.headers, .spoofMAC, nic: nic, tables)
      }
      return judgeFlowEgress(&packet, &context, known: record, nic: nic, tables)
    }
    if linkStep(&packet, &context, nic: nic, tables) { return }
    let refusal = sourceStep(&packet, &context, nic: nic, tables)
    if refusal != .none { return dropEgress(&packet, context.headers, refusal, nic: nic, tables) }

    if context.headers.isFragment {
      judgeFragmentEgress(&packet, &context, nic: nic, tables)
    } else {
      judgeUnknownFlowEgress(&packet, &context, nic: nic, tables)
    }
  }

  /// Step 5.
  @inline(never)
  private mutating func judgeFragmentEgress(
    _ packet: inout Packet, _ context: inout PacketContext, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) {
    switch fragmentStep(&packet, context.headers, .egress, nic: nic) {
    case .first(let datagram):
      context.firstFragment = datagram
      judgeUnknownFlowEgress(&packet, &context, nic: nic, tables)
      if context.firstFragment != .none { recordFirstFragment(datagram, packet) }
      context.firstFragment = .none
    case .drop(let reason):
      dropEgress(&packet, context.headers, reason, nic: nic, tables)
    case .follows(let datagram):
      followEgress(&packet, &context, datagram, nic: nic, tables)
    }
  }

  // MARK: Connection to delivery

  @inline(never)
  private mutating func judgeUnknownFlowEgress(
    _ packet: inout Packet, _ context: inout PacketContext, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) {
    judgeFlowEgress(&packet, &context, known: .none, nic: nic, tables)
  }

  /// Steps 6 to 12 of a packet whose ports are known.
  ///
  /// - Parameter known: what `knownRecord` found.
  @_transparent
  private mutating func judgeFlowEgress(
    _ packet: inout Packet, _ context: inout PacketContext, known: UInt32, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) {
    var decision = FlowDecision()
    let refusal = flowStep(
      &packet, &context, .egress, known: known, nic: nic, &decision, tables)
    if refusal != .none { return dropEgress(&packet, context.headers, refusal, nic: nic, tables) }
    if decision.needsGroups {
      decision.rule = groupStep(context, .egress, nic: nic, tables)
      if decision.rule == 0 {
        return dropEgress(&packet, context.headers, .sgEgress, nic: nic, tables)
      }
    }
    let isCached =
      known != .none && decision.action == .update || hasCachedEgress(decision, tables)
    let destination: Destination
    if isCached {
      destination = Destination(bits: flows.entries[decision.record].destination)
    } else {
      guard let found = destinationStep(&packet, context.headers, nic: nic, tables) else { return }
      destination = found
    }
    packet.rule = decision.rule
    packet.state = decision.state
    guard
      leave(&packet, &context, decision, destination, nic: nic, tables)
    else { return }
    let record = commit(&context, decision, .egress, nic: nic, tables)
    if record != .none && !isCached { cacheEgress(record, destination, tables) }
    deliver(&packet, &context, destination, nic: nic, tables)
  }

  /// Whether the connection knows its destination and the ACL's consent, and they are as they were.
  @inline(__always)
  private func hasCachedEgress(
    _ decision: FlowDecision, _ tables: borrowing RuleTables
  ) -> Bool {
    // A traced packet goes the long way, so that every step shows.
    guard decision.action == .update, !isTracing else { return false }
    let record = decision.record
    // SAFETY: `pointer` checks the bounds, and nothing moves entries.
    let entry = unsafe flows.entries.pointer(Int(record))
    return unsafe entry.pointee.flags.contains(.egressCached)
      && tables.hasSameWays(since: entry.pointee.generation)
  }

  /// Remembers where a connection's egress packets go. Only TCP and UDP: elsewhere the ACL may tell
  /// packets of one connection apart.
  @inline(__always)
  private func cacheEgress(
    _ record: UInt32, _ destination: Destination, _ tables: borrowing RuleTables
  ) {
    guard flows.entries[record].kind == .tcp || flows.entries[record].kind == .udp else { return }
    if !tables.hasSameWays(since: flows.entries[record].generation) {
      flows.entries[record].flags.remove(.ingressCached)
    }
    flows.entries[record].generation = tables.generation
    flows.entries[record].destination = destination.bits
    flows.entries[record].flags.insert(.egressCached)
  }

  /// Steps 8 and 9: the way, the network ACL across the subnet's edge, and who lives there.
  @inline(never)
  private mutating func destinationStep(
    _ packet: inout Packet, _ headers: borrowing Headers, nic: TableIndex,
    _ tables: borrowing RuleTables,
    checksACL: Bool = true
  ) -> Destination? {
    let way = routeStep(headers, nic: nic, tables)
    if case .drop(let reason, let rule) = way.outcome {
      drop(&packet, reason, nic: nic, rule: rule)
      return nil
    }
    if way.crossesEdge && checksACL {
      let match = aclStep(headers, .egress, subnet: tables.nics[nic].subnet, tables)
      if !match.allow {
        dropEgress(&packet, headers, .aclEgress, rule: match.rule, nic: nic, tables)
        return nil
      }
    }
    let (destination, reason) = locate(way.outcome, headers, nic: nic, tables)
    if reason != .none {
      drop(&packet, reason, nic: nic)
      return nil
    }
    return destination
  }

  /// Steps 10 and 11: size and limits. False when the packet was dropped.
  @_transparent
  private mutating func leave(
    _ packet: inout Packet, _ context: inout PacketContext, _ decision: FlowDecision,
    _ destination: Destination, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> Bool {
    if packet.segmentSize != 0 { context.countSegments(packet) }
    if destination.kind != .nic {
      let refusal = sizeStep(&packet, &context, destination, nic: nic, tables)
      if refusal != .none {
        drop(&packet, refusal, nic: nic)
        return false
      }
    } else {
      packet.direction = .local
    }
    let refusal = limitStep(
      &packet, &context, creates: decision.action == .create, replaces: decision.record != .none,
      .egress, nic: nic,
      tables)
    if refusal != .none {
      drop(&packet, refusal, nic: nic)
      return false
    }
    return true
  }

  /// Step 12: to the underlay, or through the receiver's judgement to a NIC of this host.
  @inline(__always)
  private mutating func deliver(
    _ packet: inout Packet, _ context: inout PacketContext, _ destination: Destination,
    nic: TableIndex, _ tables: borrowing RuleTables
  ) {
    nics[nic].counters.packetsOut &+= UInt64(context.packets)
    nics[nic].counters.bytesOut &+= UInt64(context.cost)
    packet.verdict = .forward
    if destination.kind == .nic {
      if context.firstFragment != .none {
        // The sender's part stands, whatever the receiver says.
        recordFirstFragment(context.firstFragment, packet)
        context.firstFragment = .none
      }
      judgeLocal(&packet, &context, receiver: destination.index, tables)
    } else {
      encapsulate(&packet, &context, destination, nic: nic, tables)
    }
  }

  // MARK: Later fragments

  /// A fragment whose datagram's first fragment was judged: same verdict, but size and limits are
  /// its own.
  private mutating func followEgress(
    _ packet: inout Packet, _ context: inout PacketContext, _ datagram: UInt32, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) {
    let known = fragments.datagrams[datagram]
    note(.fragmentFollows, UInt64(known.rule))
    if known.reason != .none {
      return dropEgress(
        &packet, context.headers, known.reason, rule: known.rule, nic: nic, tables)
    }
    guard
      let destination = destinationStep(
        &packet, context.headers, nic: nic, tables, checksACL: false)
    else { return }
    packet.rule = known.rule
    packet.state = FlowState(rawValue: known.state) ?? .none
    let rule = packet.rule
    let state = packet.state
    guard leave(&packet, &context, FlowDecision(), destination, nic: nic, tables) else { return }
    packet.rule = rule
    packet.state = state
    deliver(&packet, &context, destination, nic: nic, tables)
  }

  // MARK: Drops

  /// Drops a packet before its way was asked for; the direction still says where it would have
  /// gone.
  @inline(never)
  mutating func dropEgress(
    _ packet: inout Packet, _ headers: borrowing Headers, _ reason: DropReason, rule: UInt32 = 0,
    nic: TableIndex, _ tables: borrowing RuleTables
  ) {
    if leadsToLocalNIC(headers, nic: nic, tables) { packet.direction = .local }
    drop(&packet, reason, nic: nic, rule: rule)
  }

  /// Whether the sender's routes lead to a NIC of this host.
  mutating func leadsToLocalNIC(
    _ headers: borrowing Headers, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> Bool {
    // This look ahead is no step of the judgement.
    let wasTracing = isTracing
    isTracing = false
    defer { isTracing = wasTracing }
    let way = routeStep(headers, nic: nic, tables)
    switch way.outcome {
    case .drop, .gateway: return false
    case .nic: return true
    case .inVPC:
      let (destination, reason) = locate(way.outcome, headers, nic: nic, tables)
      return reason == .none && destination.kind == .nic
    }
  }
}

import Tables
import Wire

// The only place where connections begin, move on and end.

extension Worker {
  /// Carries out what connection tracking decided of a packet that every step accepted.
  ///
  /// - Returns: the connection's record, `none` when the packet has none.
  @inline(__always)
  mutating func commit(
    _ context: inout PacketContext,
    _ decision: FlowDecision, _ direction: Direction, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> UInt32 {
    switch decision.action {
    case .none: return .none
    case .update:
      advance(&context, decision)
      count(decision.record, &context, direction)
      if decision.kind == .tcp && context.tracker.isOver {
        endFlow(decision.record)
        return .none
      }
      return decision.record
    case .create:
      if decision.record != .none { replaceFlow(decision.record, nic: nic) }
      let record = create(
        &context, decision, direction, nic: nic, generation: tables.generation)
      if record != .none { count(record, &context, direction) }
      return record
    }
  }

  @inline(__always)
  private mutating func advance(
    _ context: inout PacketContext, _ decision: FlowDecision
  ) {
    let record = decision.record
    // SAFETY: `pointer` checks the bounds, and nothing moves entries.
    let entry = unsafe flows.entries.pointer(Int(record))
    if decision.side == 1 { unsafe entry.pointee.flags.insert(.seenReply) }
    let old = unsafe entry.pointee.deadline
    if decision.deadline != 0 { unsafe entry.pointee.deadline = decision.deadline }
    if decision.kind == .udp {
      unsafe entry.pointee.state = decision.udpCounts
    } else if decision.kind == .tcp {
      advanceTCP(&context, record)
    }
    // Later deadlines are found when the old one comes up; nearer ones must be armed anew.
    if decision.deadline != 0 && decision.deadline < old {
      rearm(record, deadline: decision.deadline)
    }
  }

  @inline(never)
  private mutating func advanceTCP(_ context: inout PacketContext, _ record: UInt32) {
    flows.tracks[record] = context.tracker.track
    flows.entries[record].state = context.tracker.state.rawValue
  }

  @inline(never)
  private mutating func rearm(_ record: UInt32, deadline: UInt64) {
    flows.wheel.remove(record)
    flows.wheel.insert(record, deadline: deadline)
  }

  @inline(__always)
  private func count(
    _ record: UInt32, _ context: inout PacketContext, _ direction: Direction
  ) {
    // SAFETY: `pointer` checks the bounds, and nothing moves entries.
    let entry = unsafe flows.entries.pointer(Int(record))
    if direction == .egress {
      unsafe entry.pointee.packetsOut &+= context.packets
      unsafe entry.pointee.bytesOut &+= UInt64(context.cost)
    } else {
      unsafe entry.pointee.packetsIn &+= context.packets
      unsafe entry.pointee.bytesIn &+= UInt64(context.cost)
    }
  }

  @inline(never)
  private mutating func create(
    _ context: inout PacketContext,
    _ decision: FlowDecision, _ direction: Direction, nic: TableIndex, generation: UInt32
  ) -> UInt32 {
    guard let record = flows.insert(context.key, hash: context.hash, kind: decision.kind) else {
      if count > 1 { releaseConnection(nic) }
      return .none
    }
    flows.entries[record].deadline = decision.deadline
    flows.entries[record].rule = decision.rule
    // The groups were asked by these tables: only a later cut has them asked again.
    flows.entries[record].generation = generation
    if direction == .ingress { flows.entries[record].flags.insert(.fromOutside) }
    if decision.kind == .udp { flows.entries[record].state = decision.udpCounts }
    if decision.kind == .tcp {
      flows.entries[record].state = context.tracker.state.rawValue
      flows.tracks[record] = context.tracker.track
    }
    flows.wheel.insert(record, deadline: decision.deadline)
    if nics[nic].connections >= reservePerNIC { sharedConnections &+= 1 }
    nics[nic].connections &+= 1
    note(.connectionCreated, UInt64(decision.rule))
    return record
  }

  /// Forgets a connection whose place another takes. `limitStep` asked for none, so the count of
  /// all workers keeps the old one's.
  @inline(never)
  private mutating func replaceFlow(_ record: UInt32, nic: TableIndex) {
    if count > 1 { _ = shared.addConnections(1, nic) }
    endFlow(record)
  }

  /// Forgets a connection.
  @inline(never)
  mutating func endFlow(_ record: UInt32) {
    let nic = flows.entries[record].nic
    flows.wheel.remove(record)
    flows.remove(record)
    nics[nic].connections &-= 1
    if count > 1 { releaseConnection(nic) }
    if nics[nic].connections >= reservePerNIC { sharedConnections &-= 1 }
  }

  /// Forgets connections whose time was over before the current tick of the timers: as many as the
  /// configuration lets one packet clear away. The rest is the next packets' work.
  @inline(never)
  mutating func expireFlows(_ now: UInt64) {
    var left = expiryPerPacket
    while left > 0, let record = flows.wheel.next(before: now) {
      left &-= 1
      let deadline = flows.entries[record].deadline
      // Put back before it is ended, so that `endFlow` finds every record in the wheel.
      flows.wheel.insert(record, deadline: deadline)
      if deadline <= now { endFlow(record) }
    }
  }

  /// Forgets connections that are due within the current tick: asked when an allowance is used up,
  /// so that a connection that has ended by the clock does not count. Looks at 64 at most.
  mutating func expireDueFlows(_ now: UInt64) {
    var record: UInt32? = flows.wheel.currentSlot == .max ? nil : flows.wheel.currentSlot
    var looked = 0
    while let current = record, looked < 64 {
      record = flows.wheel.following(current)
      if flows.entries[current].deadline <= now { endFlow(current) }
      looked &+= 1
    }
  }
}

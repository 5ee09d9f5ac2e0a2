import Tables
import Wire

extension Worker {
  /// Asks every allowance of a NIC, and takes from them only when all admit the packet.
  ///
  /// - Parameters:
  ///   - creates: the packet begins a tracked connection.
  ///   - replaces: which takes the place of one that ends.
  /// - Returns: the first limit that refuses, in the order of the contract; `none` when charged.
  @inline(__always)
  mutating func limitStep(
    _ packet: inout Packet, _ context: inout PacketContext, creates: Bool, replaces: Bool,
    _ direction: Direction, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> DropReason {
    if count > 1 {
      return sharedLimitStep(
        &packet, &context, creates: creates, replaces: replaces, direction, nic: nic, tables)
    }
    let now = packet.time
    let cost = UInt64(context.cost)
    let packets = UInt64(context.packets)
    // SAFETY: `pointer` checks the bounds; neither state nor tables move.
    let state = unsafe nics.pointer(Int(nic))
    let record = unsafe tables.nics.pointer(Int(nic))
    if creates {
      let refusal = connectionLimits(nic, now: now, hash: context.hash, replaces: replaces, tables)
      if refusal != .none { return refusal }
    }
    if unsafe !state.pointee.packets.admits(packets, now: now, record.pointee.packets) {
      unsafe state.pointee.counters.packetsExceeded &+= 1
      return .limitPackets
    }
    if direction == .egress {
      if unsafe !state.pointee.bandwidthOut.take(cost, now: now, record.pointee.bandwidthOut) {
        unsafe state.pointee.counters.bandwidthOutExceeded &+= 1
        return .limitBandwidth
      }
    } else {
      if unsafe !state.pointee.bandwidthIn.take(cost, now: now, record.pointee.bandwidthIn) {
        unsafe state.pointee.counters.bandwidthInExceeded &+= 1
        return .limitBandwidth
      }
    }
    unsafe state.pointee.packets.charge(packets, record.pointee.packets)
    if creates { unsafe state.pointee.connectionRate.charge(1, record.pointee.connectionRate) }
    note(.limits, cost)
    return .none
  }

  /// The limits on connections, asked before any other.
  @inline(never)
  private mutating func connectionLimits(
    _ nic: TableIndex, now: UInt64, hash: UInt64, replaces: Bool, _ tables: borrowing RuleTables
  ) -> DropReason {
    if !hasRoomForConnection(nic, now: now, hash: hash, replaces: replaces, tables) {
      nics[nic].counters.connectionsExceeded &+= 1
      return .limitConnections
    }
    let admits = nics[nic].connectionRate.admits(1, now: now, tables.nics[nic].connectionRate)
    return admits ? .none : .limitConnectionRate
  }

  /// Whether a NIC may open one more connection: its allowance, its share of the table, the table.
  ///
  /// One that takes another's place needs no room, but after the allowance was lowered there may be
  /// too many without it.
  private mutating func hasRoomForConnection(
    _ nic: TableIndex, now: UInt64, hash: UInt64, replaces: Bool, _ tables: borrowing RuleTables
  ) -> Bool {
    let limit = tables.nics[nic].connections
    let replaced: UInt32 = replaces ? 1 : 0
    if nics[nic].connections &- replaced >= limit { expireDueFlows(now) }
    if nics[nic].connections &- replaced >= limit { return false }
    if replaces { return true }
    if !flows.hasRoom(hash) { return false }
    return nics[nic].connections < reservePerNIC || sharedConnections < sharedCapacity
  }
}

import Tables
import Wire

extension Worker {
  /// Asks every allowance of a NIC, and takes from them only when all admit the packet.
  ///
  /// - Parameters:
  ///   - cost: bytes of the frame.
  ///   - creates: the packet begins a tracked connection.
  /// - Returns: the first limit that refuses, in the order of the contract; `none` when charged.
  @inline(__always)
  mutating func limitStep(
    _ packet: borrowing Packet, cost: UInt64, creates: Bool, replaces: Bool,
    _ direction: Direction, nic: TableIndex, _ tables: borrowing RuleTables
  ) -> DropReason {
    let now = packet.time
    if creates {
      if !replaces && !hasRoomForConnection(nic, now: now, tables) {
        nics[nic].counters.connectionsExceeded &+= 1
        return .limitConnections
      }
      if !nics[nic].connectionRate.admits(1, now: now, tables.nics[nic].connectionRate) {
        return .limitConnectionRate
      }
    }
    if !nics[nic].packets.admits(1, now: now, tables.nics[nic].packets) {
      nics[nic].counters.packetsExceeded &+= 1
      return .limitPackets
    }
    if direction == .egress {
      if !nics[nic].bandwidthOut.admits(cost, now: now, tables.nics[nic].bandwidthOut) {
        nics[nic].counters.bandwidthOutExceeded &+= 1
        return .limitBandwidth
      }
      nics[nic].bandwidthOut.charge(cost, tables.nics[nic].bandwidthOut)
    } else {
      if !nics[nic].bandwidthIn.admits(cost, now: now, tables.nics[nic].bandwidthIn) {
        nics[nic].counters.bandwidthInExceeded &+= 1
        return .limitBandwidth
      }
      nics[nic].bandwidthIn.charge(cost, tables.nics[nic].bandwidthIn)
    }
    nics[nic].packets.charge(1, tables.nics[nic].packets)
    if creates { nics[nic].connectionRate.charge(1, tables.nics[nic].connectionRate) }
    note(packet, .limits, cost)
    return .none
  }

  /// Whether a NIC may open one more connection: its allowance, its share of the table, the table.
  private mutating func hasRoomForConnection(
    _ nic: TableIndex, now: UInt64, _ tables: borrowing RuleTables
  ) -> Bool {
    let limit = tables.nics[nic].connections
    if nics[nic].connections >= limit { expireDueFlows(now) }
    if nics[nic].connections >= limit { return false }
    if flows.count >= flows.entries.count { return false }
    return nics[nic].connections < reservePerNIC || sharedConnections < sharedCapacity
  }
}

import Tables
import Wire

// What observers of a live worker ask beside the judgement.

extension Worker {
  /// Copies the steps of the last traced packet, `Trace.capacity` at most.
  ///
  /// The packet was judged in a call of `process` of its own: the trace has the steps of all traced
  /// packets since the last one was prepared.
  ///
  /// - Returns: how many there are.
  /// - Complexity: O(`Trace.capacity`).
  @unsafe @_noLocks
  public func copyTrace(to target: UnsafeMutablePointer<TraceEvent>) -> Int {
    for index in 0..<trace.count { unsafe target[index] = trace[index] }
    return trace.count
  }

  /// The NIC of this host that a NIC's routes lead a packet to; `none` when there is none.
  ///
  /// - Complexity: that of a lookup of routes.
  @_noLocks
  public mutating func localReceiver(
    of headers: borrowing Headers, from nic: TableIndex, _ tables: borrowing RuleTables
  ) -> TableIndex {
    guard headers.hasAddresses, Int(nic) < tables.nics.count else { return .none }
    // This look ahead is no step of the judgement.
    let wasTracing = isTracing
    isTracing = false
    defer { isTracing = wasTracing }
    let way = routeStep(headers, nic: nic, tables)
    switch way.outcome {
    case .drop, .gateway: return .none
    case .nic(let index): return index
    case .inVPC:
      let (destination, reason) = locate(way.outcome, headers, nic: nic, tables)
      return reason == .none && destination.kind == .nic ? destination.index : .none
    }
  }

  /// The NIC of this host that a tunnel packet is for, whoever sent it; `none` when there is none.
  ///
  /// - Parameters:
  ///   - headers: of the inner frame.
  ///   - target: the inner frame's destination MAC address.
  /// - Complexity: O(n) in the number of internet gateways.
  @_noLocks
  public func tunnelReceiver(
    of headers: borrowing Headers, to target: MACAddress, vni: UInt32,
    _ tables: borrowing RuleTables
  ) -> TableIndex {
    guard headers.hasAddresses else { return .none }
    let vpc = tables.vnis.lookup(scope: 0, IPAddress(v4: vni))
    if vpc != .none {
      let found = tables.addresses.lookup(scope: vpc, headers.destination)
      if found != .none && !Location(bits: found).isMapping { return Location(bits: found).index }
    }
    var index = 0
    while index < tables.gateways.count {
      let gateway = tables.gateways[index]
      if gateway.vni == vni || gateway.vpc == vpc {
        let found = tables.publicAddresses.lookup(scope: gateway.vpc, headers.destination)
        if headers.family == .v4 && found != .none { return tables.nicPublicAddresses[found].nic }
        let local = tables.addresses.lookup(scope: gateway.vpc, headers.destination)
        if headers.family == .v6 && local != .none && !Location(bits: local).isMapping {
          return Location(bits: local).index
        }
      }
      index &+= 1
    }
    return vpc == .none ? .none : tables.nicMACs.lookup(scope: vpc, IPAddress(v6: 0, target.bits))
  }
}

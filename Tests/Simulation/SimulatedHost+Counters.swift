import Datapath
import Live
import ReferenceModel
import Tables
import VPCModel
import Wire

// Counters, connections and conservation, compared after every round.

extension SimulatedHost {
  func checkCounters() {
    let counted: [LiveCounter] = [
      .sent, .dropped, .ignored, .punted, .generated, .served, .refused, .answersLost,
      .superPackets, .segments,
    ]
    for counter in counted {
      let found = shared.counters.total(counter)
      let wanted = expected.counts[counter] ?? 0
      if found != wanted { return differ("counter \(counter)", found, wanted) }
    }
    for port in 0..<Self.portCount {
      for reason in DropReason.allCases {
        let found = shared.counters.portDrops(port, reason)
        let wanted = expected.portDrops[port]?[reason] ?? 0
        if found != wanted { return differ("port \(port) \(reason.name)", found, wanted) }
      }
    }
    for interface in reference.currentModel.networkInterfaces where difference == nil {
      checkCounters(of: interface.id)
    }
    for (number, name) in compiled.ruleNames.enumerated() where !name.isEmpty {
      var found: UInt64 = 0
      for worker in workers { found += worker.pointee.engine.hitCount(rule: UInt32(number)) }
      let wanted = expected.hits[name] ?? 0
      if found != wanted { return differ("packets of rule \(name)", found, wanted) }
    }
  }

  private func differ(_ what: String, _ found: UInt64, _ wanted: UInt64) {
    if difference == nil { difference = "\(what): \(found), not \(wanted)" }
  }

  private func checkCounters(of id: String) {
    guard let nic = compiled.slot(ofInterface: id), let wanted = reference.counters(of: id) else {
      return
    }
    var found = ReferenceCounters()
    for worker in workers {
      let counters = worker.pointee.engine.nicState(nic).counters
      found.packetsIn += counters.packetsIn
      found.packetsOut += counters.packetsOut
      found.bytesIn += counters.bytesIn
      found.bytesOut += counters.bytesOut
      found.bandwidthInExceeded += counters.bandwidthInExceeded
      found.bandwidthOutExceeded += counters.bandwidthOutExceeded
      found.packetsExceeded += counters.packetsExceeded
      found.connectionsExceeded += counters.connectionsExceeded
      found.linkLocalExceeded += counters.linkLocalExceeded
      for reason in DropReason.allCases {
        let drops = worker.pointee.engine.dropCount(nic, reason)
        if drops > 0 { found.drops[reason, default: 0] += drops }
      }
    }
    if found != wanted { difference = "counters of \(id): \(found), not \(wanted)" }
  }

  // MARK: Connections

  func checkConnections() {
    var found: [String: Set<ReferenceConnection>] = [:]
    /// Records of each slot at all workers, those that ended by the clock among them.
    var held = [UInt64](repeating: 0, count: Self.nicCapacity)
    let records = WorkerMemory<FlowRecord>(count: 512)
    defer { records.deallocate() }
    let ids = compiled.nicIDs
    for (index, worker) in workers.enumerated() {
      let before = held
      var cursor: UInt32 = 0
      while cursor != .none {
        var count = 0
        worker.pointee.engine.listFlows(
          &cursor, matching: FlowFilter(), now: 0, into: records, count: &count)
        for index in 0..<min(count, records.count) {
          let record = records[index]
          let slot = Int(record.entry.nic)
          held[slot] += 1
          if record.entry.deadline <= now { continue }
          let id = slot < ids.count ? ids[slot] : ""
          // Of one that went, until the worker has swept.
          if id.isEmpty { continue }
          if !found[id, default: []].insert(connection(record)).inserted {
            difference = "a connection of \(id) twice: \(connection(record))"
            return
          }
        }
      }
      checkCounts(ofWorker: index, zip(held, before).map { $0 - $1 })
    }
    checkSharedCounts(held)
    for interface in reference.currentModel.networkInterfaces {
      let wanted = reference.connections(of: interface.id, at: now)
      let have = found[interface.id] ?? []
      if have == wanted { continue }
      difference =
        "connections of \(interface.id): engine has \(have.subtracting(wanted).map(\.text)), "
        + "reference \(wanted.subtracting(have).map(\.text))"
      return
    }
  }

  /// What a worker counts of each interface's connections are the records that it holds.
  private func checkCounts(ofWorker index: Int, _ held: [UInt64]) {
    for (slot, wanted) in held.enumerated() {
      let counted = workers[index].pointee.engine.nicState(TableIndex(slot)).connections
      if UInt64(counted) == wanted { continue }
      return differ("connections of slot \(slot) at worker \(index)", UInt64(counted), wanted)
    }
  }

  /// The count that the limit of several workers goes by is of the records that all of them hold.
  private func checkSharedCounts(_ held: [UInt64]) {
    guard let allowances else { return }
    for (slot, wanted) in held.enumerated() {
      let counted = allowances.connections(TableIndex(slot))
      if counted == wanted { continue }
      return differ("connections of slot \(slot) at all workers", counted, wanted)
    }
  }

  private func connection(_ record: FlowRecord) -> ReferenceConnection {
    let isPortless = record.entry.kind == .other
    return ReferenceConnection(
      local: record.localAddress, remote: record.remoteAddress,
      protocolNumber: record.entry.transport, localPort: isPortless ? 0 : record.localPort,
      remotePort: isPortless ? 0 : record.remotePort, rule: ruleName(record.entry.rule),
      beganByLocal: !record.entry.flags.contains(.fromOutside), deadline: record.entry.deadline,
      state: record.entry.kind == .tcp || record.entry.kind == .udp ? record.entry.state : 0)
  }

  // MARK: Conservation

  func checkConservation(isAtRest: Bool) {
    let counters = shared.counters
    let incoming = counters.total(.received) + counters.total(.takenOver)
    let settled =
      counters.total(.sent) + counters.total(.dropped) + counters.total(.ignored)
      + counters.total(.punted) + counters.total(.handedOver)
    if incoming != settled { return differ("packets that came", incoming, settled) }
    if counters.total(.received) != UInt64(wires.accepted) {
      return differ("received", counters.total(.received), UInt64(wires.accepted))
    }
    let crossing = Int(counters.total(.handedOver)) - Int(counters.total(.takenOver))
    let held = wires.buffersHeld + crossing
    if wires.buffersInUse != held && difference == nil {
      difference = "\(wires.buffersInUse) buffers in use, \(held) accounted for"
    }
    if wires.faults > 0 && difference == nil { difference = "a buffer was given back twice" }
    guard isAtRest else { return }
    let crossings = Int(counters.total(.takenOver))
    let most = expected.crossed + 2 * expected.fragments
    if (crossings < expected.crossed || crossings > most) && difference == nil {
      difference = "\(crossings) crossings, expected \(expected.crossed) to \(most)"
    }
    if (crossing != 0 || wires.buffersInUse != 0) && difference == nil {
      difference = "\(crossing) packets and \(wires.buffersInUse) buffers left behind"
    }
  }
}

extension ReferenceConnection {
  /// For people.
  var text: String {
    "\(local):\(localPort) \(remote):\(remotePort) protocol \(protocolNumber) rule '\(rule)' "
      + "\(beganByLocal ? "out" : "in") until \(deadline) state \(state)"
  }
}

import Controller
import Datapath
import HostPlan
import Live
import TableCompiler
import Tables
import VPCModel
import Wire

/// The running host as the controller drives it: compiles desired states, and has the service
/// thread publish them.
final class LiveDataPlane: DataPlane {
  /// Between two looks whether workers have cleaned up after what went, and how often it looks.
  private static let pause = Duration.milliseconds(5)
  private static let attempts = 400

  private let host: Host?
  private let plan: HostPlan
  private let guests: GuestPorts
  private let uplinkMAC: MACAddress
  let shared: WorkerShared
  private let allowances: SharedAllowances?
  let inUse: TablesInUse
  private let queue: PublicationQueue
  private let sampler: HostSampler
  private let inspector: ConnectionInspector
  /// Whoever looks at packets.
  let seat = ObservationSeat()

  /// - Parameter server: whose first tables are published.
  init(_ server: HostServer) {
    host = server.inUse.current.model.host
    plan = server.plan
    guests = server.guests
    uplinkMAC = server.uplinkMAC
    shared = server.shared
    allowances = server.allowances
    inUse = server.inUse
    queue = server.queue
    sampler = HostSampler(server)
    inspector = ConnectionInspector(shared: server.shared)
  }

  // MARK: Publication

  func publish(_ state: PublishedState) async throws(DataPlaneError) -> PublishReport {
    try check(state)
    let wanted = try guests.change(to: state.ports)
    let previous = inUse.current
    let compiled = try await compile(state, after: previous)
    // Last of all that can be refused, so that a device is not opened for nothing.
    let change = try guests.open(wanted, isRestored: state.isRestored)
    allowances?.fill(for: compiled.tables)
    var publication = publication(compiled, change)
    if !compiled.hasInterfacesAndMappings(of: previous) { publication.desk = ServiceDesk(compiled) }
    inUse.announce(compiled)
    guard await queue.publish(publication) else {
      guests.lose(change.opened)
      throw .workersDoNotPass(seconds: HostServer.publicationPatience)
    }
    inUse.replace(with: compiled, number: state.generation)
    await finish(change)
    // Counted afterwards, so that no packet waits for it. What `cut` has ended by then is missing.
    let affected =
      compiled.hasRules(of: previous) ? [:] : await affected(by: compiled, after: previous)
    return PublishReport(
      affectedConnections: affected, tableBytes: compiled.byteCount,
      unopenedPorts: guests.unopened)
  }

  func openMissingPorts() async -> [String: String] {
    guard let wanted = guests.wanted else { return [:] }
    do throws(DataPlaneError) {
      let change = try guests.open(try guests.change(to: wanted), isRestored: true)
      if change.opened.isEmpty { return guests.unopened }
      if await queue.publish(publication(inUse.current, change)) {
        await finish(change)
      } else {
        guests.lose(change.opened)
      }
    } catch {
      // Their numbers or devices are not free yet.
    }
    return guests.unopened
  }

  private func publication(_ compiled: CompiledTables, _ change: PortChange) -> Publication {
    Publication(
      compiled, guests: GuestPorts.ordered(change.guests), portCount: shared.portCount,
      uplinkMAC: uplinkMAC)
  }

  /// Closes ports that went, and waits a while until nothing of them is on its way.
  private func finish(_ change: PortChange) async {
    guests.finish(change)
    if change.closed.isEmpty { return }
    for _ in 0..<Self.attempts where !guests.settle() { try? await Task.sleep(for: Self.pause) }
  }

  func preview(_ state: PublishedState) async throws(DataPlaneError) -> PublishReport {
    try check(state)
    _ = try guests.change(to: state.ports)
    let current = inUse.current
    let compiled = try await compile(state, after: current)
    return PublishReport(
      affectedConnections: await affected(by: compiled, after: current),
      tableBytes: compiled.byteCount)
  }

  /// Live connections that tables would refuse; none when a worker does not say in time.
  private func affected(
    by next: CompiledTables, after current: CompiledTables
  ) async -> [String: Int] {
    await inspector.refused(
      by: next, current: current, nicCapacity: plan.memory.networkInterfaces) ?? [:]
  }

  /// Refuses what cannot change while the ports are open.
  private func check(_ state: PublishedState) throws(DataPlaneError) {
    let next = state.model.host
    if next?.address != host?.address { throw .fixed(what: "host.address") }
    if next?.mac != host?.mac { throw .fixed(what: "host.mac") }
    if next?.mtu != host?.mtu { throw .fixed(what: "host.mtu") }
  }

  /// Compiles a state as the next generation; waits for workers where numbers are free only after
  /// they have cleaned up.
  private func compile(
    _ state: PublishedState, after previous: CompiledTables
  ) async throws(DataPlaneError) -> CompiledTables {
    let policy = state.onRuleChange ?? state.model.policy.onRuleChange
    for _ in 0..<Self.attempts {
      var request = CompileRequest(
        generation: UInt32(truncatingIfNeeded: shared.nextGeneration),
        capacity: plan.memory.tableCapacity, previous: previous)
      request.swept = shared.sweptGeneration
      request.cutsConnections = policy == .cut
      do { return try TableCompiler.compile(state.model, request) } catch {
        switch error {
        case .awaitsWorkers: break
        case .capacity(let what, let count, let limit):
          throw .full(what: what, limit: limit, asked: count)
        case .unknownReference, .underlayFamily: throw .fixed(what: "\(error)")
        }
      }
      try? await Task.sleep(for: Self.pause)
    }
    throw .workersDoNotPass(seconds: 2)
  }

  // MARK: Reads

  func counters() async -> HostCounters { sampler.counters() }

  func connections(_ filter: ConnectionFilter, limit: Int) async -> ConnectionList {
    let compiled = inUse.current
    guard limit > 0, let flows = FlowFilter(filter, compiled),
      let found = await inspector.list(flows, limit: limit)
    else { return ConnectionList() }
    let now = shared.clock.now()
    let names = compiled.ruleNames
    let ids = compiled.nicIDs
    let connections = found.records.prefix(limit).map { record in
      ConnectionList.Connection(
        record,
        networkInterface: Int(record.entry.nic) < ids.count ? ids[Int(record.entry.nic)] : "",
        rule: Int(record.entry.rule) < names.count ? names[Int(record.entry.rule)] : "", now: now)
    }
    return ConnectionList(
      connections: Array(connections), isCut: found.isCut || found.records.count > limit)
  }
}

extension MemoryPlan {
  /// What workers keep memory for.
  var tableCapacity: TableCapacity {
    TableCapacity(networkInterfaces: networkInterfaces, rules: rules)
  }
}

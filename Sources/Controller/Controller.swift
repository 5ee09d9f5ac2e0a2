import HostPlan
import VPCModel

/// Holds the desired state of a host, changes it whole or not at all, and keeps account of all
/// calls.
///
/// A change takes this way: the caller's permission, its place in the queue, validation, the audit
/// record that it begins, the store (pending), the data plane, the store (acknowledged), the audit
/// record that it is done, the answer. Whatever fails before the data plane has the new state
/// leaves the old one in force everywhere.
public actor Controller: ControlPlane {
  let configuration: ControllerConfiguration
  let dataPlane: any DataPlane
  let lock: StateLock
  let store: StateStore
  let audit: AuditLog
  var state: DesiredState
  var isForwarding: Bool
  var warnings: [String]
  /// Why ports of the state are not open, by network interface.
  var unopenedPorts: [String: String] = [:] {
    didSet { if !unopenedPorts.isEmpty { awaitPorts() } }
  }
  private var isAwaitingPorts = false
  /// The highest generation that the data plane or the store has seen.
  var highestGeneration: UInt64
  var queue: ChangeQueue
  var watchers = Watchers()
  var refusals = RefusalTally()
  /// No call is let in any more.
  var isStopping = false

  /// - Parameters:
  ///   - storage: the opened state directory.
  ///   - dataPlane: what the state is published to.
  ///   - isPublished: whether the data plane already began with `storage.restored`; else `start`
  ///     publishes it.
  public init(_ storage: ControllerStorage, dataPlane: any DataPlane, isPublished: Bool = false) {
    configuration = storage.configuration
    self.dataPlane = dataPlane
    lock = storage.lock
    store = storage.store
    audit = storage.audit
    state = storage.state
    warnings = storage.warnings
    highestGeneration = storage.highestGeneration
    isForwarding = isPublished && storage.state.generation > 0
    queue = ChangeQueue(limit: storage.configuration.limits.waitingChanges)
  }

  /// Publishes the restored state; does nothing when there is none, or it is published already.
  ///
  /// - Throws: why the data plane does not take it; calls are served nevertheless, so that a state
  ///   that it takes can be applied.
  public func start() async throws(DataPlaneError) {
    guard state.generation > 0, !isForwarding else { return }
    comparePorts()
    do throws(DataPlaneError) {
      let report = try await dataPlane.publish(state.published(isRestored: true))
      unopenedPorts = report.unopenedPorts
      isForwarding = true
      watchers.send(currentStatus)
    } catch {
      warnings.append("the restored state is not in force: \(error.refusal)")
      throw error
    }
  }

  /// Warns when the host file names other ports than the state, which counts.
  private func comparePorts() {
    // A host file without guests leaves them to the state.
    guard let named = configuration.hostFilePorts, !named.isEmpty else { return }
    func differing(_ ports: [GuestPlan], _ others: [GuestPlan]) -> [String] {
      ports.filter { !others.contains($0) }.map(\.networkInterface)
    }
    let names = Set(differing(named, state.ports) + differing(state.ports, named)).sorted()
    if names.isEmpty { return }
    let rest = names.count > 5 ? " and \(names.count - 5) more" : ""
    warn(
      "the host file's guests are not the stored ports, and the stored ones count: "
        + "\(names.prefix(5).joined(separator: ", "))\(rest) "
        + "('apus get ports' lists them, 'apus apply' changes them)")
  }

  /// Tries again until all ports are open: a device may come later than Apus, when a host starts.
  private func awaitPorts() {
    if isAwaitingPorts { return }
    isAwaitingPorts = true
    Task { [weak self, interval = configuration.limits.portInterval] in
      repeat { try? await Task.sleep(for: interval) } while await self?.openMissingPorts() == true
    }
  }

  /// - Returns: whether there is a reason to try again.
  private func openMissingPorts() async -> Bool {
    if case .wait = queue.enter(isBounded: false) {
      await withCheckedContinuation { queue.wait($0) }
    }
    defer { queue.leave() }
    let missing = isStopping ? [:] : await dataPlane.openMissingPorts()
    isAwaitingPorts = !missing.isEmpty
    if missing != unopenedPorts {
      unopenedPorts = missing
      watchers.send(currentStatus)
    }
    return isAwaitingPorts
  }

  /// Ends all watches, waits for the change under way, and gives the state directory free for
  /// another process. Changes that wait, and all later calls, are refused.
  public func stop() async {
    if isStopping { return }
    isStopping = true
    watchers.finish()
    await dataPlane.endObservations()
    if case .wait = queue.enter(isBounded: false) {
      await withCheckedContinuation { queue.wait($0) }
    }
    queue.leave()
    for entry in refusals.rest() { await record(entry) }
    await audit.close()
    await store.close()
    lock.release()
  }

  /// Refuses a call that comes after the end; it is not recorded, for the log is another's.
  func checkRunning() throws(ControlError) {
    guard !isStopping else {
      throw .unavailable(why: "the controller is ending", advice: "ask the one that follows it")
    }
  }

  // MARK: Reading

  public func objects(
    _ kind: ObjectKind?, ids: [String], by caller: Caller
  ) async throws(ControlError) -> ObjectList {
    var entry = AuditEntry("objects", by: caller)
    if let kind {
      entry.objects = ids.prefix(AuditEntry.namedObjects).map { ObjectReference(kind, $0) }
      entry.objectCount = ids.count
    }
    try await admit(entry, .read)
    let state = self.state
    do throws(ControlError) {
      return try await Self.list(state, kind, ids)
    } catch {
      entry.outcome = "refused"
      entry.why = error.line
      await record(entry)
      throw error
    }
  }

  @concurrent private static func list(
    _ state: DesiredState, _ kind: ObjectKind?, _ ids: [String]
  ) async throws(ControlError) -> ObjectList {
    guard let kind else {
      guard ids.isEmpty else { throw .invalid(["ids need the kind of the objects"]) }
      return ObjectList(generation: state.generation, items: state.items(ObjectKind.allCases))
    }
    let items = state.items([kind])
    if ids.isEmpty { return ObjectList(generation: state.generation, items: items) }
    let wanted = Set(ids)
    let found = items.filter { wanted.contains($0.reference.id) }
    if found.count < wanted.count {
      let present = Set(found.map(\.reference.id))
      let missing = ids.first { !present.contains($0) } ?? ""
      throw .notFound(ObjectReference(kind, missing))
    }
    return ObjectList(generation: state.generation, items: found)
  }

  public func status(by caller: Caller) async throws(ControlError) -> ControlStatus {
    try await admit(AuditEntry("status", by: caller), .read)
    return currentStatus
  }

  public func counters(by caller: Caller) async throws(ControlError) -> HostCounters {
    try await admit(AuditEntry("counters", by: caller), .counters)
    return await dataPlane.counters()
  }

  public func connections(
    _ filter: ConnectionFilter, limit: Int, by caller: Caller
  ) async throws(ControlError) -> ConnectionList {
    try await admit(AuditEntry("connections", by: caller), .counters)
    guard limit >= 0 else { throw .invalid(["the limit must not be below zero"]) }
    return await dataPlane.connections(
      filter, limit: min(limit, configuration.limits.connections))
  }

  public func watch(by caller: Caller) async throws(ControlError) -> AsyncStream<ControlStatus> {
    try await admit(AuditEntry("watch", by: caller), .read)
    let limit = configuration.limits.watchers
    guard watchers.count < limit else {
      throw .full(what: "watchers", limit: limit, asked: limit + 1)
    }
    return watchers.add(currentStatus) { [weak self] number in
      Task { await self?.remove(watcher: number) }
    }
  }

  /// Those who watch now.
  public var watcherCount: Int { watchers.count }

  /// Changes that are applied or wait.
  public var changesUnderWay: Int { queue.count }

  private func remove(watcher number: UInt64) { watchers.remove(number) }

  var currentStatus: ControlStatus {
    ControlStatus(
      version: configuration.version, generation: state.generation, changedAt: state.changedAt,
      isForwarding: isForwarding, objectCounts: state.objectCounts,
      warnings: warnings + portWarnings)
  }

  private var portWarnings: [String] {
    unopenedPorts.sorted { $0.key < $1.key }.map { "ports/\($0.key) is not open: \($0.value)" }
  }

  // MARK: Account

  /// Records a call and lets it pass when its caller may do it.
  func admit(_ call: AuditEntry, _ permission: Permission) async throws(ControlError) {
    try checkRunning()
    guard call.caller.permissions.contains(permission) else {
      throw await refused(call, .denied(permission: permission, caller: call.caller.name))
    }
    try await account(call)
  }

  /// Writes a record and the end of the log that the store knows.
  func account(_ entry: AuditEntry) async throws(ControlError) {
    do throws(StorageError) {
      let head = try await audit.append(entry)
      try await store.note(head)
    } catch {
      throw error.refusal(directory: configuration.stateDirectory)
    }
  }

  /// Writes a record when that is possible; what it tells has happened anyway.
  func record(_ entry: AuditEntry) async {
    do throws(ControlError) {
      try await account(entry)
    } catch {
      warn("the audit log misses records: \(error.line)")
    }
  }

  /// Records that a call is refused, and gives back why.
  func refused(_ call: AuditEntry, _ error: ControlError) async -> ControlError {
    var entry = call
    entry.phase = .done
    entry.outcome =
      switch error {
      case .denied: "denied"
      case .unavailable: "failed"
      default: "refused"
      }
    entry.why = error.line
    await record(entry)
    return error
  }

  /// Tells the operator something once.
  func warn(_ text: String) {
    if warnings.contains(text) { return }
    warnings.append(text)
    if warnings.count > 100 { warnings.removeFirst() }
  }

  public func recordRefusal(method: String, by caller: Caller, why: String) async {
    if isStopping { return }
    // A flood of refused calls must not fill the disk: the same ones of a second are one record.
    guard let entry = refusals.next(method, caller, why, at: Files.now()) else { return }
    await record(entry)
  }
}

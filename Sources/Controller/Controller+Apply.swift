import VPCModel

extension Controller {
  public func apply(
    _ request: ChangeRequest, by caller: Caller
  ) async throws(ControlError) -> ChangeOutcome {
    try checkRunning()
    let call = AuditEntry(request.isDryRun ? "apply --dry-run" : "apply", by: caller)
    try await checkChange(request, call)
    try await takeTurn(call)
    defer { queue.leave() }
    let (prepared, onRuleChange) = try await prepare(request, call)
    let named = call.naming(prepared)
    if !request.isDryRun { return try await perform(prepared, onRuleChange, named) }
    let outcome = try await foretell(prepared, onRuleChange, named)
    try await account(named)
    return outcome
  }

  /// Refuses a change that its caller may not ask for, or that is too long.
  func checkChange(_ request: ChangeRequest, _ call: AuditEntry) async throws(ControlError) {
    guard !call.caller.permissions.isDisjoint(with: [.apply, .ports]) else {
      throw await refused(call, .denied(permission: .apply, caller: call.caller.name))
    }
    let bytes = request.content.bytes
    let limit = configuration.limits.requestBytes
    guard bytes <= limit else {
      throw await refused(call, .full(what: "bytes of a request", limit: limit, asked: bytes))
    }
  }

  /// Waits until no other change is under way; `queue.leave` is due afterwards.
  func takeTurn(_ call: AuditEntry) async throws(ControlError) {
    switch queue.enter() {
    case .now: break
    case .wait: await withCheckedContinuation { queue.wait($0) }
    case .refused:
      throw await refused(
        call,
        .unavailable(
          why: "\(configuration.limits.waitingChanges) changes are waiting already",
          advice: "try again later"))
    }
    do throws(ControlError) {
      try checkRunning()
      if Task.isCancelled {
        throw await refused(
          call, .unavailable(why: "the caller went before its turn came", advice: "apply again"))
      }
    } catch {
      queue.leave()
      throw error
    }
  }

  /// Reads and checks a change, and whether its caller may make it; while no other is under way.
  func prepare(
    _ request: ChangeRequest, _ call: AuditEntry
  ) async throws(ControlError) -> (prepared: PreparedChange, onRuleChange: Policy.RuleChange?) {
    do throws(ControlError) {
      if let expected = request.expectedGeneration, expected != state.generation {
        throw .conflict(expected: expected, actual: state.generation)
      }
      let onRuleChange = try request.ruleChange()
      let prepared = try await PreparedChange.prepare(
        request, on: state, configuration: configuration)
      for permission in Permission.allCases
      where prepared.permissions.contains(permission)
        && !call.caller.permissions.contains(permission)
      {
        throw .denied(permission: permission, caller: call.caller.name)
      }
      return (prepared, onRuleChange)
    } catch {
      throw await refused(call, error)
    }
  }

  /// Makes a checked change, while no other is under way.
  func perform(
    _ prepared: PreparedChange, _ onRuleChange: Policy.RuleChange?, _ call: AuditEntry
  ) async throws(ControlError) -> ChangeOutcome {
    var call = call.naming(prepared)
    // A state that was restored but is not in force is published by whoever asks for it again.
    if prepared.changes.isEmpty, isForwarding || state.generation == 0 {
      call.generation = state.generation
      try await account(call)
      return ChangeOutcome(generation: state.generation, warnings: prepared.warnings)
    }
    return try await takeEffect(prepared, onRuleChange, call)
  }

  /// What a change would do.
  func foretell(
    _ prepared: PreparedChange, _ onRuleChange: Policy.RuleChange?, _ call: AuditEntry
  ) async throws(ControlError) -> ChangeOutcome {
    var affected: [String: Int] = [:]
    if !prepared.changes.isEmpty {
      var next = prepared.state
      next.generation = highestGeneration + 1
      do throws(DataPlaneError) {
        let report = try await dataPlane.preview(next.published(onRuleChange: onRuleChange))
        affected = report.affectedConnections
      } catch {
        throw await refused(call, error.refusal)
      }
    }
    return ChangeOutcome(
      generation: state.generation, changes: prepared.outcomes, affectedConnections: affected,
      warnings: prepared.warnings)
  }

  /// Audit, store, data plane, store, audit: in this order.
  private func takeEffect(
    _ prepared: PreparedChange, _ onRuleChange: Policy.RuleChange?, _ call: AuditEntry
  ) async throws(ControlError) -> ChangeOutcome {
    var next = prepared.state
    next.generation = highestGeneration + 1
    highestGeneration = next.generation
    var call = call
    call.generation = next.generation
    do throws(StorageError) {
      var begin = call
      begin.phase = .begin
      let head = try await audit.append(begin)
      try await store.begin(next.generation, prepared.changes, head: head)
    } catch {
      throw await refused(call, error.refusal(directory: configuration.stateDirectory))
    }
    let report: PublishReport
    do throws(DataPlaneError) {
      report = try await dataPlane.publish(next.published(onRuleChange: onRuleChange))
    } catch {
      await abandon(next.generation)
      throw await refused(call, error.refusal)
    }
    unopenedPorts = report.unopenedPorts
    next.changedAt = Files.now()
    do throws(StorageError) {
      try await store.acknowledge(next.generation, at: next.changedAt)
    } catch {
      await goBack(from: next)
      throw await refused(call, error.refusal(directory: configuration.stateDirectory))
    }
    state = next
    isForwarding = true
    await record(call)
    watchers.send(currentStatus)
    await backUpIfDue()
    return ChangeOutcome(
      generation: next.generation, changes: prepared.outcomes,
      affectedConnections: report.affectedConnections, warnings: prepared.warnings)
  }

  private func abandon(_ generation: UInt64) async {
    do throws(StorageError) {
      try await store.abandon(generation)
    } catch {
      // It stays pending, and a restart takes it back.
      warn("\(error.what): \(error.why)")
    }
  }

  /// Publishes the state in force again, after a newer one could not be made to last.
  private func goBack(from newer: DesiredState) async {
    await abandon(newer.generation)
    highestGeneration += 1
    var published = state.published()
    published.generation = highestGeneration
    do throws(DataPlaneError) {
      _ = try await dataPlane.publish(published)
    } catch {
      warn(
        "the data plane judges by generation \(newer.generation), which is not stored: "
          + error.refusal.line)
    }
  }

  private func backUpIfDue() async {
    do throws(StorageError) {
      try await store.backUpIfDue(state.generation)
    } catch {
      warn("\(error.what): \(error.why)")
    }
  }
}

extension AuditEntry {
  /// The same with the objects that a change is about.
  func naming(_ prepared: PreparedChange) -> AuditEntry {
    var entry = self
    entry.objects = prepared.changes.prefix(Self.namedObjects).map(\.reference)
    entry.objectCount = prepared.changes.count
    return entry
  }
}

extension ChangeRequest {
  fileprivate func ruleChange() throws(ControlError) -> Policy.RuleChange? {
    guard let onRuleChange else { return nil }
    guard let choice = Policy.RuleChange(rawValue: onRuleChange) else {
      let words = Policy.RuleChange.allCases.map { "`\($0.rawValue)`" }.joined(separator: " or ")
      throw .invalid(["onRuleChange must be \(words), not `\(onRuleChange)`"])
    }
    return choice
  }
}

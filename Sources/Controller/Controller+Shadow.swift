import VPCModel

extension Controller {
  /// A state that may come into force, checked whole, and whose it is.
  struct Candidate: Sendable {
    var prepared: PreparedChange
    var onRuleChange: Policy.RuleChange?
    /// Of the state that it was checked on.
    var generation: UInt64
    var caller: Caller
  }

  public func shadow(
    _ request: ShadowRequest, by caller: Caller
  ) async throws(ControlError) -> any Shadow {
    try checkRunning()
    var call = AuditEntry("shadow", by: caller)
    call.detail = request.text
    guard caller.permissions.contains(.trace) else {
      throw await refused(call, .denied(permission: .trace, caller: caller.name))
    }
    try await checkChange(request.change, call)
    if let fault = request.fault { throw await refused(call, .invalid([fault])) }
    // In the queue, so that the rules stay until the shadow has begun.
    try await takeTurn(call)
    defer { queue.leave() }
    return try await beginShadow(request, call)
  }

  private func beginShadow(
    _ request: ShadowRequest, _ call: AuditEntry
  ) async throws(ControlError) -> any Shadow {
    let (prepared, onRuleChange) = try await prepare(request.change, call)
    let call = call.naming(prepared)
    let preview = try await foretell(prepared, onRuleChange, call)
    try await account(call)
    let plan = ShadowPlan(
      prepared.state.model, filter: request.filter, oneIn: request.oneIn, seconds: request.seconds)
    let session: any ShadowSession
    do throws(ObservationError) { session = try await dataPlane.shadow(plan) } catch {
      throw await refused(call, error.refusal)
    }
    let candidate = Candidate(
      prepared: prepared, onRuleChange: onRuleChange, generation: state.generation,
      caller: call.caller)
    return ControllerShadow(candidate, preview: preview, session: session, of: self)
  }

  /// Makes a candidate the state in force, unless that has changed since.
  func promote(_ candidate: Candidate) async throws(ControlError) -> ChangeOutcome {
    try checkRunning()
    let call = AuditEntry("shadow promote", by: candidate.caller)
    try await takeTurn(call)
    defer { queue.leave() }
    guard state.generation == candidate.generation else {
      throw await refused(
        call, .conflict(expected: candidate.generation, actual: state.generation))
    }
    return try await perform(candidate.prepared, candidate.onRuleChange, call)
  }

  /// Records that a candidate is not promoted because of what its shadow found.
  func recordUnlike(_ counts: ShadowCounts, _ candidate: Candidate) async {
    if isStopping { return }
    var call = AuditEntry("shadow promote", by: candidate.caller, outcome: "refused")
    call.why =
      counts.different > 0
      ? "\(counts.different) packets differ" : "no packet was compared"
    await record(call.naming(candidate.prepared))
  }
}

import ControlAPI
import Controller
import Synchronization

/// A controller without a data plane: checks permissions and generations, and remembers everything.
final class FakePlane: ControlPlane, AuditSource {
  struct Refused: Equatable {
    var method: String
    var caller: String
    var why: String
  }

  struct State {
    var generation: UInt64 = 7
    var calls: [String] = []
    var callers: [Caller] = []
    var refused: [Refused] = []
    var changes: [ChangeRequest] = []
    var watchers: [AsyncStream<ControlStatus>.Continuation] = []
    /// What the next apply throws.
    var failure: ControlError?
    var objects: [ObjectList.Item] = []
    var counters = HostCounters()
    var connections: [ConnectionList.Connection] = []
    var traced: [ObservationBatch<TracedPacket>] = []
    var captured: [ObservationBatch<CapturedPacket>] = []
    var traces: [TraceRequest] = []
    var captures: [CaptureRequest] = []
    /// What shadows report, and what became of them.
    var shadowReports: [ShadowReport] = []
    var shadows: [ShadowRequest] = []
    var shadowEvents: [String] = []
    /// Traces and captures go on until their callers go, of which there were so many.
    var observationsStay = false
    var observationsEnded = 0
    var audit: [StoredAuditRecord] = []
    var auditProblem: String?
  }

  let state = Mutex(State())

  func check(
    _ call: String, _ permission: Permission, _ caller: Caller
  ) throws(ControlError) {
    state.withLock {
      $0.calls.append(call)
      $0.callers.append(caller)
    }
    if !caller.permissions.contains(permission) {
      throw .denied(permission: permission, caller: caller.name)
    }
  }

  func apply(_ request: ChangeRequest, by caller: Caller) async throws(ControlError)
    -> ChangeOutcome
  {
    try check("apply", .apply, caller)
    let result: Result<ChangeOutcome, ControlError> = state.withLock { state in
      if let failure = state.failure { return .failure(failure) }
      if let expected = request.expectedGeneration, expected != state.generation {
        return .failure(.conflict(expected: expected, actual: state.generation))
      }
      state.changes.append(request)
      if !request.isDryRun { state.generation += 1 }
      return .success(
        ChangeOutcome(
          generation: state.generation,
          changes: [
            .init(ObjectReference(.securityGroups, "sg-web"), .created),
            .init(ObjectReference(.vpcs, "vpc-blue"), .deleted),
          ],
          affectedConnections: ["eni-web": 3], warnings: ["sg-web: nobody uses it"]))
    }
    notify()
    return try result.get()
  }

  func notify() {
    let status = status
    state.withLock { for watcher in $0.watchers { watcher.yield(status) } }
  }

  func objects(_ kind: ObjectKind?, ids: [String], by caller: Caller) async throws(ControlError)
    -> ObjectList
  {
    try check("objects", .read, caller)
    if let id = ids.first(where: { $0 == "missing" }) {
      throw .notFound(ObjectReference(kind ?? .vpcs, id))
    }
    return state.withLock { state in
      ObjectList(
        generation: state.generation,
        items: state.objects.filter { item in
          (kind == nil || item.reference.kind == kind)
            && (ids.isEmpty || ids.contains(item.reference.id))
        })
    }
  }

  var status: ControlStatus {
    state.withLock { state in
      ControlStatus(
        version: "test", generation: state.generation, changedAt: 1_700_000_000_500_000_000,
        isForwarding: true, objectCounts: [.vpcs: 2], warnings: ["look here"])
    }
  }

  func status(by caller: Caller) async throws(ControlError) -> ControlStatus {
    try check("status", .read, caller)
    return status
  }

  func counters(by caller: Caller) async throws(ControlError) -> HostCounters {
    try check("counters", .counters, caller)
    return state.withLock { $0.counters }
  }

  func connections(_ filter: ConnectionFilter, limit: Int, by caller: Caller)
    async throws(ControlError) -> ConnectionList
  {
    try check("connections", .counters, caller)
    return state.withLock { state in
      let matching = state.connections.filter {
        (filter.networkInterface == nil || $0.networkInterface == filter.networkInterface)
          && (filter.port == nil || $0.localPort == filter.port || $0.remotePort == filter.port)
      }
      return ConnectionList(
        connections: Array(matching.prefix(limit)), isCut: matching.count > limit)
    }
  }

  func watch(by caller: Caller) async throws(ControlError) -> AsyncStream<ControlStatus> {
    try check("watch", .read, caller)
    let (stream, continuation) = AsyncStream.makeStream(
      of: ControlStatus.self, bufferingPolicy: .bufferingNewest(1))
    continuation.yield(status)
    state.withLock { $0.watchers.append(continuation) }
    return stream
  }

  func recordRefusal(method: String, by caller: Caller, why: String) async {
    state.withLock { $0.refused.append(Refused(method: method, caller: caller.name, why: why)) }
  }

  func auditRecords(after sequence: UInt64, limit: Int, by caller: Caller)
    async throws(ControlError) -> [StoredAuditRecord]
  {
    try check("auditRecords", .audit, caller)
    return state.withLock { state in
      Array(state.audit.filter { $0.sequence > sequence }.prefix(limit))
    }
  }

  func checkAudit(by caller: Caller) async throws(ControlError) -> AuditCheck {
    try check("checkAudit", .audit, caller)
    return state.withLock { AuditCheck(records: UInt64($0.audit.count), problem: $0.auditProblem) }
  }

  var refused: [Refused] { state.withLock { $0.refused } }
  var calls: [String] { state.withLock { $0.calls } }

  /// Waits until a refusal is recorded that a test looks for; bounded.
  func waitForRefusal(_ matches: (Refused) -> Bool) async -> Refused? {
    for _ in 0..<1000 {
      if let found = refused.first(where: matches) { return found }
      try? await Task.sleep(for: .milliseconds(10))
    }
    return nil
  }
}

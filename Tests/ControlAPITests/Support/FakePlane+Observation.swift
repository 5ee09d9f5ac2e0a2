import ControlAPI
import Controller
import Synchronization

extension FakePlane {
  func trace(_ request: TraceRequest, by caller: Caller) async throws(ControlError)
    -> AsyncStream<ObservationBatch<TracedPacket>>
  {
    try check("trace", .trace, caller)
    state.withLock { $0.traces.append(request) }
    return stream(state.withLock { $0.traced })
  }

  func capture(_ request: CaptureRequest, by caller: Caller) async throws(ControlError)
    -> AsyncStream<ObservationBatch<CapturedPacket>>
  {
    try check("capture", .capture, caller)
    if request.hasPayload && !caller.permissions.contains(.payload) {
      throw .denied(permission: .payload, caller: caller.name)
    }
    state.withLock { $0.captures.append(request) }
    return stream(state.withLock { $0.captured })
  }

  private func stream<Packet: Sendable>(
    _ batches: [ObservationBatch<Packet>]
  ) -> AsyncStream<ObservationBatch<Packet>> {
    let stays = state.withLock { $0.observationsStay }
    return AsyncStream { continuation in
      continuation.yield(ObservationBatch())
      for batch in batches { continuation.yield(batch) }
      continuation.onTermination = { reason in
        guard case .cancelled = reason else { return }
        self.state.withLock { $0.observationsEnded += 1 }
      }
      if !stays { continuation.finish() }
    }
  }
}

extension FakePlane {
  func shadow(_ request: ShadowRequest, by caller: Caller) async throws(ControlError) -> any Shadow
  {
    try check("shadow", .trace, caller)
    if caller.permissions.isDisjoint(with: [.apply, .ports]) {
      throw .denied(permission: .apply, caller: caller.name)
    }
    let (failure, generation) = state.withLock { ($0.failure, $0.generation) }
    if let failure { throw failure }
    state.withLock { $0.shadows.append(request) }
    return FakeShadow(self, generation: generation)
  }
}

/// Reports what the plane has; then it goes on until its caller wants something, or goes.
final class FakeShadow: Shadow {
  let generation: UInt64
  private let plane: FakePlane
  private let told = Mutex(0)
  private let isStopped = Mutex(false)

  init(_ plane: FakePlane, generation: UInt64) {
    self.plane = plane
    self.generation = generation
  }

  deinit { note("gone") }

  var preview: ChangeOutcome {
    ChangeOutcome(
      generation: generation,
      changes: [.init(ObjectReference(.securityGroups, "sg-web"), .changed)],
      affectedConnections: ["eni-web": 3])
  }

  private func note(_ event: String) { plane.state.withLock { $0.shadowEvents.append(event) } }

  private var last: ShadowReport {
    plane.state.withLock { $0.shadowReports.last ?? ShadowReport() }
  }

  func next() async -> ShadowReport? {
    let reports = plane.state.withLock { $0.shadowReports }
    let place = told.withLock { told in
      defer { told += 1 }
      return told
    }
    if place == 0 { return ShadowReport() }
    if place <= reports.count { return reports[place - 1] }
    if reports.last?.end != nil { return nil }
    while !isStopped.withLock({ $0 }) {
      guard (try? await Task.sleep(for: .milliseconds(5))) != nil else { break }
    }
    return nil
  }

  func promote(ifSame: Bool) async throws(ControlError) -> ShadowReport {
    isStopped.withLock { $0 = true }
    var report = last
    if ifSame && !report.counts.areSame {
      note("not promoted")
      report.end = .notSame
      return report
    }
    let actual = plane.state.withLock { $0.generation }
    guard actual == generation else { throw .conflict(expected: generation, actual: actual) }
    note("promoted")
    report.end = .promoted
    report.outcome = ChangeOutcome(generation: generation + 1, changes: preview.changes)
    return report
  }

  func drop() async -> ShadowReport {
    isStopped.withLock { $0 = true }
    note("dropped")
    var report = last
    report.end = .caller
    return report
  }
}

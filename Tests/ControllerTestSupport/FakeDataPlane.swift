import Controller
import VPCModel

/// A data plane that only notes what it is told, and refuses when it is asked to.
public actor FakeDataPlane: DataPlane {
  public private(set) var published: [PublishedState] = []
  public private(set) var previews = 0
  /// Thrown by the next publications.
  public var refusals: [DataPlaneError] = []
  /// Publications wait while this is set.
  private var isHeld = false
  private var held: [CheckedContinuation<Void, Never>] = []

  public init() {}

  public func refuse(_ errors: DataPlaneError...) { refusals += errors }

  public func hold() { isHeld = true }

  public func release() {
    isHeld = false
    for continuation in held { continuation.resume() }
    held = []
  }

  public func publish(_ state: PublishedState) async throws(DataPlaneError) -> PublishReport {
    if isHeld { await withCheckedContinuation { held.append($0) } }
    if !refusals.isEmpty { throw refusals.removeFirst() }
    published.append(state)
    return PublishReport(affectedConnections: ["eni-web": 3])
  }

  public func preview(_ state: PublishedState) async throws(DataPlaneError) -> PublishReport {
    if !refusals.isEmpty { throw refusals.removeFirst() }
    previews += 1
    return PublishReport(affectedConnections: ["eni-web": 2])
  }

  public func counters() async -> HostCounters {
    var counters = HostCounters()
    counters.generation = published.last?.generation ?? 0
    return counters
  }

  public func connections(_ filter: ConnectionFilter, limit: Int) async -> ConnectionList {
    ConnectionList(isCut: limit == 0)
  }

  // MARK: Observations

  public private(set) var traces: [TraceRequest] = []
  public private(set) var captures: [CaptureRequest] = []
  /// Thrown by the next trace or capture.
  public var observationRefusals: [ObservationError] = []
  public private(set) var haveObservationsEnded = false

  public func refuse(observation error: ObservationError) { observationRefusals.append(error) }

  public func trace(
    _ request: TraceRequest
  ) async throws(ObservationError) -> AsyncStream<ObservationBatch<TracedPacket>> {
    if !observationRefusals.isEmpty { throw observationRefusals.removeFirst() }
    traces.append(request)
    return Self.ended()
  }

  public func capture(
    _ request: CaptureRequest
  ) async throws(ObservationError) -> AsyncStream<ObservationBatch<CapturedPacket>> {
    if !observationRefusals.isEmpty { throw observationRefusals.removeFirst() }
    captures.append(request)
    return Self.ended()
  }

  public private(set) var shadows: [ShadowPlan] = []
  /// What shadows count.
  public var shadowCounts = ShadowCounts()

  public func count(_ change: (inout ShadowCounts) -> Void) { change(&shadowCounts) }

  public func shadow(_ plan: ShadowPlan) async throws(ObservationError) -> any ShadowSession {
    if !observationRefusals.isEmpty { throw observationRefusals.removeFirst() }
    shadows.append(plan)
    return FakeShadowSession(self)
  }

  public func endObservations() async { haveObservationsEnded = true }

  private static func ended<Packet: Sendable>() -> AsyncStream<ObservationBatch<Packet>> {
    AsyncStream { continuation in
      continuation.yield(ObservationBatch(end: .duration))
      continuation.finish()
    }
  }
}

/// Counts what the data plane is told.
final class FakeShadowSession: ShadowSession {
  private let plane: FakeDataPlane

  init(_ plane: FakeDataPlane) { self.plane = plane }

  func next() async -> ShadowReport? { ShadowReport() }

  func stop() async -> ShadowReport {
    var report = ShadowReport()
    report.counts = await plane.shadowCounts
    return report
  }
}

import ControlAPI
import Controller

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

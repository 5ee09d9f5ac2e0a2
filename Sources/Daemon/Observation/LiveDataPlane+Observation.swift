import Controller
import Datapath
import Live

extension LiveDataPlane {
  func trace(
    _ request: TraceRequest
  ) async throws(ObservationError) -> AsyncStream<ObservationBatch<TracedPacket>> {
    let filter = try ObservationFilter(request.filter, inUse.current)
    let memory = ObservationMemory(shared) { Observation(.steps, filter) }
    let text = ObservationText(inUse, clock: shared.clock)
    return try ObservationSession(
      memory, seat: seat, limits: request.limits, isThere: presence(request.filter, filter)
    ) { packet, events, _ in
      (text.traced(packet, Array(events)), 0)
    }.stream
  }

  func capture(
    _ request: CaptureRequest
  ) async throws(ObservationError) -> AsyncStream<ObservationBatch<CapturedPacket>> {
    var filter = try ObservationFilter(request.filter, inUse.current)
    filter.isOfUnderlay = request.isOfUplink
    let wanted = filter
    let content: Observation.Content = request.point == .before ? .frameBefore : .frameAfter
    let memory = ObservationMemory(shared) {
      Observation(content, wanted, hasPayload: request.hasPayload)
    }
    let text = ObservationText(inUse, clock: shared.clock)
    return try ObservationSession(
      memory, seat: seat, limits: request.limits, isThere: presence(request.filter, filter)
    ) { packet, _, bytes in
      (text.captured(packet, Array(bytes)), bytes.count)
    }.stream
  }

  func endObservations() async { await seat.close() }

  /// Whether the network interface that is looked at still has its number.
  private func presence(
    _ request: PacketFilter, _ filter: ObservationFilter
  ) -> @Sendable () -> Bool {
    guard let id = request.networkInterface else { return { true } }
    let (inUse, slot) = (inUse, filter.nic)
    return { inUse.current.slot(ofInterface: id) == slot }
  }
}

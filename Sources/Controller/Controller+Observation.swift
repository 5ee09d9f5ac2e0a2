extension Controller {
  public func trace(
    _ request: TraceRequest, by caller: Caller
  ) async throws(ControlError) -> AsyncStream<ObservationBatch<TracedPacket>> {
    var entry = AuditEntry("trace", by: caller)
    entry.describe(request.filter)
    entry.detail = "\(request.filter.text), \(request.limits.text)"
    try await admit(entry, .trace)
    do throws(ObservationError) { return try await dataPlane.trace(request) } catch {
      throw await refused(entry, error.refusal)
    }
  }

  public func capture(
    _ request: CaptureRequest, by caller: Caller
  ) async throws(ControlError) -> AsyncStream<ObservationBatch<CapturedPacket>> {
    var entry = AuditEntry("capture", by: caller)
    entry.describe(request.filter)
    let what = request.hasPayload ? "with payload" : "headers only"
    let place = request.isOfUplink ? "uplink, " : ""
    entry.detail =
      "\(what), \(place)\(request.point.rawValue), \(request.filter.text), \(request.limits.text)"
    if request.hasPayload && caller.permissions.contains(.capture)
      && !caller.permissions.contains(.payload)
    {
      try checkRunning()
      throw await refused(entry, .denied(permission: .payload, caller: caller.name))
    }
    try await admit(entry, .capture)
    do throws(ObservationError) { return try await dataPlane.capture(request) } catch {
      throw await refused(entry, error.refusal)
    }
  }
}

extension AuditEntry {
  /// The network interface that a call is about.
  fileprivate mutating func describe(_ filter: PacketFilter) {
    guard let id = filter.networkInterface else { return }
    objects = [ObjectReference(.networkInterfaces, id)]
    objectCount = 1
  }
}

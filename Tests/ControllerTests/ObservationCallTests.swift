import Controller
import ControllerTestSupport
import Testing

/// Traces and captures as the controller lets them through and keeps account of them.
@Suite struct ObservationCallTests {
  static let trace = TraceRequest(
    filter, ObservationLimits(packets: 10, seconds: 5))

  static let filter: PacketFilter = {
    var filter = PacketFilter()
    filter.networkInterface = "eni-web"
    filter.protocolNumber = 6
    filter.destination = .init(address: "10.0.0.9", ports: 22...22)
    filter.isDropped = true
    return filter
  }()

  static func capture(hasPayload: Bool = false) -> CaptureRequest {
    var request = CaptureRequest(
      filter, ObservationLimits(packets: 10, bytes: 1_000, seconds: 5))
    request.hasPayload = hasPayload
    request.point = .after
    return request
  }

  @Test func payloadNeedsItsOwnPermissionToo() async throws {
    try await withDesk { desk in
      let request = Self.capture(hasPayload: true)
      for (permissions, missing) in [
        (Set([Permission.capture]), Permission.payload), ([.payload], .capture), ([], .capture),
        (Set(Permission.allCases).subtracting([.payload]), .payload),
      ] {
        await #expect(throws: ControlError.denied(permission: missing, caller: "uid:7")) {
          _ = try await desk.controller.capture(request, by: Rules.caller(permissions))
        }
      }
      #expect(await desk.dataPlane.captures.isEmpty)
      _ = try await desk.controller.capture(request, by: Rules.caller([.capture, .payload]))
      // The right alone does not make a capture one with payload.
      _ = try await desk.controller.capture(
        Self.capture(), by: Rules.caller([.capture, .payload]))
      #expect(await desk.dataPlane.captures.map(\.hasPayload) == [true, false])
    }
  }

  @Test func everyCallIsInTheAuditLog() async throws {
    try await withDesk { desk in
      _ = try await desk.controller.trace(Self.trace, by: Rules.caller([.trace]))
      _ = try await desk.controller.capture(
        Self.capture(hasPayload: true), by: Rules.caller([.capture, .payload]))
      _ = try? await desk.controller.capture(
        Self.capture(hasPayload: true), by: Rules.caller([.capture]))
      let records = try desk.audit().suffix(3)
      for record in records {
        #expect(record.contains("networkInterfaces/eni-web"), "\(record)")
        #expect(record.contains("protocol 6 to 10.0.0.9 ports 22-22 dropped"), "\(record)")
        #expect(record.contains("at most 10 packets in 5 s"), "\(record)")
      }
      #expect(records.first?.contains(#""method":"trace""#) == true)
      #expect(records.dropFirst().first?.contains(#""detail":"with payload, after,"#) == true)
      #expect(records.last?.contains(#""outcome":"denied""#) == true)
    }
  }

  @Test func refusalsOfTheDataPlaneAreTold() async throws {
    try await withDesk { desk in
      let cases: [(ObservationError, ControlError)] = [
        (.unknownInterface("eni-x"), .notFound(ObjectReference(.networkInterfaces, "eni-x"))),
        (.wrong("x: no address"), .invalid(["x: no address"])),
      ]
      for (error, expected) in cases {
        await desk.dataPlane.refuse(observation: error)
        await #expect(throws: expected) {
          _ = try await desk.controller.trace(Self.trace, by: Rules.caller([.trace]))
        }
      }
      await desk.dataPlane.refuse(observation: .busy(limit: 1))
      let error = await #expect(throws: ControlError.self) {
        _ = try await desk.controller.trace(Self.trace, by: Rules.caller([.trace]))
      }
      guard case .unavailable(let why, _) = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(why.contains("no more than 1 at once"))
      let last = try #require(desk.audit().last)
      #expect(last.contains(#""outcome":"failed""#))
    }
  }

  @Test func theEndOfTheControllerEndsThem() async throws {
    try await withDesk { desk in
      await desk.controller.stop()
      #expect(await desk.dataPlane.haveObservationsEnded)
      await #expect(throws: ControlError.self) {
        _ = try await desk.controller.trace(Self.trace, by: Rules.caller([.trace]))
      }
    }
  }
}

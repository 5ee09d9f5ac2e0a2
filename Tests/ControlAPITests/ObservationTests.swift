import ControlAPI
import ControlProtocol
import Controller
import Foundation
import GRPCCore
import Testing

/// Traces and captures over the API.
@Suite struct ObservationTests {
  static func traced() -> TracedPacket {
    var packet = TracedPacket()
    packet.time = 1_700_000_000_123_456_789
    packet.bytes = 58
    packet.protocolNumber = 6
    packet.source = "198.51.100.66"
    packet.sourcePort = 40_000
    packet.destination = "10.0.1.10"
    packet.destinationPort = 22
    packet.vni = 7
    packet.verdict.networkInterface = "eni-web"
    packet.verdict.direction = "ingress"
    packet.verdict.verdict = "drop"
    packet.verdict.reason = "sg.ingress"
    packet.verdict.state = "none"
    packet.verdict.text = "drop sg.ingress: no security group rule allows it in"
    packet.steps = ["tunnel: decapsulated, VNI 7", "security groups: no rule allows it"]
    return packet
  }

  static func captured(_ place: String, _ bytes: Int) -> CapturedPacket {
    var packet = CapturedPacket()
    packet.time = 1_700_000_000_123_456_789
    packet.place = place
    packet.frame = [UInt8](repeating: 0xAB, count: bytes)
    packet.originalLength = bytes + 1_000
    packet.verdict.text = "drop sg.ingress: of \(place)"
    return packet
  }

  static func plane() -> FakePlane {
    let plane = FakePlane()
    plane.state.withLock { state in
      state.traced = [
        ObservationBatch(packets: [traced()]),
        ObservationBatch(packets: [], overrun: 3, unaffordable: 4, end: .duration),
      ]
      state.captured = [
        ObservationBatch(packets: [captured("eni-web", 42), captured("uplink", 92)]),
        ObservationBatch(packets: [captured("eni-web", 60)], end: .count),
      ]
    }
    return plane
  }

  @Test func requestsArriveAsTheyWereMade() async throws {
    try await TestServer.with { test in
      let request = Apus_V1_TraceRequest.with {
        $0.filter.networkInterface = "eni-web"
        $0.filter.protocol = 6
        $0.filter.source = "198.51.100.0/24"
        $0.filter.destinationPorts = .with {
          $0.first = 20
          $0.last = 22
        }
        $0.filter.direction = .ingress
        $0.filter.bothWays = true
        $0.filter.reason = "sg.ingress"
        $0.filter.vni = 9
        $0.packets = 5
        $0.duration.seconds = 7
      }
      try await test.call { client in
        try await client.control.trace(request) { response in
          for try await _ in response.messages {}
        }
        try await client.control.capture(.with { $0.uplink = true }) { response in
          for try await _ in response.messages {}
        }
      }
      let (trace, capture) = test.plane.state.withLock { ($0.traces[0], $0.captures[0]) }
      #expect(trace.filter.networkInterface == "eni-web" && trace.filter.protocolNumber == 6)
      #expect(trace.filter.source == .init(address: "198.51.100.0/24"))
      #expect(trace.filter.destination == .init(ports: 20...22))
      #expect(trace.filter.direction == .ingress && trace.filter.matchesBothWays)
      #expect(trace.filter.reason == "sg.ingress" && trace.filter.vni == 9)
      #expect(trace.limits == ObservationLimits(packets: 5, seconds: 7))
      #expect(capture.filter == PacketFilter() && capture.isOfUplink && !capture.hasPayload)
      #expect(capture.point == .before)
      #expect(
        capture.limits == ObservationLimits(packets: 10_000, bytes: 64 << 20, seconds: 60))
    }
  }

  @Test func wrongRequestsAreRefused() async throws {
    let wrong: [(Apus_V1_TraceRequest, String)] = [
      (.with { $0.packets = 100_001 }, "packets: 100001"),
      (.with { $0.duration.seconds = 3_601 }, "duration: 3601"),
      (.with { $0.duration.seconds = 0 }, "duration: 0"),
      (.with { $0.filter.protocol = 256 }, "protocol: 256"),
      (.with { $0.filter.vni = 1 << 24 }, "vni: 16777216"),
      (.with { $0.filter.sourcePorts.first = 9 }, "ports: 9-0"),
      (.with { $0.filter.direction = .UNRECOGNIZED(7) }, "direction: 7"),
    ]
    try await TestServer.with { test in
      for (request, text) in wrong {
        let error = await #expect(throws: RPCError.self) {
          try await test.call { client in
            try await client.control.trace(request) { response in
              for try await _ in response.messages {}
            }
          }
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.hasPrefix(text) == true, "\(String(describing: error))")
      }
      let bytes = await #expect(throws: RPCError.self) {
        try await test.call { client in
          try await client.control.capture(.with { $0.bytes = 5 << 30 }) { response in
            for try await _ in response.messages {}
          }
        }
      }
      #expect(bytes?.message.hasPrefix("bytes: ") == true)
      #expect(test.plane.calls.isEmpty)
    }
  }

  @Test func payloadWithoutTheRightIsRefused() async throws {
    let policy = AccessPolicy(users: [geteuid(): [.capture]])
    try await TestServer.with(policy: policy, plane: Self.plane()) { test in
      let error = await #expect(throws: RPCError.self) {
        try await test.call { client in
          try await client.control.capture(.with { $0.payload = true }) { response in
            for try await _ in response.messages {}
          }
        }
      }
      #expect(error?.code == .permissionDenied)
      #expect(error?.message.contains("'payload'") == true)
      #expect(test.plane.state.withLock { $0.captures.isEmpty })
    }
  }

  /// A caller that goes ends what it asked for.
  @Test func callerThatGoesEndsIt() async throws {
    let plane = FakePlane()
    plane.state.withLock { $0.observationsStay = true }
    try await TestServer.with(plane: plane) { test in
      let caller = Task {
        try await test.call { client in
          try await client.control.trace(.init()) { response in
            for try await _ in response.messages {}
          }
        }
      }
      for _ in 0..<1_000 where plane.state.withLock({ $0.traces.isEmpty }) {
        try await Task.sleep(for: .milliseconds(10))
      }
      #expect(plane.state.withLock { $0.traces.count } == 1)
      caller.cancel()
      _ = try? await caller.value
      for _ in 0..<1_000 where plane.state.withLock({ $0.observationsEnded == 0 }) {
        try await Task.sleep(for: .milliseconds(10))
      }
      #expect(plane.state.withLock { $0.observationsEnded } == 1)
    }
  }
}

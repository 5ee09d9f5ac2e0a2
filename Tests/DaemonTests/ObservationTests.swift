import Controller
import Testing
import VPCModel
import Wire

@testable import Daemon

/// Traces and captures of a running host: its threads, without devices.
extension LiveDataPlaneTests {
  private static func limits(
    packets: Int = 100, bytes: Int = .max, seconds: Int = 20
  ) -> ObservationLimits {
    ObservationLimits(packets: packets, bytes: bytes, seconds: seconds)
  }

  private static func filter(_ change: (inout PacketFilter) -> Void = { _ in }) -> PacketFilter {
    var filter = PacketFilter()
    change(&filter)
    return filter
  }

  /// Packets until the end, which comes by itself; the first batch lets the guest send.
  private static func all<Packet: Sendable>(
    _ stream: AsyncStream<ObservationBatch<Packet>>, _ host: Running, sends: Int
  ) async -> (packets: [Packet], last: ObservationBatch<Packet>?) {
    var packets: [Packet] = []
    var last: ObservationBatch<Packet>?
    for await batch in stream {
      if last == nil {
        #expect(batch.packets.isEmpty && batch.end == nil)
        host.traffic.offer(sends)
        host.server.shared.wakeAll()
      }
      packets += batch.packets
      last = batch
    }
    return (packets, last)
  }

  @Test(arguments: [1, 2])
  func aDropIsExplained(workers: Int) async throws {
    try await Running.with(workers: workers) { host in
      var model = Self.model()
      model.securityGroups[0].egress = [Self.rule("other", port: 8)]
      _ = try await host.publish(model, 2)
      let asked = TraceRequest(
        Self.filter {
          $0.networkInterface = "eni-a"
          $0.isDropped = true
        }, Self.limits(packets: 3))
      let (packets, last) = await Self.all(try await host.plane.trace(asked), host, sends: 5)
      #expect(packets.count == 3 && last?.end == .count)
      let packet = try #require(packets.first)
      #expect(packet.protocolNumber == 17 && packet.bytes == 46)
      #expect(packet.source == "10.0.0.10" && packet.sourcePort == 4_000)
      #expect(packet.destination == "10.0.0.11" && packet.destinationPort == 7)
      #expect(packet.verdict.verdict == "drop" && packet.verdict.reason == "sg.egress")
      #expect(packet.verdict.networkInterface == "eni-a" && packet.verdict.direction == "local")
      #expect(
        packet.steps == [
          "egress: judged as sent by eni-a", "parsed: UDP to port 7, 32 bytes of IP",
          "source: an address of the network interface",
          "connection: none yet; the packet may begin one",
          "security groups: no rule of the one group allows it",
        ])
    }
  }

  @Test func aForwardedPacketNamesItsRule() async throws {
    try await Running.with { host in
      let (packets, last) = await Self.all(
        try await host.plane.trace(TraceRequest(Self.filter(), Self.limits(packets: 2))), host,
        sends: 2)
      #expect(packets.map(\.verdict.rule) == ["out", "out"] && last?.end == .count)
      #expect(packets.map(\.verdict.output) == ["eni-b", "eni-b"])
      #expect(packets[0].steps.contains("security groups: allowed (out)"))
      #expect(packets[1].steps.contains("connection: part of a tracked connection (out)"))
    }
  }

  @Test(arguments: [false, true])
  func aCaptureHasHeadersOrAll(hasPayload: Bool) async throws {
    try await Running.with { host in
      var asked = CaptureRequest(Self.filter(), Self.limits(packets: 2))
      asked.hasPayload = hasPayload
      asked.point = .after
      let (packets, _) = await Self.all(try await host.plane.capture(asked), host, sends: 2)
      #expect(packets.map(\.place) == ["eni-b", "eni-b"])
      #expect(packets.map(\.originalLength) == [46, 46])
      #expect(packets.map(\.frame.count) == (hasPayload ? [46, 46] : [42, 42]))
      #expect(packets.first?.verdict.text == "forward from eni-a to eni-b, rule out, new")
      // Delivered: to the guest's MAC address.
      #expect(packets.first?.frame.prefix(6) == [2, 0, 0, 0, 0, 11])
    }
  }

  @Test func aCaptureEndsAtItsBytesOrTime() async throws {
    try await Running.with { host in
      let bytes = CaptureRequest(Self.filter(), Self.limits(bytes: 100))
      let (packets, last) = await Self.all(try await host.plane.capture(bytes), host, sends: 10)
      #expect(packets.count == 3 && last?.end == .count)
      // Long enough for a host that has to wait for a processor to see them all before.
      let time = CaptureRequest(Self.filter(), Self.limits(seconds: 4))
      let (few, end) = try await Self.all(Self.eventually(host, time), host, sends: 4)
      #expect(few.count == 4 && end?.end == .duration)
    }
  }

  /// The place of one that has just ended is free as soon as the workers have let go.
  private static func eventually(
    _ host: Running, _ request: CaptureRequest
  ) async throws -> AsyncStream<ObservationBatch<CapturedPacket>> {
    for _ in 0..<2_000 {
      do throws(ObservationError) { return try await host.plane.capture(request) } catch {
        #expect(error == .busy(limit: 1))
      }
      try await Task.sleep(for: .milliseconds(1))
    }
    return try await host.plane.capture(request)
  }

  @Test func oneAtATimeAndCallersThatGoMakeRoom() async throws {
    try await Running.with(workers: 2) { host in
      let plane = host.plane
      let request = CaptureRequest(Self.filter(), Self.limits())
      var stream: AsyncStream<ObservationBatch<CapturedPacket>>? = try await plane.capture(request)
      await #expect(throws: ObservationError.busy(limit: 1)) {
        _ = try await plane.capture(request)
      }
      await #expect(throws: ObservationError.busy(limit: 1)) {
        _ = try await plane.trace(TraceRequest(Self.filter(), Self.limits()))
      }
      // Dropped without having been read.
      stream = nil
      // Cancelled while it is read.
      stream = try await Self.eventually(host, request)
      let reading = try #require(stream)
      stream = nil
      let reader = Task { for await _ in reading {} }
      reader.cancel()
      await reader.value
      _ = try await Self.eventually(host, request)
      for _ in 0..<2_000
      where (0..<2).contains(where: { host.server.shared.isObserved(worker: $0) }) {
        try await Task.sleep(for: .milliseconds(1))
      }
      #expect(!(0..<2).contains { host.server.shared.isObserved(worker: $0) })
    }
  }

  @Test func itEndsWithItsInterfaceAndWithTheHost() async throws {
    try await Running.with { host in
      let asked = CaptureRequest(Self.filter { $0.networkInterface = "eni-b" }, Self.limits())
      var packets = try await host.plane.capture(asked).makeAsyncIterator()
      #expect(await packets.next()?.end == nil)
      var model = Self.model()
      model.networkInterfaces.removeLast()
      _ = try await host.publish(model, 2)
      #expect(await packets.next()?.end == .networkInterface)
      #expect(await packets.next() == nil)
      var others = try await Self.eventually(
        host, CaptureRequest(Self.filter(), Self.limits())
      ).makeAsyncIterator()
      #expect(await others.next()?.end == nil)
      await host.plane.endObservations()
      #expect(await others.next()?.end == .daemon)
      #expect(!host.server.shared.isObserved(worker: 0))
      await #expect(throws: ObservationError.ending) {
        _ = try await host.plane.capture(CaptureRequest(Self.filter(), Self.limits()))
      }
    }
  }

  @Test func wrongFiltersAreRefused() async throws {
    try await Running.with { host in
      let cases: [(PacketFilter, ObservationError)] = [
        (Self.filter { $0.networkInterface = "eni-x" }, .unknownInterface("eni-x")),
        (
          Self.filter { $0.source.address = "10.0.0" },
          .wrong("10.0.0: neither an address nor a prefix (such as 10.0.1.10 or fd00::/8)")
        ),
        (
          Self.filter { $0.reason = "bad.luck" },
          .wrong("bad.luck: no such reason (docs/model.md lists them, such as sg.ingress)")
        ),
      ]
      for (filter, error) in cases {
        await #expect(throws: error) {
          _ = try await host.plane.trace(TraceRequest(filter, Self.limits()))
        }
      }
    }
  }
}

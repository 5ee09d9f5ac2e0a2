import CapturePort
import ControlAPI
import Controller
import Foundation
import Testing

/// `apus trace` and `apus capture`.
@Suite struct ObservationToolTests {
  @Test func traceTellsPacketsAndSteps() async throws {
    try await TestServer.with(plane: ObservationTests.plane()) { test in
      let run = try await ToolTests.apus(
        ["trace", "--eni", "eni-web", "--protocol", "tcp", "--to", "10.0.1.10:22", "--dropped"],
        at: test)
      #expect(run.status == 0, "\(run.errors)")
      #expect(
        run.output == """
          22:13:20.123456 tcp 198.51.100.66:40000 > 10.0.1.10:22, 58 bytes: drop sg.ingress: \
          no security group rule allows it in
            tunnel: decapsulated, VNI 7
            security groups: no rule allows it

          """)
      #expect(
        run.errors == """
          apus: 1 packet: the time is over
          apus: not shown: 3 that were not taken fast enough, 4 that would have taken more than \
          5 % of a worker's time

          """)
      let filter = try #require(test.plane.state.withLock { $0.traces.first?.filter })
      #expect(filter.networkInterface == "eni-web" && filter.protocolNumber == 6)
      #expect(filter.destination == .init(address: "10.0.1.10", ports: 22...22))
      #expect(filter.isDropped && !filter.matchesBothWays)
    }
  }

  @Test func traceAsJSON() async throws {
    try await TestServer.with(plane: ObservationTests.plane()) { test in
      let run = try await ToolTests.apus(["trace", "--json"], at: test)
      #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
      #expect(
        run.output == #"{"time":"1700000000.123456789","eni":"eni-web","direction":"ingress","#
          + #""verdict":"drop","reason":"sg.ingress","rule":"","state":"none","output":"","#
          + #""bytes":58,"protocol":6,"source":"198.51.100.66","sourcePort":40000,"#
          + #""destination":"10.0.1.10","destinationPort":22,"vni":7,"#
          + #""text":"drop sg.ingress: no security group rule allows it in","#
          + #""steps":["tunnel: decapsulated, VNI 7","security groups: no rule allows it"]}"# + "\n"
          + #"{"end":"duration","packets":1,"overrun":3,"unaffordable":4}"# + "\n")
    }
  }

  @Test func captureIsPcapngWithComments() async throws {
    try await TestServer.with(plane: ObservationTests.plane()) { test in
      let file = test.folder + "/out.pcapng"
      let run = try await ToolTests.apus(
        ["capture", "--eni", "eni-web", "--after", "--json", "-o", file], at: test)
      #expect(run.status == 0, "\(run.errors)")
      #expect(
        run.output == #"{"end":"count","packets":3,"bytes":194,"overrun":0,"unaffordable":0}"#
          + "\n")
      var reader = try CaptureReader(path: file)
      var record = CaptureRecord()
      var found: [String] = []
      while reader.next(&record) {
        let name = reader.interfaces[record.interface].name
        found.append("\(name) \(record.capturedLength) \(record.originalLength)")
        #expect(record.time == 1_700_000_000_123_456_789 && record.linkType == 1)
      }
      #expect(found == ["eni-web 42 1042", "uplink 92 1092", "eni-web 60 1060"])
      let text = String(decoding: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
      #expect(text.contains("drop sg.ingress: of uplink"))
      let request = try #require(test.plane.state.withLock { $0.captures.first })
      #expect(request.point == .after && !request.hasPayload && !request.isOfUplink)
    }
  }

  @Test func captureToStandardOutput() async throws {
    try await TestServer.with(plane: ObservationTests.plane()) { test in
      let file = test.folder + "/out.pcapng"
      let tool = ToolRun.products + "/apus"
      let run = try await ToolRun.of(
        "/bin/sh",
        [
          "-c",
          "\(tool) capture --uplink --payload -o - --address unix:\(test.socket) > \(file)",
        ])
      #expect(run.status == 0, "\(run.errors)")
      var reader = try CaptureReader(path: file)
      var record = CaptureRecord()
      var count = 0
      while reader.next(&record) { count += 1 }
      #expect(count == 3)
      let request = try #require(test.plane.state.withLock { $0.captures.first })
      #expect(request.isOfUplink && request.hasPayload)
    }
  }

  /// A capture that is refused leaves the file as it is.
  @Test func refusedCaptureWritesNothing() async throws {
    let policy = AccessPolicy(users: [geteuid(): [.trace]])
    try await TestServer.with(policy: policy, plane: ObservationTests.plane()) { test in
      let file = test.folder + "/kept.pcapng"
      try "kept".write(toFile: file, atomically: true, encoding: .utf8)
      let run = try await ToolTests.apus(["capture", "--uplink", "-o", file], at: test)
      #expect(run.status == 5 && run.errors.contains("lacks the permission 'capture'"))
      #expect(try String(contentsOfFile: file, encoding: .utf8) == "kept")
    }
  }

  static let wrong: [(words: [String], text: String)] = [
    (["trace", "--from", "10.0.0.1:99999"], "--from"),
    (["trace", "--to", "[fd00::1"], "--to"), (["trace", "--to", ":9-3"], "--to"),
    (["trace", "--protocol", "dragon"], "no such protocol"),
    (["trace", "--seconds", "0"], "from 1 to 3600"), (["trace", "--count", "0"], "--count 0"),
    (["capture", "-o", "x"], "--eni ID, --uplink"), (["capture", "--uplink"], "--output"),
    (["capture", "--uplink", "-o", "-", "--json"], "--json goes to standard output"),
  ]

  @Test(arguments: wrong.indices)
  func commandLineIsChecked(_ index: Int) async throws {
    let (words, text) = Self.wrong[index]
    let run = try await ToolRun.of(ToolRun.products + "/apus", words)
    #expect(run.status == 2, "\(run.errors)")
    #expect(run.errors.hasPrefix("apus: ") && run.errors.contains(text), "\(run.errors)")
  }

  @Test func endsAreRead() async throws {
    let cases: [(String, PacketFilter.End)] = [
      ("10.0.1.10", .init(address: "10.0.1.10")), ("10.0.0.0/8", .init(address: "10.0.0.0/8")),
      ("10.0.0.0/8:80-90", .init(address: "10.0.0.0/8", ports: 80...90)),
      (":443", .init(ports: 443...443)), ("fd00::1", .init(address: "fd00::1")),
      ("[fd00::/8]:443", .init(address: "fd00::/8", ports: 443...443)),
      ("[fd00::1]", .init(address: "fd00::1")),
    ]
    try await TestServer.with(plane: ObservationTests.plane()) { test in
      for (text, _) in cases {
        let run = try await ToolTests.apus(["trace", "--from", text], at: test)
        #expect(run.status == 0, "\(run.errors)")
      }
      let ends = test.plane.state.withLock { $0.traces.map(\.filter.source) }
      #expect(ends == cases.map(\.1))
    }
  }
}

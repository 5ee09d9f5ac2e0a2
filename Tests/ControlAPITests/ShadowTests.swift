import ControlAPI
import ControlProtocol
import Controller
import Foundation
import GRPCCore
import Testing

/// Shadows over the API.
@Suite struct ShadowTests {
  static func report(different: UInt64 = 0, end: ShadowEnd? = nil) -> ShadowReport {
    var report = ShadowReport()
    report.counts.same = 40
    report.counts.different = different
    (report.counts.older, report.counts.limited, report.counts.unlike) = (5, 6, 7)
    (report.overrun, report.unaffordable) = (8, 9)
    report.end = end
    if different == 0 { return report }
    var live = PacketVerdict()
    live.networkInterface = "eni-web"
    live.direction = "ingress"
    live.verdict = "forward"
    live.rule = "public-web"
    live.output = "eni-web"
    live.text = "forward in to eni-web, rule public-web"
    var candidate = PacketVerdict()
    candidate.networkInterface = "eni-web"
    candidate.direction = "ingress"
    candidate.verdict = "drop"
    candidate.reason = "sg.ingress"
    candidate.text = "drop sg.ingress: no security group rule allows it in (eni-web, ingress)"
    var difference = ShadowDifference(live: live, candidate: candidate)
    difference.packets = different
    difference.bytes = 58 * different
    difference.examples = [ObservationTests.traced()]
    report.differences = [difference]
    return report
  }

  static func plane(_ reports: [ShadowReport]) -> FakePlane {
    let plane = FakePlane()
    plane.state.withLock { $0.shadowReports = reports }
    return plane
  }

  /// Sends messages and gives all answers; then the caller has no more, unless told to stay.
  private static func answers(
    _ test: TestServer, stays: Bool = false, _ messages: [Apus_V1_ShadowRequest]
  ) async throws -> [Apus_V1_ShadowResponse] {
    try await test.call { client in
      let (ended, ends) = AsyncStream.makeStream(of: Void.self)
      return try await client.control.shadow { writer in
        for message in messages { try await writer.write(message) }
        if stays { for await _ in ended {} }
      } onResponse: { response in
        defer { ends.finish() }
        var answers: [Apus_V1_ShadowResponse] = []
        for try await message in response.messages { answers.append(message) }
        return answers
      }
    }
  }

  static let header = Apus_V1_ShadowRequest.with { $0.header.scope = .patch }
  static let begin = Apus_V1_ShadowRequest.with { $0.begin = .init() }

  static func promotion(ifSame: Bool) -> Apus_V1_ShadowRequest {
    .with { $0.promotion.ifSame = ifSame }
  }

  @Test func requestsArriveAsTheyWereMade() async throws {
    try await TestServer.with(plane: Self.plane([Self.report(end: .duration)])) { test in
      let answers = try await Self.answers(
        test, stays: true,
        [
          .with {
            $0.header.scope = .patch
            $0.header.expectedGeneration = 7
            $0.header.onRuleChange = .cut
            $0.header.filter.networkInterface = "eni-web"
            $0.header.sample = 16
            $0.header.duration.seconds = 9
          },
          .with {
            $0.chunk.name = "sg.yaml"
            $0.chunk.text = Data("version".utf8)
          },
          .with { $0.chunk.text = Data(": 1".utf8) },
          .with {
            $0.deletions.objects = [
              .with {
                $0.kind = "prefixLists"
                $0.id = "pl"
              }
            ]
          }, Self.begin,
        ])
      let request = try #require(test.plane.state.withLock { $0.shadows.first })
      guard case .patch(let documents, let deletions) = request.change.content else {
        Issue.record("no patch")
        return
      }
      #expect(documents == [ModelDocument(name: "sg.yaml", text: "version: 1")])
      #expect(deletions == [ObjectReference(.prefixLists, "pl")])
      #expect(request.change.expectedGeneration == 7 && request.change.onRuleChange == "cut")
      #expect(!request.change.isDryRun)
      #expect(request.filter.networkInterface == "eni-web")
      #expect(request.oneIn == 16 && request.seconds == 9)
      #expect(answers.map(\.end) == [.unspecified, .duration])
      #expect(answers[0].generation == 7 && answers[0].change.changeCount == 1)
      #expect(answers[0].change.affectedConnections == ["eni-web": 3])
      #expect(!answers[1].hasChange && answers[1].counts.same == 40)
      #expect(answers[1].counts.older == 5 && answers[1].counts.limited == 6)
      #expect(answers[1].counts.unlike == 7)
      #expect(answers[1].loss.overrun == 8 && answers[1].loss.unaffordable == 9)
    }
  }

  @Test func differencesAreTold() async throws {
    try await TestServer.with(plane: Self.plane([Self.report(different: 2, end: .rules)])) { test in
      let answers = try await Self.answers(test, stays: true, [Self.header, Self.begin])
      let last = try #require(answers.last)
      #expect(last.end == .rules && last.counts.different == 2)
      let difference = try #require(last.differences.first)
      #expect(difference.live.rule == "public-web" && difference.packets == 2)
      #expect(difference.candidate.reason == "sg.ingress" && difference.bytes == 116)
      #expect(difference.examples.first?.summary.destinationPort == 22)
    }
  }

  @Test(arguments: [false, true])
  func theCandidateIsPromoted(ifSame: Bool) async throws {
    try await TestServer.with(plane: Self.plane([Self.report()])) { test in
      let answers = try await Self.answers(
        test, stays: true, [Self.header, Self.begin, Self.promotion(ifSame: ifSame)])
      let last = try #require(answers.last)
      #expect(last.end == .promoted && last.generation == 7 && last.change.generation == 8)
      #expect(test.plane.state.withLock { $0.shadowEvents } == ["promoted", "gone"])
    }
  }

  @Test func ifSameKeepsAnotherOut() async throws {
    try await TestServer.with(plane: Self.plane([Self.report(different: 1)])) { test in
      let answers = try await Self.answers(
        test, stays: true, [Self.header, Self.begin, Self.promotion(ifSame: true)])
      #expect(answers.last?.end == .notSame && answers.last?.hasChange == false)
      #expect(answers.last?.counts.different == 1)
    }
  }

  /// Promotes after another writer has moved the generation.
  @Test func anotherWriterWasFirst() async throws {
    try await TestServer.with(plane: Self.plane([Self.report()])) { test in
      let error = await #expect(throws: RPCError.self) {
        try await test.call { client in
          try await client.control.shadow { writer in
            try await writer.write(Self.header)
            try await writer.write(Self.begin)
            while test.plane.state.withLock({ $0.shadows.isEmpty }) {
              try await Task.sleep(for: .milliseconds(5))
            }
            // Its generation was taken before it was noted.
            test.plane.state.withLock { $0.generation += 1 }
            try await writer.write(Self.promotion(ifSame: false))
          } onResponse: { response in
            for try await _ in response.messages {}
          }
        }
      }
      #expect(error?.code == .aborted)
      #expect(error?.message.contains("generation 8, not 7") == true)
    }
  }

  @Test func theEndOfTheMessagesDropsIt() async throws {
    try await TestServer.with(plane: Self.plane([Self.report()])) { test in
      let answers = try await Self.answers(test, [Self.header, Self.begin])
      #expect(answers.last?.end == .caller)
      #expect(test.plane.state.withLock { $0.shadowEvents } == ["dropped", "gone"])
    }
  }

  @Test func aCallerThatGoesDropsIt() async throws {
    try await TestServer.with(plane: Self.plane([Self.report()])) { test in
      let caller = Task { try await Self.answers(test, stays: true, [Self.header, Self.begin]) }
      for _ in 0..<1_000 where test.plane.state.withLock({ $0.shadows.isEmpty }) {
        try await Task.sleep(for: .milliseconds(10))
      }
      caller.cancel()
      _ = try? await caller.value
      for _ in 0..<1_000 where !test.plane.state.withLock({ $0.shadowEvents.contains("gone") }) {
        try await Task.sleep(for: .milliseconds(10))
      }
      #expect(test.plane.state.withLock { $0.shadowEvents.last } == "gone")
    }
  }

  static let wrong: [(messages: [Apus_V1_ShadowRequest], text: String)] = [
    ([begin], "the request is empty"), ([header], "the request ends before begin"),
    ([.init()], "a message without header"), ([promotion(ifSame: true)], "promotion: before begin"),
    ([.with { $0.chunk.name = "a" }], "the first message is no header"),
    ([.with { $0.header.filter.networkInterface = "x" }, begin], "header.scope: not given"),
    (
      [
        .with {
          $0.header.scope = .whole
          $0.header.sample = 65_537
        }, begin,
      ], "sample: 65537"
    ),
    (
      [
        .with {
          $0.header.scope = .whole
          $0.header.duration.seconds = 3_601
        }, begin,
      ], "duration: 3601"
    ),
    ([header, header, begin], "header: a second one"),
  ]

  @Test(arguments: wrong.indices)
  func wrongRequestsAreRefused(_ index: Int) async throws {
    let (messages, text) = Self.wrong[index]
    try await TestServer.with { test in
      let error = await #expect(throws: RPCError.self) {
        _ = try await Self.answers(test, messages)
      }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message.hasPrefix(text) == true, "\(String(describing: error))")
      #expect(test.plane.calls.isEmpty)
    }
  }

  @Test func onlyAPromotionComesLater() async throws {
    try await TestServer.with(plane: Self.plane([Self.report()])) { test in
      let error = await #expect(throws: RPCError.self) {
        _ = try await Self.answers(test, stays: true, [Self.header, Self.begin, Self.header])
      }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message.hasPrefix("after begin only promotion is taken") == true)
    }
  }

  @Test func theControllersRefusalsAreTold() async throws {
    let plane = FakePlane()
    plane.state.withLock { $0.failure = .invalid(["sg.yaml:1: no such field"]) }
    try await TestServer.with(plane: plane) { test in
      let error = await #expect(throws: RPCError.self) {
        _ = try await Self.answers(test, stays: true, [Self.header, Self.begin])
      }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message == "sg.yaml:1: no such field")
    }
  }

  /// The candidate has to arrive; afterwards the caller may be silent.
  @Test func slowCandidatesAreRefusedAndPausesAreNot() async throws {
    var limits = ServerLimits()
    limits.requestTimeout = .seconds(1)
    try await TestServer.with(limits: limits, plane: Self.plane([Self.report()])) { test in
      let error = await #expect(throws: RPCError.self) {
        _ = try await Self.answers(test, stays: true, [Self.header])
      }
      #expect(error?.code == .deadlineExceeded)
      try await test.call { client in
        let last = try await client.shadow(
          .with { $0.scope = .patch }, documents: [], promotingIfSameAfter: 3
        ) { _ in }
        #expect(last.end == .promoted)
      }
    }
  }
}

import ControlAPI
import Controller
import Foundation
import Testing

/// `apus shadow`.
@Suite struct ShadowToolTests {
  private static func shadow(
    _ words: [String], _ reports: [ShadowReport], flag: String = "--patch"
  ) async throws -> (run: ToolRun, plane: FakePlane) {
    let plane = ShadowTests.plane(reports)
    let run = try await TestServer.with(plane: plane) { test in
      let file = test.folder + "/tomorrow.yaml"
      try "version: 1\n".write(toFile: file, atomically: true, encoding: .utf8)
      return try await ToolTests.apus(["shadow", flag, file] + words, at: test)
    }
    return (run, plane)
  }

  @Test func differencesAreTold() async throws {
    let (run, plane) = try await Self.shadow(
      [
        "--eni", "eni-web", "--protocol", "tcp", "--to", "10.0.1.10:443", "--sample", "4",
        "--seconds", "9", "--on-rule-change", "cut",
      ], [ShadowTests.report(different: 2, end: .duration)])
    #expect(run.status == 1)
    #expect(
      run.output == """
        42 packets compared: 40 the same, 2 different

        forward -> drop: 2 packets, 116 bytes
          live       forward in to eni-web, rule public-web
          candidate  drop sg.ingress: no security group rule allows it in (eni-web, ingress)
          such as    22:13:20.123456 tcp 198.51.100.66:40000 > 10.0.1.10:22, 58 bytes

        not compared: 5 of connections that are older
        not compared: 6 limited by allowances
        not compared: 7 that the shadow judges otherwise than the worker
        not compared: 8 not taken fast enough
        not compared: 9 beyond 5 % of a worker's time
        generation 7 stays: the time is over

        """)
    #expect(
      run.errors == """
        apus: beside generation 7: 1 would change, 3 live connections would no longer be allowed

        """)
    let request = try #require(plane.state.withLock { $0.shadows.first })
    guard case .patch(let documents, []) = request.change.content else {
      Issue.record("no patch")
      return
    }
    #expect(documents.map(\.text) == ["version: 1\n"])
    #expect(request.change.onRuleChange == "cut" && request.change.expectedGeneration == nil)
    #expect(request.filter.networkInterface == "eni-web" && request.filter.protocolNumber == 6)
    #expect(request.filter.destination == .init(address: "10.0.1.10", ports: 443...443))
    #expect(request.filter.matchesBothWays && request.oneIn == 4 && request.seconds == 9)
  }

  @Test func noDifferenceIsSuccess() async throws {
    let (run, plane) = try await Self.shadow(
      ["--duration", "3"], [ShadowTests.report(end: .duration)], flag: "--rules")
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.output.hasPrefix("40 packets compared: 40 the same, 0 different\n"))
    let request = try #require(plane.state.withLock { $0.shadows.first })
    guard case .whole = request.change.content else {
      Issue.record("no whole state")
      return
    }
    #expect(request.seconds == 3 && request.oneIn == 1)
  }

  @Test func reportsAsJSON() async throws {
    let (run, _) = try await Self.shadow(
      ["--json"], [ShadowTests.report(different: 1), ShadowTests.report(end: .duration)])
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    let lines = run.output.split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines.first?.contains(#""change":{"generation":7,"dryRun":true,"#) == true)
    let expected: [String] = [
      #"{"generation":7,"same":40,"different":1,"otherReasons":0,"unlisted":0,"older":5,"#,
      #""limited":6,"unlike":7,"overrun":8,"unaffordable":9,"differences":[{"live":"#,
      #"{"eni":"eni-web","direction":"ingress","verdict":"forward","reason":"","#,
      #""rule":"public-web","output":"eni-web","#,
      #""text":"forward in to eni-web, rule public-web"},"candidate":"#,
      #"{"eni":"eni-web","direction":"ingress","verdict":"drop","reason":"sg.ingress","#,
      #""rule":"","output":"","text":"drop sg.ingress: no security group rule allows it in "#,
      #"(eni-web, ingress)"},"packets":1,"bytes":58,"examples":["#,
      #"{"time":"1700000000.123456789","bytes":58,"protocol":6,"source":"198.51.100.66","#,
      #""sourcePort":40000,"destination":"10.0.1.10","destinationPort":22,"vni":7}]}]}"#,
    ]
    let second = try #require(lines.dropFirst().first)
    #expect(second == expected.joined())
    #expect(lines.last?.hasSuffix(#""differences":[],"end":"duration"}"#) == true)
  }

  @Test(arguments: [UInt64(0), 1])
  func sameRulesArePromoted(different: UInt64) async throws {
    let (run, plane) = try await Self.shadow(
      ["--promote-if-same", "--seconds", "1"], [ShadowTests.report(different: different)])
    let isPromoted = different == 0
    #expect(run.status == (isPromoted ? 0 : 1), "\(run.errors)")
    let line = isPromoted ? "promoted: generation 8" : "not promoted, generation 7 stays"
    #expect(run.output.hasSuffix("\n\(line)\n"), "\(run.output)")
    #expect(
      plane.state.withLock { $0.shadowEvents } == [
        isPromoted ? "promoted" : "not promoted", "gone",
      ])
    // The daemon must not be first.
    #expect(plane.state.withLock { $0.shadows.first?.seconds } == 31)
  }

  /// What ends before its time has no answer.
  @Test func anEarlyEndIsAFailure() async throws {
    let (run, _) = try await Self.shadow([], [ShadowTests.report(end: .rules)])
    #expect(run.status == 5)
    #expect(
      run.errors.contains("apus: shadow: the rules in force have changed (begin another one)"))
  }

  static let wrong: [(words: [String], text: String)] = [
    (["shadow"], "give --rules FILE, or --patch FILE"),
    (["shadow", "--rules", "a", "--patch", "b"], "one of them"),
    (["shadow", "--rules", "a", "--sample", "0"], "--sample 0"),
    (["shadow", "--rules", "a", "--seconds", "3601"], "--seconds 3601: from 1 to 3600"),
    (["shadow", "--rules", "a", "--promote-if-same", "--seconds", "3600"], "from 1 to 3570"),
    (["shadow", "--rules", "a", "--from", ":9-3"], "--from"),
  ]

  @Test(arguments: wrong.indices)
  func commandLineIsChecked(_ index: Int) async throws {
    let (words, text) = Self.wrong[index]
    let run = try await ToolRun.of(ToolRun.products + "/apus", words)
    #expect(run.status == 2, "\(run.errors)")
    #expect(run.errors.hasPrefix("apus: ") && run.errors.contains(text), "\(run.errors)")
  }

  @Test func aFileThatIsNotThere() async throws {
    let run = try await ToolRun.of(
      ToolRun.products + "/apus", ["shadow", "--rules", "/nowhere/tomorrow.yaml"])
    #expect(run.status == 4)
  }
}

import ControlAPI
import Controller
import ControllerTestSupport
import Foundation
import Testing

/// `apusctl`, started as users do: as `apus`.
@Suite struct ToolTests {
  static func apus(_ words: [String], at test: TestServer, input: String = "") async throws
    -> ToolRun
  {
    try await ToolRun.of(
      ToolRun.products + "/apus", words + ["--address", "unix:\(test.socket)"], input: input)
  }

  static func plane() -> FakePlane {
    let plane = FakePlane()
    plane.state.withLock { state in
      state.objects = [
        .init(ObjectReference(.host), json: #"{"address":"192.0.2.1"}"#),
        .init(ObjectReference(.vpcs, "vpc-blue"), json: #"{"id":"vpc-blue","vni":100}"#),
        .init(ObjectReference(.vpcs, "vpc-green"), json: #"{"id":"vpc-green","vni":200}"#),
        .init(ObjectReference(.mappings, "vpc-blue/10.0.2.20"), json: #"{"vpc":"vpc-blue"}"#),
      ]
      var interface = HostCounters.Interface(id: "eni-web")
      interface.connections = 2
      interface.values = ["packets_in": 12, "packets_out": 0]
      interface.dropsByReason = ["sg.egress": 5]
      state.counters.interfaces = [interface]
      state.counters.uptime = 2_000_000_005
      state.connections = [
        .init(
          networkInterface: "eni-web", protocolNumber: 6, localAddress: "fd00::a", localPort: 443,
          remoteAddress: "fd00::b", remotePort: 5000, state: "established",
          rule: "sg-web/ingress/0", packets: 7, bytes: 700, expiresIn: 9_000_000_000)
      ]
      state.audit = [.init(sequence: 1, json: #"{"sequence":1}"#)]
    }
    return plane
  }

  @Test func applySendsFilesAndStandardInput() async throws {
    try await TestServer.with(plane: Self.plane()) { test in
      let file = test.folder + "/vpc.yaml"
      try "version: 1\n".write(toFile: file, atomically: true, encoding: .utf8)
      let run = try await Self.apus(
        ["apply", "-f", file, "-", "--expect-generation", "7", "--on-rule-change", "cut"],
        at: test, input: "policy: {}\n")
      #expect(run.status == 0, "\(run.errors)")
      #expect(
        run.output == """
          warning: sg-web: nobody uses it
          + securityGroups/sg-web
          - vpcs/vpc-blue
          eni-web: 3 live connections are no longer allowed
          2 changed, generation 8

          """)
      let change = try #require(test.plane.state.withLock { $0.changes.first })
      guard case .whole(let documents) = change.content else {
        Issue.record("not whole")
        return
      }
      #expect(documents.map(\.name) == [file, "standard input"])
      #expect(documents.map(\.text) == ["version: 1\n", "policy: {}\n"])
      #expect(change.expectedGeneration == 7 && change.onRuleChange == "cut")
    }
  }

  @Test func diffChangesNothingAndSaysSo() async throws {
    try await TestServer.with(plane: Self.plane()) { test in
      let run = try await Self.apus(["diff", "--patch", "-f", "-", "--json"], at: test)
      #expect(run.status == 1, "\(run.errors)")
      #expect(
        run.output == #"{"generation":7,"dryRun":true,"changeCount":2,"changes":["#
          + #"{"kind":"securityGroups","id":"sg-web","action":"created"},"#
          + #"{"kind":"vpcs","id":"vpc-blue","action":"deleted"}],"#
          + #""affectedConnections":{"eni-web":3},"warnings":["sg-web: nobody uses it"]}"# + "\n")
      #expect(test.plane.state.withLock { $0.changes.map(\.isDryRun) } == [true])
    }
  }

  @Test func deletePatches() async throws {
    try await TestServer.with(plane: Self.plane()) { test in
      let run = try await Self.apus(
        ["delete", "vpcs/vpc-blue", "mappings/vpc-blue/10.0.2.20"], at: test)
      #expect(run.status == 0, "\(run.errors)")
      let change = try #require(test.plane.state.withLock { $0.changes.first })
      guard case .patch(let set, let deletions) = change.content else {
        Issue.record("not a patch")
        return
      }
      #expect(set.isEmpty)
      #expect(
        deletions == [
          ObjectReference(.vpcs, "vpc-blue"), ObjectReference(.mappings, "vpc-blue/10.0.2.20"),
        ])
    }
  }

  @Test func getPrintsAModel() async throws {
    try await TestServer.with(plane: Self.plane()) { test in
      let all = try await Self.apus(["get"], at: test)
      #expect(
        all.output == """
          # generation 7
          version: 1
          host: {"address":"192.0.2.1"}
          vpcs:
          - {"id":"vpc-blue","vni":100}
          - {"id":"vpc-green","vni":200}
          mappings:
          - {"vpc":"vpc-blue"}

          """)
      let one = try await Self.apus(["get", "vpcs/vpc-green", "--json"], at: test)
      #expect(
        one.output
          == #"{"kind":"vpcs","id":"vpc-green","object":{"id":"vpc-green","vni":200}}"# + "\n")
      let names = try await Self.apus(["get", "vpcs", "--names"], at: test)
      #expect(names.output == "vpcs/vpc-blue\nvpcs/vpc-green\n")
    }
  }

  @Test func statusCountersFlowsAndAudit() async throws {
    try await TestServer.with(plane: Self.plane()) { test in
      let status = try await Self.apus(["status", "--json"], at: test)
      #expect(
        status.output == #"{"version":"test","generation":7,"changedAt":"2023-11-14T22:13:20Z","#
          + #""forwarding":true,"objectCounts":{"vpcs":2},"warnings":["look here"]}"# + "\n")
      let counters = try await Self.apus(["counters", "--eni", "eni-web"], at: test)
      #expect(
        counters.output == """
          of       counter         value
          eni-web  connections         2
          eni-web  packets_in         12
          eni-web  drop sg.egress      5

          """)
      let flows = try await Self.apus(["flows", "--port", "443", "--protocol", "tcp"], at: test)
      #expect(flows.output.contains("[fd00::a]:443  [fd00::b]:5000  established"))
      let none = try await Self.apus(["flows", "--port", "444", "--json"], at: test)
      #expect(none.output == #"{"connections":[],"truncated":false}"# + "\n")
      let audit = try await Self.apus(["audit", "read"], at: test)
      #expect(audit.output == #"{"sequence":1}"# + "\n")
      let good = try await Self.apus(["audit", "verify"], at: test)
      #expect(good.status == 0 && good.output == "1 records, all as written\n")
      test.plane.state.withLock { $0.auditProblem = "record 1 was edited" }
      let bad = try await Self.apus(["audit", "verify"], at: test)
      #expect(bad.status == 1 && bad.output == "record 1 was edited\n")
    }
  }

  /// No daemon is there to be asked.
  @Test func auditLogIsVerifiedOffline() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "apus-audit-\(UUID())").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func verify(_ words: String...) async throws -> ToolRun {
      try await ToolRun.of(
        ToolRun.products + "/apus",
        ["audit", "verify"] + words + ["--address", "unix:\(folder)/none"], input: "")
    }
    let missing = try await verify(folder)
    #expect(missing.status == 4 && missing.errors.contains("\(folder): No such file"))
    let storage = try await ControllerStorage.open(
      ControllerConfiguration(stateDirectory: folder, version: "1", runtime: .kernel))
    let controller = Controller(storage, dataPlane: FakeDataPlane())
    try await controller.start()
    let caller = Caller(name: "uid:0", proof: .none, permissions: Set(Permission.allCases))
    for _ in 0..<3 { _ = try await controller.status(by: caller) }
    // In use, by another process.
    let live = try await verify(folder)
    #expect(live.status == 0 && live.output.contains("3 records"), "\(live)")
    #expect(live.output.contains("the state directory knows of record"))
    await controller.stop()
    let good = try await verify(folder)
    #expect(good.status == 0 && good.errors.isEmpty, "\(good)")
    #expect(good.output.hasPrefix("3 records in 1 files, all as written\nthe last is record 3, "))
    #expect(good.output.hasSuffix("the state directory knows of record 3\n"))
    let path = folder + "/audit/audit-00000000000000000001.jsonl"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try text.replacing("status", with: "states", maxReplacements: 1).write(
      toFile: path, atomically: true, encoding: .utf8)
    let bad = try await verify(path)
    #expect(bad.status == 1 && bad.errors.isEmpty)
    #expect(
      bad.output
        == "audit-00000000000000000001.jsonl:1: record 1 was edited: its hash is another\n")
    let json = try await verify("--json", folder)
    #expect(json.status == 1)
    #expect(json.output.hasPrefix(#"{"intact":false,"records":3,"problem":"audit-0"#))
    #expect(try await verify(folder, "more").status == 2)
  }

  /// What the daemon answers, and how the tool ends.
  static let refusals: [(error: ControlError, code: Int32, text: String)] = [
    (
      .invalid(["a.yaml:1: one", "a.yaml:2: two"]), 3, "apus: a.yaml:1: one\napus: a.yaml:2: two\n"
    ),
    (
      .conflict(expected: 5, actual: 7), 1,
      "apus: the state has generation 7, not 5: another writer was first"
    ),
    (.full(what: "rules", limit: 10, asked: 11), 5, "11 rules: there is room for 10"),
    (.notFound(ObjectReference(.vpcs, "v")), 1, "apus: vpcs/v: there is no such object"),
    (.unavailable(why: "the disk is full", advice: "make room"), 5, "the disk is full (make room)"),
    (.denied(permission: .ports, caller: "uid:0"), 5, "uid:0 lacks the permission 'ports'"),
  ]

  @Test(arguments: refusals.indices)
  func exitCodeTellsWhy(_ index: Int) async throws {
    let (error, code, text) = Self.refusals[index]
    let plane = Self.plane()
    plane.state.withLock { $0.failure = error }
    try await TestServer.with(plane: plane) { test in
      let run = try await Self.apus(["apply", "-f", "-"], at: test)
      #expect(run.status == code && run.output.isEmpty)
      #expect(run.errors.contains(text), "\(run.errors)")
    }
  }

  /// Command lines that no daemon is needed for.
  static let wrong: [(words: [String], code: Int32, text: String)] = [
    (["status", "--address", "unix:/nonexistent/sock"], 5, "(start it: apus run --config"),
    (["status", "--address", "nowhere"], 2, "not an address"),
    (["status", "--address", "127.0.0.1:7443"], 2, "TLS needs --ca, --cert and --key"),
    (
      [
        "status", "--address", "127.0.0.1:7443", "--ca", "/nonexistent/ca", "--cert", "c", "--key",
        "k",
      ], 4, "/nonexistent/ca: cannot be read"
    ),
    (["apply", "-f", "/nonexistent/vpc.yaml"], 4, "/nonexistent/vpc.yaml: cannot be read"),
    (["apply"], 2, "usage: "), (["delete"], 2, "usage: "),
    (["flows", "--protocol", "dragon"], 2, "no such protocol"),
    (["flows", "--limit", "0"], 2, "from 1 to 100000"),
  ]

  @Test(arguments: wrong.indices)
  func commandLineIsChecked(_ index: Int) async throws {
    let (words, code, text) = Self.wrong[index]
    let run = try await ToolRun.of(ToolRun.products + "/apus", words)
    #expect(run.status == code, "\(run.errors)")
    #expect(run.errors.hasPrefix("apus: ") && run.errors.contains(text), "\(run.errors)")
  }

  @Test func tlsOptionsProveWhoCalls() async throws {
    let authority = try TestAuthority()
    let policy = AccessPolicy(certificates: ["operator": [.read]])
    try await TestServer.with(policy: policy, authority: authority) { test in
      let files = try authority.clientFiles([.dnsName("operator")], in: test.folder)
      let run = try await ToolRun.of(
        ToolRun.products + "/apus",
        [
          "status", "--address", "localhost:\(try #require(test.port))", "--ca",
          files.authorities, "--cert", files.certificate, "--key", files.key,
        ])
      #expect(run.status == 0, "\(run.errors)")
      #expect(
        run.output.hasPrefix("apus test\nforwarding\ngeneration 7, since 2023-11-14T22:13:20Z"))
    }
  }
}

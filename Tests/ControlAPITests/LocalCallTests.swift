import ControlAPI
import ControlProtocol
import Controller
import Foundation
import GRPCCore
import Testing

/// Calls over a Unix socket.
@Suite struct LocalCallTests {
  @Test func callerIsWhoTheKernelSays() async throws {
    try await TestServer.with { test in
      let status = try await test.call { try await $0.status() }
      #expect(status.version == "test" && status.generation == 7 && status.forwarding)
      #expect(status.objectCounts == ["vpcs": 2] && status.warnings == ["look here"])
      #expect(status.changedAt.seconds == 1_700_000_000 && status.changedAt.nanos == 500_000_000)
      let caller = try #require(test.plane.state.withLock { $0.callers.first })
      #expect(caller.name == "uid:\(geteuid())")
      #expect(
        caller.proof == .process(user: geteuid(), group: getegid(), process: getpid()))
      #expect(caller.permissions == Set(Permission.allCases))
    }
  }

  @Test func socketIsForItsUserOnly() async throws {
    try await TestServer.with { test in
      let modes = try (Self.mode(test.socket), Self.mode(test.folder + "/run"))
      #expect(modes == (0o660, 0o700))
    }
  }

  @Test func socketIsRemovedAtTheEnd() async throws {
    let path = try await TestServer.with { test in
      test.server.beginGracefulShutdown()
      for _ in 0..<500 where FileManager.default.fileExists(atPath: test.socket) {
        try await Task.sleep(for: .milliseconds(10))
      }
      return FileManager.default.fileExists(atPath: test.socket)
    }
    #expect(!path)
  }

  @Test func socketOfAnotherServerStays() async throws {
    try await TestServer.with { test in
      try FileManager.default.removeItem(atPath: test.socket)
      try "other".write(toFile: test.socket, atomically: false, encoding: .utf8)
      test.server.beginGracefulShutdown()
      try await Task.sleep(for: .milliseconds(300))
      #expect(FileManager.default.fileExists(atPath: test.socket))
    }
  }

  @Test func directoryThatOthersWriteToIsRefused() async throws {
    let folder = "/tmp/apus-open-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    chmod(folder, 0o777)
    let server = try ControlServer(.init(socket: folder + "/control.sock"), plane: FakePlane())
    let error = await #expect(throws: ServerError.self) { try await server.run() }
    #expect(error?.text.contains("chmod 0700 \(folder)") == true)
  }

  private static func mode(_ path: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return (attributes[.posixPermissions] as? Int ?? 0) & 0o777
  }

  @Test func documentsArriveWholeAndInOrder() async throws {
    try await TestServer.with { test in
      let big = "# " + String(repeating: "ä", count: 700_000)
      let outcome = try await test.call { client in
        try await client.apply(
          .with {
            $0.scope = .whole
            $0.expectedGeneration = 7
            $0.onRuleChange = .cut
          },
          documents: [
            .init(name: "a.yaml", text: Array("version: 1".utf8)),
            .init(name: "b.yaml", text: Array(big.utf8)), .init(name: "c.yaml", text: []),
          ])
      }
      #expect(outcome.generation == 8 && outcome.changeCount == 2)
      #expect(outcome.changes.map(\.action) == [.created, .deleted])
      #expect(outcome.changes.first?.object.kind == "securityGroups")
      #expect(outcome.affectedConnections == ["eni-web": 3])
      #expect(outcome.warnings == ["sg-web: nobody uses it"])
      let change = try #require(test.plane.state.withLock { $0.changes.first })
      guard case .whole(let documents) = change.content else {
        Issue.record("not a whole state")
        return
      }
      #expect(documents.map(\.name) == ["a.yaml", "b.yaml", "c.yaml"])
      #expect(documents.map(\.text) == ["version: 1", big, ""])
      #expect(change.expectedGeneration == 7 && change.onRuleChange == "cut" && !change.isDryRun)
    }
  }

  @Test func patchDeletes() async throws {
    try await TestServer.with { test in
      let ids = (0..<12_000).map { "vpc-blue/10.0.\($0 / 250).\($0 % 250)" }
      _ = try await test.call { client in
        try await client.apply(
          .with {
            $0.scope = .patch
            $0.dryRun = true
          }, documents: [],
          deletions: ids.map { id in
            .with {
              $0.kind = "mappings"
              $0.id = id
            }
          })
      }
      let change = try #require(test.plane.state.withLock { $0.changes.first })
      guard case .patch(let documents, let deletions) = change.content else {
        Issue.record("not a patch")
        return
      }
      #expect(documents.isEmpty && change.isDryRun && change.expectedGeneration == nil)
      #expect(deletions == ids.map { ObjectReference(.mappings, $0) })
    }
  }

  @Test func objectsComeInPieces() async throws {
    let plane = FakePlane()
    let big = "{\"id\":\"" + String(repeating: "é", count: 400_000) + "\"}"
    plane.state.withLock { state in
      state.objects =
        (0..<3000).map { .init(ObjectReference(.vpcs, "v\($0)"), json: "{\"id\":\"v\($0)\"}") }
        + [
          .init(ObjectReference(.securityGroups, "big"), json: big),
          .init(ObjectReference(.policy), json: "{}"),
        ]
    }
    try await TestServer.with(plane: plane) { test in
      let all = try await test.call { try await $0.objects() }
      #expect(all.generation == 7 && all.objects.count == 3002)
      #expect(all.objects[2999].json == "{\"id\":\"v2999\"}")
      #expect(all.objects[3000].json == big && all.objects[3001].reference.kind == "policy")
      let one = try await test.call { try await $0.objects(kind: "vpcs", ids: ["v5"]) }
      #expect(one.objects.map(\.reference.id) == ["v5"])
      let largest = try await test.call { client in
        try await client.control.get(.init()) { response in
          var largest = 0
          for try await message in response.messages {
            largest = max(largest, try message.serializedData().count)
          }
          return largest
        }
      }
      #expect(largest <= 1 << 20)
    }
  }

  @Test func countersAddUp() async throws {
    let plane = FakePlane()
    plane.state.withLock { state in
      state.counters.uptime = 5_000_000_007
      state.counters.generation = 7
      state.counters.interfaces = (0..<250).map { number in
        var interface = HostCounters.Interface(id: "eni-\(number)")
        interface.connections = UInt64(number)
        interface.values = ["packets_in": UInt64(number) * 2]
        interface.dropsByReason = ["sg.egress": 1]
        return interface
      }
      state.counters.ports = [HostCounters.Port(name: "uplink")]
      state.counters.workers = [["rounds": 3], ["rounds": 4]]
      for number in 0..<9000 { state.counters.ruleHits["sg/ingress/\(number)"] = UInt64(number) }
    }
    try await TestServer.with(plane: plane) { test in
      let all = try await test.call { try await $0.counters(.init()) }
      #expect(all.uptime.seconds == 5 && all.uptime.nanos == 7 && all.generation == 7)
      #expect(all.interfaces.map(\.networkInterface) == (0..<250).map { "eni-\($0)" })
      #expect(all.interfaces[9].connections == 9 && all.interfaces[9].values["packets_in"] == 18)
      #expect(all.interfaces[9].dropsByReason == ["sg.egress": 1])
      #expect(all.ports.map(\.name) == ["uplink"] && all.workers.count == 2)
      #expect(all.ruleHits.count == 9000 && all.ruleHits["sg/ingress/8999"] == 8999)
      let one = try await test.call { client in
        try await client.counters(
          .with {
            $0.networkInterfaces = ["eni-7"]
            $0.omitRuleHits = true
          })
      }
      #expect(one.interfaces.map(\.networkInterface) == ["eni-7"] && one.ruleHits.isEmpty)
    }
  }

  @Test func connectionsAreFilteredAndCut() async throws {
    let plane = FakePlane()
    plane.state.withLock { state in
      state.connections = (0..<2500).map { number in
        .init(
          networkInterface: "eni-web", protocolNumber: 6, localAddress: "10.0.1.10",
          localPort: 443, remoteAddress: "198.51.100.1", remotePort: UInt16(number + 1000),
          state: "established", rule: "sg-web/ingress/0", packets: 5, bytes: 600,
          expiresIn: 1_500_000_000)
      }
    }
    try await TestServer.with(plane: plane) { test in
      let some = try await test.call { try await $0.connections(.with { $0.limit = 2200 }) }
      #expect(some.connections.count == 2200 && some.truncated)
      let one = try await test.call { try await $0.connections(.with { $0.port = 1004 }) }
      #expect(one.connections.count == 1 && !one.truncated)
      let flow = try #require(one.connections.first)
      #expect(flow.remotePort == 1004 && flow.expiresIn.nanos == 500_000_000)
      #expect(flow.rule == "sg-web/ingress/0" && flow.protocol == 6)
    }
  }

  @Test func auditIsReadAndChecked() async throws {
    let plane = FakePlane()
    plane.state.withLock { state in
      state.audit = (1...250).map { .init(sequence: UInt64($0), json: "{\"sequence\":\($0)}") }
    }
    try await TestServer.with(plane: plane) { test in
      let lines = try await test.call { client in
        try await client.control.readAudit(
          .with {
            $0.afterSequence = 10
            $0.limit = 200
          }
        ) { response in
          var lines: [UInt64] = []
          for try await message in response.messages { lines += message.records.map(\.sequence) }
          return lines
        }
      }
      #expect(lines == Array(11...210))
      let good = try await test.call { try await $0.control.verifyAudit(.init()) }
      #expect(good.intact && good.records == 250)
      plane.state.withLock { $0.auditProblem = "audit.1:17: edited" }
      let bad = try await test.call { try await $0.control.verifyAudit(.init()) }
      #expect(!bad.intact && bad.problem == "audit.1:17: edited")
    }
  }
}

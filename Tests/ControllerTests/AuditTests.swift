import Controller
import ControllerTestSupport
import Foundation
import Testing

@Suite struct AuditTests {
  private func verify(_ desk: Desk) throws -> AuditReport {
    try AuditLog.verify(stateDirectory: desk.directory)
  }

  @Test func everyCallHasARecord() async throws {
    try await withDesk { desk in
      let by = Desk.administrator
      try await desk.apply(Rules.whole(Rules.base))
      _ = await desk.refusal(of: Rules.whole("vpcs: 7"))
      _ = try await desk.controller.status(by: by)
      _ = try await desk.controller.objects(.vpcs, ids: ["v"], by: by)
      _ = try await desk.controller.watch(by: by)
      _ = try await desk.controller.counters(by: by)
      _ = try await desk.controller.connections(ConnectionFilter(), limit: 1, by: by)
      _ = try? await desk.controller.status(by: Rules.caller([]))
      await desk.controller.recordRefusal(method: "Apply", by: by, why: "bad message")
      let records = try desk.audit()
      let expected = [
        #""method":"apply","phase":"begin","outcome":"done","generation":1,"objectCount":4"#,
        #""method":"apply","phase":"done","outcome":"done","generation":1,"objectCount":4"#,
        #""method":"apply","phase":"done","outcome":"refused","why":""#,
        #""method":"status","phase":"done","outcome":"done""#,
        #""method":"objects","phase":"done","outcome":"done","objectCount":1,"objects":["vpcs/v"]"#,
        #""method":"watch""#, #""method":"counters""#, #""method":"connections""#,
        #""method":"status","phase":"done","outcome":"denied","why":"uid:7 has no permission `read`""#,
        #""method":"Apply","phase":"done","outcome":"refused","why":"bad message""#,
      ]
      #expect(records.count == expected.count)
      for (record, text) in zip(records, expected) { #expect(record.contains(text), "\(record)") }
      #expect(records[0].contains(#""caller":"uid:0","proof":"process 4711, user 7, group 7""#))
      for record in records { #expect(throws: Never.self) { try json(record) } }
      let report = try verify(desk)
      #expect(report.isWhole && report.records == 10 && report.lastSequence == 10)
    }
  }

  private func json(_ text: String) throws {
    _ = try JSONSerialization.jsonObject(with: Data(text.utf8))
  }

  @Test func noRecordHoldsPayload() async throws {
    try await withDesk { desk in
      try await desk.apply(Rules.whole(Rules.base))
      _ = await desk.refusal(of: Rules.patch("prefixLists: [{id: pl, entries: [198.51.100.0/24]}]"))
      let text = try desk.audit().joined()
      #expect(!text.contains("198.51.100.0") && !text.contains("02:00:00:00:00:01"))
    }
  }

  @Test func recordIsWrittenBeforeTheEffect() async throws {
    try await withDesk { desk in
      await desk.dataPlane.hold()
      let task = Task { try await desk.apply(Rules.whole(Rules.base)) }
      while try desk.audit().isEmpty { await Task.yield() }
      #expect(await desk.dataPlane.published.isEmpty)
      #expect(try desk.audit()[0].contains(#""phase":"begin""#))
      await desk.dataPlane.release()
      _ = try await task.value
    }
  }

  @Test func concurrentCallsMakeOneChain() async throws {
    try await withDesk { desk in
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<200 {
          group.addTask { _ = try? await desk.controller.status(by: Desk.administrator) }
        }
      }
      let report = try verify(desk)
      #expect(report.isWhole && report.records == 200)
    }
  }

  @Test func chainGoesOnOverFilesAndRestarts() async throws {
    var limits = ControllerLimits()
    limits.auditFileBytes = 1000
    try await withDesk(limits: limits) { desk in
      for _ in 0..<20 { _ = try await desk.status() }
      let again = try await desk.restarted()
      for _ in 0..<5 { _ = try await again.status() }
      let report = try verify(desk)
      #expect(report.isWhole && report.records == 25 && report.files > 3)
      #expect(report.lastHash.count == 64)
    }
  }

  @Test func recordsAreReadInParts() async throws {
    var limits = ControllerLimits()
    limits.auditFileBytes = 1000
    try await withDesk(limits: limits) { desk in
      for _ in 0..<12 { _ = try await desk.status() }
      let by = Desk.administrator
      let first = try await desk.controller.readAudit(after: 0, limit: 5, by: by)
      #expect(first.map(\.sequence) == [1, 2, 3, 4, 5])
      let rest = try await desk.controller.readAudit(after: 5, limit: 100, by: by)
      #expect(rest.map(\.sequence) == Array(6...14))
      #expect(try desk.audit().prefix(14) == (first + rest).map(\.json)[...])
      #expect(rest.last?.json.contains(#""method":"audit""#) == true)
      #expect(try await desk.controller.readAudit(after: 99, limit: 1, by: by) == [])
      let report = try await desk.controller.verifyAudit(by: by)
      #expect(report.isWhole && report.isEndKnown && report.records == 16)
    }
  }

  @Test func unreadableStoreIsAFinding() async throws {
    try await withDesk { desk in
      _ = try await desk.status()
      let path = desk.directory + "/state.sqlite"
      await desk.controller.stop()
      for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
      try Data("garbage".utf8).write(to: URL(filePath: path))
      let report = try verify(desk)
      #expect(!report.isEndKnown && report.problems.count == 1, "\(report.problems)")
    }
  }

  @Test("X-07: a flood of refusals is one record a second")
  func floodOfRefusalsIsOneRecordASecond() async throws {
    try await withDesk { desk in
      for _ in 0..<5000 {
        await desk.controller.recordRefusal(
          method: "connect", by: Rules.caller([]), why: "bad certificate")
      }
      await desk.controller.stop()
      let records = try desk.audit()
      #expect(records.count < 60)
      // All of them are accounted for.
      let counted = records.map { record -> Int in
        if let more = record.firstMatch(of: /"why":"(\d+) more/) { return Int(more.1) ?? 0 }
        return 1 + (record.firstMatch(of: /and (\d+) more/).flatMap { Int($0.1) } ?? 0)
      }
      #expect(counted.reduce(0, +) == 5000)
    }
  }

  // MARK: Tampering

  /// What was done to the lines of the only file, and what is said of it.
  struct Tampering: Sendable, CustomTestStringConvertible {
    var name: String
    var change: @Sendable (inout [String]) -> Void
    var finding: String

    var testDescription: String { name }
  }

  static let tamperings = [
    Tampering(
      name: "edited",
      change: { $0[4] = $0[4].replacingOccurrences(of: "status", with: "states") },
      finding: "audit-00000000000000000001.jsonl:5: record 5 was edited: its hash is another"),
    Tampering(
      name: "removed", change: { $0.remove(at: 4) },
      finding: "audit-00000000000000000001.jsonl:5: record 5 is missing before it"),
    Tampering(
      name: "first ones removed", change: { $0.removeFirst(3) },
      finding: "audit-00000000000000000001.jsonl:1: records 1 to 3 are missing before it"),
    Tampering(
      name: "reordered", change: { $0.swapAt(4, 5) },
      finding: "audit-00000000000000000001.jsonl:6: record 5 stands after record 6"),
    Tampering(
      name: "repeated", change: { $0.insert($0[4], at: 5) },
      finding: "audit-00000000000000000001.jsonl:6: record 5 stands after record 5"),
    Tampering(
      name: "end cut off", change: { $0.removeLast(2) },
      finding: "audit-00000000000000000001.jsonl: the end is cut off: records 9 to 10 are missing"),
    Tampering(
      name: "no record", change: { $0[2] = "{}" },
      finding: "audit-00000000000000000001.jsonl:3: is no record"),
  ]

  @Test(arguments: tamperings) func tamperingIsFound(_ tampering: Tampering) async throws {
    try await withDesk { desk in
      for _ in 0..<10 { _ = try await desk.status() }
      #expect(try verify(desk).isWhole)
      let path = desk.directory + "/audit/audit-00000000000000000001.jsonl"
      var lines = try desk.audit()
      tampering.change(&lines)
      try (lines.joined(separator: "\n") + "\n").write(
        toFile: path, atomically: true, encoding: .utf8)
      let problems = try verify(desk).problems.map(\.description)
      #expect(problems.contains(tampering.finding), "\(problems)")
    }
  }

  @Test func removedFileIsFound() async throws {
    var limits = ControllerLimits()
    limits.auditFileBytes = 1000
    try await withDesk(limits: limits) { desk in
      for _ in 0..<20 { _ = try await desk.status() }
      let folder = desk.directory + "/audit"
      let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      for index in [0, files.count / 2, files.count - 1] {
        let path = "\(folder)/\(files[index])"
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        #expect(try !verify(desk).isWhole, "\(files[index])")
        try bytes.write(to: URL(filePath: path))
      }
      #expect(try verify(desk).isWhole)
    }
  }

  // MARK: Crashes

  @Test func tornLastLineIsRepairedAndRecorded() async throws {
    try await withDesk { desk in
      for _ in 0..<3 { _ = try await desk.status() }
      await desk.controller.stop()
      let path = desk.directory + "/audit/audit-00000000000000000001.jsonl"
      let handle = try #require(FileHandle(forWritingAtPath: path))
      try handle.seekToEnd()
      try handle.write(contentsOf: Data(#"{"sequence":4,"prev"#.utf8))
      try handle.close()
      #expect(try !verify(desk).isWhole)
      let again = try await desk.restarted()
      let records = try again.audit()
      #expect(records.count == 4)
      #expect(records[3].contains(#""method":"audit.repair""#))
      #expect(records[3].contains("19 bytes of a record"))
      #expect(try verify(again).isWhole)
      #expect(again.storage.warnings.isEmpty)
    }
  }

  @Test func lostEndIsToldAndStaysVisible() async throws {
    try await withDesk { desk in
      for _ in 0..<6 { _ = try await desk.status() }
      let path = desk.directory + "/audit/audit-00000000000000000001.jsonl"
      let lines = try desk.audit().prefix(4)
      try (lines.joined(separator: "\n") + "\n").write(
        toFile: path, atomically: true, encoding: .utf8)
      let again = try await desk.restarted()
      #expect(again.storage.warnings.contains { $0.contains("records 5 to 6") })
      let problems = try verify(again).problems.map(\.description)
      #expect(
        problems == [
          "audit-00000000000000000001.jsonl:5: records 5 to 6 are missing before it"
        ])
    }
  }
}

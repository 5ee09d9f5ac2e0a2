import Controller
import ControllerTestSupport
import Foundation
import Testing

/// Audit logs that are checked without their daemon.
@Suite struct OfflineAuditTests {
  private static let name = "audit-00000000000000000001.jsonl"

  private func problems(_ path: String) throws -> [String] {
    try AuditLog.verify(path: path).problems.map(\.description)
  }

  /// What is in a directory: bytes and times of every file.
  private func contents(_ directory: String) throws -> [String: String] {
    var found: [String: String] = [:]
    for case let path as String in FileManager.default.enumerator(atPath: directory) ?? .init() {
      let full = directory + "/" + path
      let facts = try FileManager.default.attributesOfItem(atPath: full)
      let bytes = (try? Data(contentsOf: URL(filePath: full)).hashValue) ?? 0
      let time = (facts[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
      found[path] = "\(bytes) \(time) \(facts[.posixPermissions] ?? 0)"
    }
    return found
  }

  /// A desk with some records, of small files; given with a copy of its directory.
  private func withCopy(
    calls: Int = 20, fileBytes: Int = 1_000, _ body: (Desk, String) async throws -> Void
  ) async throws {
    var limits = ControllerLimits()
    limits.auditFileBytes = fileBytes
    try await withDesk(limits: limits) { desk in
      try await desk.apply(Rules.whole(Rules.base))
      for _ in 0..<calls { _ = try await desk.status() }
      let copy = Desk.newDirectory()
      defer { try? FileManager.default.removeItem(atPath: copy) }
      try FileManager.default.copyItem(atPath: desk.directory, toPath: copy)
      try await body(desk, copy)
    }
  }

  @Test func aLiveDirectoryIsReadOnly() async throws {
    try await withCopy { desk, _ in
      let before = try contents(desk.directory)
      #expect(before["state.sqlite-wal"] != nil)
      let report = try AuditLog.verify(path: desk.directory)
      #expect(report.isWhole && report.isEndKnown && report.records == 22 && report.files > 3)
      #expect(report.storedSequence.map { $0 > 0 && $0 <= 22 } == true)
      #expect(try contents(desk.directory) == before)
      // It goes on undisturbed.
      _ = try await desk.status()
      #expect(try AuditLog.verify(path: desk.directory).records == 23)
    }
  }

  /// Copied while it was in use, with and without the parts that go with the database, and from a
  /// daemon that ended.
  @Test func copiesAreReadOnly() async throws {
    try await withCopy { desk, copy in
      for removed in ["", "-shm", "-wal"] {
        if !removed.isEmpty {
          try FileManager.default.removeItem(atPath: copy + "/state.sqlite" + removed)
        }
        let before = try contents(copy)
        let report = try AuditLog.verify(path: copy)
        #expect(report.records == 22 && report.lastHash.count == 64)
        // The database alone may be too old to have anything at all.
        let mayBeUnknown = !removed.isEmpty && !report.isEndKnown
        #expect(report.isWhole || mayBeUnknown, "\(removed): \(report.problems)")
        #expect(try contents(copy) == before, "\(removed)")
      }
      await desk.controller.stop()
      let before = try contents(desk.directory)
      let report = try AuditLog.verify(path: desk.directory + "/")
      #expect(report.isWhole && report.storedSequence == report.lastSequence)
      #expect(try contents(desk.directory) == before)
    }
  }

  @Test(arguments: AuditTests.tamperings)
  func tamperingIsFound(_ tampering: AuditTests.Tampering) async throws {
    try await withDesk { desk in
      for _ in 0..<10 { _ = try await desk.status() }
      await desk.controller.stop()
      let path = "\(desk.directory)/audit/\(Self.name)"
      var lines = try desk.audit()
      tampering.change(&lines)
      try (lines.joined(separator: "\n") + "\n").write(
        toFile: path, atomically: true, encoding: .utf8)
      let found = try problems(desk.directory)
      #expect(found.contains(tampering.finding), "\(found)")
      // Without the store nobody knows that there was more.
      let isEnd = tampering.name == "end cut off"
      #expect(try problems(desk.directory + "/audit").isEmpty == isEnd)
      #expect(try problems(path).isEmpty == isEnd)
    }
  }

  @Test func missingAndTruncatedFilesAreFound() async throws {
    try await withCopy { _, copy in
      let folder = copy + "/audit"
      let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      #expect(files.count > 3)
      for (index, file) in files.enumerated() {
        let path = "\(folder)/\(file)"
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        // The store may be some records behind the last file.
        if index < files.count - 1 { #expect(try !problems(copy).isEmpty, "\(file)") }
        try bytes.dropLast(10).write(to: URL(filePath: path))
        let found = try problems(copy)
        #expect(found.contains { $0.hasPrefix("\(file): ends with ") }, "\(found)")
        try bytes.write(to: URL(filePath: path))
        // By itself it follows from what was before.
        let alone = try AuditLog.verify(path: path)
        #expect(alone.isWhole && alone.files == 1 && !alone.isEndKnown)
        #expect(alone.firstSequence == UInt64(file.dropFirst(6).prefix(20)))
      }
      #expect(try problems(copy).isEmpty)
      try FileManager.default.removeItem(atPath: folder)
      #expect(try problems(copy).first?.contains("the end is cut off: records 1 to ") == true)
    }
  }

  @Test func aFileOfAnyNameIsChecked() async throws {
    try await withCopy(calls: 5, fileBytes: 1 << 20) { _, copy in
      let lines = try String(contentsOfFile: "\(copy)/audit/\(Self.name)", encoding: .utf8)
        .split(separator: "\n").map { $0 + "\n" }
      let path = copy + "/some copy?.txt"
      try lines[2...].joined().write(toFile: path, atomically: true, encoding: .utf8)
      let part = try AuditLog.verify(path: path)
      #expect(part.isWhole && part.firstSequence == 3 && part.records == UInt64(lines.count - 2))
      // Its name says where it begins.
      let named = copy + "/" + Self.name
      try lines[2...].joined().write(toFile: named, atomically: true, encoding: .utf8)
      #expect(try problems(named) == ["\(Self.name):1: records 1 to 2 are missing before it"])
    }
  }

  @Test func whatIsNoLogIsSaid() async throws {
    let folder = Desk.newDirectory()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(throws: AuditUnreadable.self) { try AuditLog.verify(path: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    do {
      _ = try AuditLog.verify(path: folder)
      Issue.record("an empty folder is a log")
    } catch {
      #expect(error.what == folder && error.why == "there is no audit log in it")
    }
    try Data("garbage".utf8).write(to: URL(filePath: folder + "/state.sqlite"))
    let report = try AuditLog.verify(path: folder)
    #expect(!report.isEndKnown && report.problems.count == 1, "\(report.problems)")
  }
}

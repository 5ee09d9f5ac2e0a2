import CapturePort
import FlowLogs
import Foundation
import Glibc
import Logging
import Testing

@testable import Daemon

/// Files of records: rotation, what is kept, what a crash left, a disk without room.
@Suite struct FlowLogFilesTests {
  typealias Aggregator = FlowLogAggregatorTests
  static let second = Aggregator.second
  static let minute = 60 * second

  /// A directory of its own, and what writes there.
  final class Desk {
    let path: String
    var plan: FlowLogPlan
    let counters = FlowLogCounters()
    private let isOurs: Bool

    init(_ path: String? = nil, _ change: (inout FlowLogPlan) -> Void = { _ in }) throws {
      isOurs = path == nil
      self.path = path ?? NSTemporaryDirectory() + "flow-\(UUID().uuidString.prefix(8))"
      try FileManager.default.createDirectory(
        atPath: self.path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o750]
      )
      plan = FlowLogPlan(directory: self.path, interval: .oneMinute, isCompressed: false)
      change(&plan)
    }

    deinit { if isOurs { try? FileManager.default.removeItem(atPath: path) } }

    func files() throws -> FlowLogFiles {
      FlowLogFiles(
        plan, try FlowLogFolder(path), counters, logger: Logger(label: "test"),
        now: { Aggregator.start / FlowLogFilesTests.second + 500 })
    }

    var names: [String] {
      ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }

    /// The lines of a file behind its header.
    func lines(_ name: String) throws -> [String] {
      var reader = try LineReader(path: path + "/" + name)
      var lines: [String] = []
      while let line = reader.next() { lines.append(line) }
      #expect(reader.failure == nil && lines.first == plan.format.header)
      return Array(lines.dropFirst())
    }
  }

  /// A batch of one interval.
  static func batch(
    _ number: UInt64 = 0, flows: UInt16 = 1, _ change: (inout FlowLogAggregator) -> Void = { _ in }
  ) throws -> FlowLogBatch {
    let start = Aggregator.start + number * minute
    var log = Aggregator.aggregator(capacity: 100_000, now: start)
    for port in 0..<flows {
      log.add(
        try Aggregator.facts(port), Aggregator.sent(), receiver: .none,
        time: start + UInt64(port) * 1_000, generation: 2)
    }
    change(&log)
    return log.close(at: log.end, next: log.end)
  }

  private static func name(_ minutes: Int, _ number: Int = 0, _ suffix: String = ".log") -> String {
    "flowlog_20261121T02\(27 + minutes)Z_000\(number)\(suffix)"
  }

  @Test(arguments: [false, true])
  func aFileOfEachInterval(isCompressed: Bool) throws {
    let desk = try Desk { $0.isCompressed = isCompressed }
    let files = try desk.files()
    let suffix = isCompressed ? ".log.gz" : ".log"
    files.open(start: Aggregator.start + 5 * Self.second)
    #expect(desk.names == [Self.name(0, 0, suffix + ".tmp")])
    files.write(try Self.batch(0))
    #expect(desk.names == [Self.name(0, 0, suffix)])
    files.open(start: Aggregator.start + Self.minute)
    files.write(try Self.batch(1, flows: 2))
    files.end()
    #expect(desk.names == [Self.name(0, 0, suffix), Self.name(1, 0, suffix)])
    let start = Aggregator.start / Self.second
    #expect(
      try desk.lines(Self.name(0, 0, suffix)) == [
        "2 - eni-a 10.0.0.1 10.0.0.9 0 53 17 1 32 \(start) \(start) ACCEPT OK r -",
        "2 - eni-b - - - - - - - \(start) \(start + 60) - NODATA - -",
      ])
    #expect(try desk.lines(Self.name(1, 0, suffix)).count == 3)
    let magic = try FileHandle(
      forReadingFrom: URL(filePath: desk.path + "/" + Self.name(1, 0, suffix))
    )
    .read(upToCount: 2)
    #expect((magic == Data([0x1F, 0x8B])) == isCompressed)
    var status = stat()
    #expect(stat(desk.path + "/" + Self.name(0, 0, suffix), &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o640)
    let counts = desk.counters.current
    #expect(counts.files == 2 && counts.records == 5 && counts.failures == 0)
    #expect(counts.bytes > 0 && counts.lastFailure == 0)
  }

  @Test func namesTellTheirTime() {
    let name = FlowLogFolder.name(start: Aggregator.start, number: 12, isCompressed: true)
    #expect(name == "flowlog_20261121T0227Z_0012.log.gz")
    #expect(FlowLogFolder.start(of: name) == Aggregator.start)
    for wrong in ["", "flowlog_", "flowlog_2026x121T0227Z_0012.log", "x" + name, "notes.log"] {
      #expect(FlowLogFolder.start(of: wrong) == nil, "\(wrong)")
    }
  }

  /// What is written early, and a second run in the same minute, goes to files of their own.
  @Test func intervalsAreNotOverwritten() throws {
    let desk = try Desk()
    for _ in 0..<3 {
      let files = try desk.files()
      files.write(try Self.batch())
      files.end()
    }
    #expect(desk.names == (0..<3).map { Self.name(0, $0) })
    // Two at a time, as when one takes over from another.
    let (first, second) = (try desk.files(), try desk.files())
    first.open(start: Aggregator.start)
    second.open(start: Aggregator.start)
    second.begin(interfaces: ["eni-a"])
    #expect(desk.names.filter { $0.hasSuffix(".tmp") }.count == 2)
    first.write(try Self.batch())
    second.write(try Self.batch())
    #expect(desk.names == (0..<5).map { Self.name(0, $0) })
    for name in desk.names { #expect(try !desk.lines(name).contains { $0.contains("SKIP") }) }
  }

  @Test func aLargeIntervalHasSeveralFiles() throws {
    let desk = try Desk { $0.fileBytes = 60_000 }
    let files = try desk.files()
    files.write(try Self.batch(flows: 4_000))
    #expect((4...6).contains(desk.names.count))
    #expect(desk.names == desk.names.indices.map { Self.name(0, $0) })
    let lines = try desk.names.flatMap { try desk.lines($0) }
    #expect(lines.count == 4_001 && Set(lines).count == 4_001)
    #expect(desk.counters.current.records == 4_001)
  }

  @Test func theOldestGo() throws {
    let desk = try Desk { $0.keptFiles = 3 }
    let stranger = desk.path + "/notes.log"
    #expect(FileManager.default.createFile(atPath: stranger, contents: Data("x".utf8)))
    let files = try desk.files()
    for minute in 0..<5 as Range<UInt64> { files.write(try Self.batch(minute)) }
    #expect(desk.names == [Self.name(2), Self.name(3), Self.name(4), "notes.log"])
    #expect(desk.counters.current.removedFiles == 2)
    // By bytes, when another begins.
    desk.plan.keptBytes = 700
    try desk.files().begin(interfaces: [])
    #expect(desk.names == [Self.name(3), Self.name(4), "notes.log"])
  }

  /// An unfinished file says that there was an interval whose records are lost.
  @Test func aCrashIsTold() throws {
    let desk = try Desk()
    let left = desk.path + "/" + Self.name(0, 0, ".log.tmp")
    #expect(FileManager.default.createFile(atPath: left, contents: Data("half a li".utf8)))
    let files = try desk.files()
    files.begin(interfaces: ["eni-a", "eni-b"])
    #expect(desk.names.isEmpty)
    files.write(try Self.batch(3))
    let lines = try desk.lines(Self.name(3))
    let start = Aggregator.start / Self.second
    #expect(
      lines.prefix(2) == [
        "2 - eni-a - - - - - - - \(start) \(start + 60) - SKIPDATA - -",
        "2 - eni-b - - - - - - - \(start) \(start + 60) - SKIPDATA - -",
      ])
    #expect(lines.count == 4)
    files.write(try Self.batch(4))
    #expect(try desk.lines(Self.name(4)).count == 2)
  }

  /// Links that somebody put there lead nowhere.
  @Test func linksAreNotFollowed() throws {
    let desk = try Desk()
    let victim = desk.path + "/victim"
    #expect(FileManager.default.createFile(atPath: victim, contents: Data("kept".utf8)))
    for suffix in [".log", ".log.tmp"] {
      #expect(symlink(victim, desk.path + "/" + Self.name(0, 0, suffix)) == 0)
    }
    let files = try desk.files()
    files.begin(interfaces: ["eni-a"])
    files.write(try Self.batch())
    #expect(try String(contentsOfFile: victim, encoding: .utf8) == "kept")
    #expect(try desk.lines(Self.name(0, 1)).count == 2)
    let link = desk.path + "-link"
    #expect(symlink(desk.path, link) == 0)
    defer { unlink(link) }
    #expect(throws: DaemonFailure.self) { try FlowLogFolder(link) }
  }

  @Test func directoriesThatAreRefused() throws {
    let desk = try Desk()
    #expect(throws: DaemonFailure.self) { try FlowLogFolder(desk.path + "/missing") }
    #expect(chmod(desk.path, 0o777) == 0)
    #expect(throws: DaemonFailure.self) { try FlowLogFolder(desk.path) }
  }

  // MARK: A disk without room

  private static func run(_ arguments: String...) -> Int32 {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch { return -1 }
    process.waitUntilExit()
    return process.terminationStatus
  }

  private static let canMount = geteuid() == 0 && run("unshare", "--mount", "true") == 0

  /// Leaves no room: for bytes, or for names.
  private static func fill(_ ballast: String) throws {
    let bytes = [UInt8](repeating: 1, count: 4_096)
    for number in 0..<20 {
      let file = open("\(ballast)\(number)", O_WRONLY | O_CREAT | O_APPEND, 0o600)
      if file < 0 { return }
      var room = 100
      while room > 0, write(file, bytes, bytes.count) > 0 { room -= 1 }
      close(file)
    }
  }

  @Test(
    .enabled(if: canMount, "a file system of its own needs the right to mount"),
    arguments: [(false, "size=64k"), (true, "size=64k"), (false, "nr_inodes=9")])
  func aFullDiskIsToldWhenThereIsRoom(isCompressed: Bool, limit: String) throws {
    let mount = NSTemporaryDirectory() + "flow-disk-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: mount) }
    try #require(Self.run("mount", "-t", "tmpfs", "-o", "\(limit),mode=750", "tmpfs", mount) == 0)
    defer { _ = Self.run("umount", "-l", mount) }
    let desk = try Desk(mount) { $0.isCompressed = isCompressed }
    let files = try desk.files()
    files.write(try Self.batch(0))
    let ballast = mount + "/ballast"
    try Self.fill(ballast)
    for minute in 1..<3 as Range<UInt64> {
      files.open(start: Aggregator.start + minute * Self.minute)
      files.write(try Self.batch(minute, flows: 500))
    }
    let suffix = isCompressed ? ".log.gz" : ".log"
    #expect(desk.names.filter { !$0.hasPrefix("ballast") } == [Self.name(0, 0, suffix)])
    var counts = desk.counters.current
    #expect(counts.skippedRecords == 1_000 && counts.failures >= 2 && counts.files == 1)
    #expect(counts.lastFailure == Aggregator.start / Self.second + 500)
    for name in desk.names where name.hasPrefix("ballast") {
      #expect(unlink(mount + "/" + name) == 0)
    }
    files.write(try Self.batch(3))
    let start = Aggregator.start / Self.second
    let lines = try desk.lines(Self.name(3, 0, suffix))
    #expect(
      lines.prefix(2) == [
        "2 - eni-a - - - - - - - \(start + 60) \(start + 180) - SKIPDATA - -",
        "2 - eni-b - - - - - - - \(start + 60) \(start + 180) - SKIPDATA - -",
      ])
    #expect(lines.count == 4)
    counts = desk.counters.current
    #expect(counts.files == 2 && counts.skippedRecords == 1_000)
    files.write(try Self.batch(4))
    #expect(try desk.lines(Self.name(4, 0, suffix)).count == 2)
  }
}

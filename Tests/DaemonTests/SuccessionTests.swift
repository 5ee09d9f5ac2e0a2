import Foundation
import HostPlan
import Logging
import Testing

@testable import Daemon

/// Who serves a run directory, and how another one comes into that place.
struct SuccessionTests {
  private let directory = FileManager.default.temporaryDirectory
    .appending(path: "apus-seat-\(UUID().uuidString.prefix(8))").path
  private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  @Test func aPlaceIsTakenByOneAtATime() throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    do {
      let first = try DataPlaneSeat(runDirectory: directory)
      let second = try DataPlaneSeat(runDirectory: directory)
      #expect(second.holder == nil)
      let isFirst = first.take(milliseconds: 0)
      let isSecond = second.take(milliseconds: 5)
      #expect(isFirst && !isSecond)
      #expect(second.holder == getpid())
    }
    let third = try DataPlaneSeat(runDirectory: directory)
    let isThird = third.take(milliseconds: 0)
    #expect(isThird, "the place is free when its holder's file is closed")
  }

  @Test func startingTwiceIsRefused() throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let first = try Succession(runDirectory: directory, takesOver: false, logger: logger)
    let failure = #expect(throws: DaemonFailure.self) {
      try Succession(runDirectory: directory, takesOver: false, logger: logger)
    }
    #expect(failure?.code == .resource)
    #expect(failure?.lines.first?.contains("--takeover") == true)
    first.leave()
    let second = try Succession(runDirectory: directory, takesOver: true, logger: logger)
    try second.complete()
    #expect(!second.isSuccessor, "nobody was there to take over from")
  }

  /// The one before is another process, which holds the lock until it is asked to end.
  @Test func theOneBeforeIsAskedToEnd() async throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let before = Process()
    before.executableURL = URL(filePath: "/usr/bin/flock")
    before.arguments = [
      "--no-fork", "\(directory)/data-plane.lock", "sh", "-c",
      "echo $$ >\(directory)/data-plane.lock; exec sleep 60",
    ]
    try Self.run(before)
    defer { before.terminate() }
    for _ in 0..<500 where lockText != "\(before.processIdentifier)\n" { usleep(10_000) }
    try #require(lockText == "\(before.processIdentifier)\n")
    let successor = try Succession(runDirectory: directory, takesOver: true, logger: logger)
    #expect(before.isRunning, "until all is ready")
    try successor.complete()
    #expect(successor.isSuccessor)
    before.waitUntilExit()
    #expect(before.terminationReason == .uncaughtSignal && before.terminationStatus == SIGTERM)
  }

  /// Threads of the test runner block signals, and a program inherits that.
  private static func run(_ process: Process) throws {
    var (end, mask) = (sigset_t(), sigset_t())
    sigemptyset(&end)
    sigaddset(&end, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &end, &mask)
    defer { pthread_sigmask(SIG_SETMASK, &mask, nil) }
    try process.run()
  }

  private var lockText: String? {
    try? String(contentsOfFile: directory + "/data-plane.lock", encoding: .utf8)
  }
}

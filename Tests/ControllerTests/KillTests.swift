import Controller
import ControllerTestSupport
import Foundation
import Testing

/// A process killed while it applies changes leaves a whole state: the last acknowledged or the one
/// in flight. `APUS_KILLS` sets how often it is killed.
@Suite struct KillTests {
  private static let kills =
    ProcessInfo.processInfo.environment["APUS_KILLS"].flatMap { Int($0) } ?? 20

  static let program = URL(filePath: CommandLine.arguments[0])
    .deletingLastPathComponent().appending(path: "killed-controller").path

  /// What the program said before it was killed.
  private struct Life {
    var start: Int?
    var begun: Int?
    var acknowledged: Int?
    var generation: UInt64 = 0
    var isMixed = false
  }

  @Test(
    "A-02: a controller killed at any moment leaves a whole state", .timeLimit(.minutes(20)))
  func killedAtAnyMoment() async throws {
    let directory = Desk.newDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var random = SeededGenerator(seed: 1)
    var (last, inFlight) = (0, 0)
    var acknowledged = 0
    for round in 0..<Self.kills {
      // Every fourth is killed while it starts as well, however long that takes.
      let life = try run(
        in: directory, for: Double.random(in: 0.005...0.25, using: &random),
        sinceItsStart: round % 4 == 3)
      try #require(!life.isMixed, "round \(round)")
      if let start = life.start {
        #expect(start == last || start == inFlight, "round \(round)")
        (last, inFlight) = (start, start)
      }
      if let number = life.acknowledged {
        last = number
        acknowledged += 1
      }
      // A life that was too short to begin a change leaves that of the one before in doubt.
      if let begun = life.begun { inFlight = begun }
    }
    let desk = try await Desk(directory)
    let objects = try await desk.controller.objects(nil, ids: [], by: Desk.administrator)
    let number = try #require(NumberedChange.number(of: objects))
    #expect(number == last || number == inFlight)
    #expect(desk.storage.warnings.isEmpty)
    let report = try AuditLog.verify(stateDirectory: directory)
    #expect(report.isWhole, "\(report.problems)")
    #expect(report.records > 10 && acknowledged > Self.kills / 4, "\(acknowledged)")
  }

  /// Runs the program, and kills it some time after it was started, or after its first words.
  private func run(
    in directory: String, for seconds: Double, sinceItsStart: Bool
  ) throws -> Life {
    let process = Process()
    process.executableURL = URL(filePath: Self.program)
    process.arguments = [directory]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let identifier = process.processIdentifier
    let killer = Thread {
      Thread.sleep(forTimeInterval: seconds)
      kill(identifier, SIGKILL)
    }
    if sinceItsStart { killer.start() }
    var bytes = output.fileHandleForReading.availableData
    if !sinceItsStart { killer.start() }
    bytes += output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let text = String(decoding: bytes, as: UTF8.self)
    var life = Life()
    // A last line that is cut was not said.
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      let words = line.split(separator: " ")
      switch words.first {
      case "start": life.start = Int(words[2])
      case "begin": life.begun = Int(words[1])
      case "acknowledged":
        life.acknowledged = Int(words[2])
        life.generation = UInt64(words[1]) ?? 0
      default: life.isMixed = true
      }
    }
    return life
  }
}

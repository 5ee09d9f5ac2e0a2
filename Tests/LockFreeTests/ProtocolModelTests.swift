import Foundation
import Testing

/// The protocols of this module, searched by spin for any order of steps that breaks them: what
/// threads that happen to meet in a test may never show.
@Suite struct ProtocolModelTests {
  private static let script = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "scripts/model-check").path

  static let hasSpin = ["spin", "gcc"].allSatisfy { command in
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
      FileManager.default.isExecutableFile(atPath: "\($0)/\(command)")
    }
  }

  @Test(
    .enabled(if: hasSpin, "no spin: scripts/bootstrap --tests installs it"),
    .timeLimit(.minutes(3)), arguments: ["ring", "publication", "sleepers"])
  func `a model holds, and each defect planted in it is found`(_ model: String) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=5", "150", Self.script, model]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    let text = String(decoding: output, as: UTF8.self)
    #expect(process.terminationStatus == 0, "\(text)")
    #expect(text.contains("states, no error"), "\(text)")
    #expect(text.contains("DEFECT_") && text.contains("found:"), "\(text)")
  }
}

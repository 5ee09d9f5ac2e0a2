import Foundation

/// A program that was run to its end.
struct ToolRun: Sendable {
  var status: Int32
  var output: String
  var errors: String

  /// Runs a program, for at most a minute.
  static func of(
    _ program: String, _ arguments: [String], input: String = ""
  ) async throws -> ToolRun {
    try await withCheckedThrowingContinuation { continuation in
      // It waits, so it gets a thread of its own.
      Thread.detachNewThread {
        continuation.resume(with: Result { try run(program, arguments, input) })
      }
    }
  }

  private static func run(
    _ program: String, _ arguments: [String], _ input: String
  ) throws -> ToolRun {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("apus-run-\(UInt32.random(in: 0 ... .max))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func file(_ name: String, _ text: String) throws -> FileHandle {
      let path = folder.appendingPathComponent(name)
      try text.write(to: path, atomically: false, encoding: .utf8)
      return try FileHandle(forUpdating: path)
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardInput = try file("in", input)
    process.standardOutput = try file("out", "")
    process.standardError = try file("err", "")
    try process.run()
    let deadline = Date.now + 60
    while process.isRunning && Date.now < deadline { usleep(10_000) }
    if process.isRunning { process.terminate() }
    process.waitUntilExit()
    func text(_ name: String) throws -> String {
      try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }
    return ToolRun(
      status: process.terminationStatus, output: try text("out"), errors: try text("err"))
  }

  /// The folder of the programs that were built with the tests.
  static let products: String = {
    let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    return (executable.map { ($0 as NSString).deletingLastPathComponent }) ?? "."
  }()
}

import Foundation
import Testing

/// A run of `simulate`, waited for without a thread.
final class Program {
  private let process = Process()
  private let folder: URL

  /// - Parameter line: arguments, separated by spaces.
  init(_ line: String) throws {
    let run = "simulate-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    folder = FileManager.default.temporaryDirectory.appendingPathComponent(run)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
      .deletingLastPathComponent().appendingPathComponent("simulate")
    process.arguments = line.split(separator: " ").map(String.init)
    process.environment = ["SWIFT_BACKTRACE": "enable=no"]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try file("out")
    process.standardError = try file("err")
    try process.run()
  }

  deinit {
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    try? FileManager.default.removeItem(at: folder)
  }

  private func file(_ name: String) throws -> FileHandle {
    let path = folder.appendingPathComponent(name)
    try Data().write(to: path)
    return try FileHandle(forWritingTo: path)
  }

  var output: String { text("out") }
  var errors: String { text("err") }

  private func text(_ name: String) -> String {
    (try? String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)) ?? ""
  }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Whether the program has a handler of a signal now (proc(5), `SigCgt`).
  func isCatching(_ number: Int32) -> Bool {
    let path = "/proc/\(process.processIdentifier)/status"
    let status = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }
    let digits = line?.dropFirst(7).trimmingCharacters(in: .whitespaces) ?? ""
    return (UInt64(digits, radix: 16) ?? 0) >> UInt64(number - 1) & 1 == 1
  }

  /// Waits, three minutes at most, until something is so.
  func wait(_ what: String = "as expected", until isSo: (Program) -> Bool) async throws {
    let end = Date.now + 180
    while Date.now < end {
      if isSo(self) { return }
      try await Task.sleep(for: .milliseconds(10))
    }
    Issue.record("not \(what) within three minutes: \(output) \(errors)")
    throw CancellationError()
  }

  /// The exit code as a shell has it; nil when the program does not end.
  func status() async -> Int32? {
    do { try await wait("ended") { !$0.process.isRunning } } catch { return nil }
    let isSignal = process.terminationReason == .uncaughtSignal
    return process.terminationStatus + (isSignal ? 128 : 0)
  }
}

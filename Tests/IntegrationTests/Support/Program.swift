import Foundation

/// A program that ran to its end.
struct Program: Sendable {
  let status: Int32
  /// Standard output and standard error, as they came.
  let output: String

  /// Runs a program and waits; past the limit `timeout` ends it, and the status is 124.
  ///
  /// - Parameter command: the program, looked for in PATH, and its arguments.
  /// - Parameter seconds: the limit.
  static func run(_ command: [String], seconds: Int = 20) async throws -> Program {
    try await Waiting.aside { try runHere(command, seconds: seconds) }
  }

  /// The same for callers that may block, such as the conditions of tests.
  static func runHere(_ command: [String], seconds: Int = 20) throws -> Program {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=5", "\(seconds)"] + command
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Program(
      status: process.terminationStatus, output: String(decoding: output, as: UTF8.self))
  }
}

/// A program that runs beside a test until it is ended.
///
/// It runs under `timeout`, which gives it a process group of its own and an end in any case; a
/// signal goes to that group, so it reaches the program wherever its wrappers stand.
final class BackgroundProgram: Sendable {
  private let process: Process
  /// Held open: some programs end with their standard input.
  private let input = Pipe()
  private let log: URL?

  /// - Parameter command: the program, looked for in PATH, and its arguments.
  /// - Parameter log: the file that gets its standard output and standard error; nil for none.
  /// - Parameter seconds: after these it is ended, whatever the test does.
  init(_ command: [String], log: URL?, seconds: Int = 600) throws {
    self.log = log
    let output = try log.map(Self.create) ?? .nullDevice
    process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=5", "\(seconds)"] + command
    process.standardOutput = output
    process.standardError = output
    process.standardInput = input
    try process.run()
    if log != nil { try output.close() }
  }

  /// Only where nothing is: Foundation makes a file by renaming, which would replace a device.
  private static func create(_ log: URL) throws -> FileHandle {
    if !FileManager.default.fileExists(atPath: log.path) {
      FileManager.default.createFile(atPath: log.path, contents: nil)
    }
    let handle = try FileHandle(forWritingTo: log)
    // A device has nothing to cut off.
    try? handle.truncate(atOffset: 0)
    return handle
  }

  deinit { signal(SIGKILL) }

  var isAlive: Bool { process.isRunning }
  var output: String { log.flatMap { try? String(contentsOf: $0, encoding: .utf8) } ?? "" }
  /// Of a program that ended.
  var status: Int32 { process.terminationStatus }

  func signal(_ number: Int32) {
    if process.isRunning { kill(-process.processIdentifier, number) }
  }

  /// Writes a line to the program's standard input.
  func type(_ line: String) throws {
    try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
  }

  /// Asks it to end, and after some seconds ends it; returns when it is gone.
  func end(within seconds: Int = 10) async {
    signal(SIGTERM)
    let ended = try? await Waiting.until(seconds: seconds) { !self.isAlive }
    if ended != true { signal(SIGKILL) }
    _ = try? await Waiting.until(seconds: 10) { !self.isAlive }
  }
}

/// How tests wait.
enum Waiting {
  /// Runs what blocks on a thread of its own, so that no test's task is held up.
  static func aside<Value: Sendable>(
    _ body: @escaping @Sendable () throws -> Value
  ) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
  }

  /// Asks again until it is so; false when it was not within the time.
  @discardableResult
  static func until(
    seconds: Int, every step: Duration = .milliseconds(50),
    _ condition: () async throws -> Bool
  ) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    repeat {
      if try await condition() { return true }
      try await Task.sleep(for: step)
    } while ContinuousClock.now < end
    return false
  }
}

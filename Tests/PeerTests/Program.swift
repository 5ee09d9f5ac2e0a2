import Foundation

/// A program that ran to its end.
struct Program {
  let status: Int32
  /// Standard output and standard error, as they came.
  let output: String

  /// Runs a program and waits; past the limit `timeout` ends it, and the status is 124.
  static func run(_ command: [String], seconds: Int) throws -> Program {
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

/// What this machine can do.
enum Machine {
  /// Why engine and kernel cannot be compared here, in words; nil when they can.
  static let obstacle = missing([])
  /// The same of engine and Open vSwitch.
  static let switchObstacle = missing(["--switch"])
  static let hasScapy =
    (try? Program.run(
      ["/usr/bin/python3", "-c", "import scapy.contrib.geneve"], seconds: 20))?.status == 0

  private static func missing(_ options: [String]) -> String? {
    do {
      let check = try Program.run([Places.comparison, "--check"] + options, seconds: 20)
      if check.status == 0 { return nil }
      return check.output.trimmingCharacters(in: .whitespacesAndNewlines)
    } catch {
      return "\(Places.comparison) cannot run: \(error)"
    }
  }
}

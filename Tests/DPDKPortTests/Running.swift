import Foundation
import Testing

/// A program that runs beside the test, spoken to by lines.
final class Running {
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()
  private var text = ""

  /// Starts it; `timeout` ends it when the test does not.
  init(_ command: [String], seconds: Int = 60) throws {
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=2", "\(seconds)"] + command
    process.standardInput = input
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  deinit {
    if process.isRunning { process.terminate() }
  }

  /// Reads until a line begins so.
  ///
  /// - Returns: all lines from the last call on; without the one that was waited for if the
  ///   output ended.
  @discardableResult
  func wait(for start: String) -> [String] {
    var lines: [String] = []
    while true {
      while let end = text.firstIndex(of: "\n") {
        let line = String(text[..<end])
        text = String(text[text.index(after: end)...])
        lines.append(line)
        if line.hasPrefix(start) { return lines }
      }
      let more = output.fileHandleForReading.availableData
      if more.isEmpty { return lines }
      text += String(decoding: more, as: UTF8.self)
    }
  }

  func say(_ line: String) { input.fileHandleForWriting.write(Data("\(line)\n".utf8)) }

  /// Ends the input, reads the rest and waits for the end.
  @discardableResult
  func finish() -> (status: Int32, lines: [String]) {
    try? input.fileHandleForWriting.close()
    let lines = wait(for: "\u{0}")
    process.waitUntilExit()
    return (process.terminationStatus, lines)
  }

  /// Kills the program itself (`timeout` is its parent), as if by `kill -9`.
  func kill() {
    let children = "/proc/\(process.processIdentifier)/task/\(process.processIdentifier)/children"
    let text = (try? String(contentsOfFile: children, encoding: .utf8)) ?? ""
    for child in text.split(separator: " ").compactMap({ Int32($0) }) {
      _ = Glibc.kill(child, SIGKILL)
    }
    process.waitUntilExit()
  }
}

/// What the tests need of the machine.
enum Places {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Products stand beside the bundle of tests.
  static let probe =
    Bundle.allBundles.map(\.bundleURL)
    .map { $0.deletingLastPathComponent().appending(path: "DPDKPortProbe").path }
    .first { FileManager.default.isExecutableFile(atPath: $0) }
    ?? root.appending(path: ".build/debug/DPDKPortProbe").path

  static let brokenGuest = root.appending(path: "Tests/peers/vhost/guest.py").path
  static let testpmd = "/usr/bin/dpdk-testpmd"

  static var canRun: Bool {
    geteuid() == 0 && FileManager.default.isExecutableFile(atPath: testpmd)
  }

  static let obstacle: Comment = "needs root and dpdk-testpmd (apt-get install dpdk-dev)"
}

/// A folder of a test, removed with it.
final class Folder {
  let path: String

  init() {
    path = NSTemporaryDirectory() + "dpdk-port-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }
}

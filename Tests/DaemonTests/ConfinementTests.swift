import Foundation
import Testing

/// What a confined process may still do, tried by one.
@Suite struct ConfinementTests {
  /// The probe's answers, by thread and attempt.
  private func probe(_ options: String...) throws -> [String: String] {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "apus-confined-\(UUID().uuidString)").path
    let (inside, outside) = ("\(folder)/inside", "\(folder)/outside")
    for path in [inside, outside] {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments =
      ["--kill-after=5", "20", Places.executable("confinement-probe"), inside, outside] + options
    let output = Pipe()
    process.standardOutput = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = String(
      decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(text)")
    var answers: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      answers[words.dropLast().joined(separator: " ")] = words.last.map(String.init)
    }
    return answers
  }

  private static let threads = ["first", "other"]

  @Test func nothingIsLeftThatReachesOthers() throws {
    let answers = try probe()
    for thread in Self.threads {
      for refused in [
        "execve", "internet-socket", "netlink-socket", "packet-socket", "connect", "ptrace",
        "unshare", "bpf",
      ] {
        #expect(answers["\(thread) \(refused)"] == "EPERM", "\(thread) \(refused)")
      }
      for allowed in ["local-socket", "write-inside", "read", "privileges"] {
        #expect(answers["\(thread) \(allowed)"] == "ok", "\(thread) \(allowed)")
      }
      #expect(answers["\(thread) capabilities"].flatMap { UInt64($0, radix: 16) } == 0)
    }
    #expect(answers["core 0 dumpable"] == "0")
  }

  @Test func filesStayWhereTheyBelong() throws {
    let answers = try probe()
    let hasLandlock = answers["confined 0 step 5 landlock"].flatMap { Int($0) } ?? 0 > 0
    for thread in Self.threads {
      #expect(answers["\(thread) write-outside"] == (hasLandlock ? "EACCES" : "ok"))
    }
  }

  @Test func whatIsNeededIsKept() throws {
    let answers = try probe("connects", "packets")
    for thread in Self.threads {
      // There is nobody at the socket's path.
      #expect(answers["\(thread) connect"] == "ENOENT")
      #expect(answers["\(thread) internet-socket"] == "EPERM")
      if getuid() == 0 {
        #expect(answers["\(thread) packet-socket"] == "ok")
        #expect(answers["\(thread) capabilities"].flatMap { UInt64($0, radix: 16) } == 1 << 13)
      }
    }
  }
}

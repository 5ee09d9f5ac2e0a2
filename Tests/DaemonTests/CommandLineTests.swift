import Foundation
import Testing

/// The built executables, as a script sees them.
@Suite struct CommandLineTests {
  private struct Run {
    var status: Int32
    var output: String
    var errors: String
  }

  private func run(_ executable: String, _ arguments: [String]) throws -> Run {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=5", "60", executable] + arguments
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    let complaint = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Run(
      status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: complaint, as: UTF8.self))
  }

  /// Runs `apusd` on a host file, with the fixture's model.
  private func daemon(_ host: String, _ arguments: String...) throws -> Run {
    try inFolder { folder in
      try host.write(toFile: "\(folder)/host.yaml", atomically: true, encoding: .utf8)
      try Fixture.text.write(toFile: "\(folder)/vpc.yaml", atomically: true, encoding: .utf8)
      let words = ["--config", "\(folder)/host.yaml", "--rules", "\(folder)/vpc.yaml"]
      var run = try run(Places.executable("apusd"), words + arguments)
      run.errors = run.errors.replacingOccurrences(of: folder + "/", with: "")
      return run
    }
  }

  private func inFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "apus-daemon-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
  }

  private let good = "runtime: kernel\nguests: [{eni: eni-a, tap: apus-none}]\n"

  @Test func checkSaysWhatThereIs() throws {
    let run = try daemon(good, "--check")
    #expect(run.status == 0)
    #expect(run.output == "valid: kernel runtime, 1 worker, no uplink, 1 guest\n")
  }

  @Test func wrongUsage() throws {
    for arguments in [[], ["--config"], ["--config", "h", "--what"], ["--log-level", "loud"]] {
      let run = try run(Places.executable("apusd"), arguments)
      #expect(run.status == 2)
      #expect(run.errors.hasPrefix("apus: usage: "))
    }
    for address in ["0.0.0.0:9101", "[::]:1", "9101", "localhost:1"] {
      let run = try daemon(good, "--check", "--metrics", address)
      #expect(run.status == 2)
      #expect(run.errors.hasPrefix("apus: --metrics \(address): "))
    }
  }

  @Test func refusedConfiguration() throws {
    let run = try daemon("runtime: kernel\nguests: [{eni: eni-x, tap: t}]\nx: 1\n", "--check")
    #expect(run.status == 3)
    #expect(run.errors == "apus: host.yaml:3:1: x: is not a known field\n")
    let second = try daemon("runtime: kernel\nguests: [{eni: eni-x, tap: t}]\n", "--check")
    #expect(second.status == 3)
    #expect(
      second.errors == """
        apus: host.yaml:2:16: guests[0].eni: the model has no network interface `eni-x` \
        (it has eni-a, eni-b)

        """)
  }

  @Test func noModel() throws {
    try inFolder { folder in
      try good.write(toFile: "\(folder)/h", atomically: true, encoding: .utf8)
      let run = try run(Places.executable("apusd"), ["--config", "\(folder)/h", "--check"])
      #expect(run.status == 3)
      #expect(
        run.errors
          == "apus: \(folder)/h: no model is given (name one in `rules`, or with --rules)\n")
    }
  }

  @Test func filesThatCannotBeRead() throws {
    let run = try run(Places.executable("apusd"), ["--config", "/nonexistent/host.yaml"])
    #expect(run.status == 4)
    #expect(run.errors.contains("/nonexistent/host.yaml: cannot be read: No such file"))
    let second = try daemon("rules: [gone.yaml]\n" + good, "--check")
    #expect(second.status == 4)
    #expect(second.errors.hasPrefix("apus: gone.yaml: cannot be read: "))
  }

  @Test func missingResourceNamesTheRemedy() throws {
    let run = try daemon(
      "runtime: kernel\nuplink: {interface: apus-none0}\nguests: [{eni: eni-a, tap: apus-none}]\n")
    #expect(run.status == 5)
    #expect(run.errors.contains("apus-none0"))
    #expect(run.errors.contains("(") && !run.errors.contains("Fatal"))
  }

  @Test func runStartsTheDaemonBesideIt() throws {
    let run = try run(Places.executable("apus"), ["run", "--help"])
    #expect(run.status == 0)
    #expect(run.output.contains("apus run --config host.yaml --rules vpc.yaml"))
    let second = try self.run(Places.executable("apus"), ["run", "--config", "/nonexistent/h"])
    #expect(second.status == 4)
  }

  @Test func runSaysWhenTheDaemonIsMissing() throws {
    try inFolder { folder in
      let copy = folder + "/apus"
      try FileManager.default.copyItem(atPath: Places.executable("apus"), toPath: copy)
      let run = try run(copy, ["run", "--config", "h"])
      #expect(run.status == 5)
      #expect(
        run.errors == """
          apus: run: \(folder)/apusd cannot be started: No such file or directory (build it with \
          'swift build -c release --product apusd' and keep it beside apus)

          """)
    }
  }
}

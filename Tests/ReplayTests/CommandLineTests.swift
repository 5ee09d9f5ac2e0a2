import ArgumentParser
import FlowLogs
import Glibc
import Replay
import Testing
import VPCModel

@testable import apus

@Suite struct CommandLineTests {
  static func options(_ arguments: String...) throws -> ReplayOptions {
    let command = try #require(
      try Apus.parseAsRoot(["replay"] + arguments) as? ReplayCommand)
    return try command.replayOptions()
  }

  static func failure(_ arguments: String...) -> CommandFailure? {
    do {
      guard let command = try Apus.parseAsRoot(["replay"] + arguments) as? ReplayCommand else {
        return nil
      }
      _ = try command.replayOptions()
      return nil
    } catch {
      return error as? CommandFailure
    }
  }

  @Test func allOptions() throws {
    let options = try Self.options(
      "--rules", "m.yaml", "--filter", "tcp port 443", "--eni", "eni-web", "--at", "nic",
      "--verdicts", "v", "--out", "o", "--annotated", "n", "--flow-log", "f",
      "--flow-log-format", "${version} ${apus-rule}", "--flow-log-interval", "60", "--explain",
      "17", "--explain", "b.pcap:3",
      "--json", "a.pcap", "b.pcap")
    #expect(options.models == ["m.yaml"])
    #expect(options.captures == ["a.pcap", "b.pcap"])
    #expect(options.filter == "tcp port 443")
    #expect(options.eni == "eni-web")
    #expect(options.atNIC)
    #expect(options.verdicts == "v")
    #expect(options.out == "o")
    #expect(options.annotated == "n")
    #expect(options.flowLog == "f")
    #expect(options.flowLogFormat.fields == [.version, .apusRule])
    #expect(options.flowLogInterval == .oneMinute)
    #expect(
      options.explain == [
        ExplainTarget(file: nil, packet: 17), ExplainTarget(file: "b.pcap", packet: 3),
      ])
  }

  @Test func defaults() throws {
    let options = try Self.options("--rules", "m.yaml", "-")
    #expect(options.captures == ["-"])
    #expect(!options.atNIC)
    #expect(options.flowLogFormat == FlowLogFormat())
  }

  @Test func severalModels() throws {
    let repeated = try Self.options("--rules", "a", "--rules", "b", "x.pcap")
    #expect(repeated.models == ["a", "b"])
    #expect(repeated.captures == ["x.pcap"])
    let listed = try Self.options("--rules", "a.yaml", "b.json", "x.pcap", "y.pcap.gz")
    #expect(listed.models == ["a.yaml", "b.json"])
    #expect(listed.captures == ["x.pcap", "y.pcap.gz"])
  }

  @Test func wrongUsage() {
    #expect(Self.failure("a.pcap")?.code == .usage)
    #expect(Self.failure("--rules", "m.yaml")?.code == .usage)
    #expect(Self.failure("--rules", "m.yaml", "--explain", "0", "a.pcap")?.code == .usage)
    #expect(Self.failure("--rules", "m.yaml", "--explain", "b:1", "a.pcap")?.code == .usage)
    #expect(
      Self.failure("--rules", "m.yaml", "--verdicts", "-", "--json", "a.pcap")?.code == .usage)
    #expect(
      Self.failure("--rules", "m.yaml", "--flow-log-format", "x", "a.pcap")?.code == .usage)
    #expect(throws: (any Error).self) {
      try ReplayCommand.parse(["--rules", "m.yaml", "--flow-log-interval", "61", "a.pcap"])
    }
  }

  @Test(arguments: [
    ["nonsense"], ["replay", "--nonsense"], ["replay", "--at", "moon"], ["check"],
  ])
  func whatTheParserRefusesIsWrongUsage(_ arguments: [String]) {
    #expect {
      _ = try Apus.parseAsRoot(arguments)
    } throws: { error in
      ErrorReport.reportParserError(error) == ApusExit.usage.rawValue
    }
  }

  @Test func helpIsSuccess() {
    for arguments in [
      ["--help"], ["replay", "--help"], ["check", "--help"], ["schema", "--help"],
      ["version", "--help"], ["completions", "--help"],
    ] {
      #expect {
        var command = try Apus.parseAsRoot(arguments)
        try command.run()
      } throws: { error in
        Apus.exitCode(for: error).isSuccess && Apus.fullMessage(for: error).contains("xample")
      }
    }
  }

  @Test func explainTargets() {
    #expect(ExplainTarget("5") == ExplainTarget(file: nil, packet: 5))
    #expect(ExplainTarget("a:b.pcap:5") == ExplainTarget(file: "a:b.pcap", packet: 5))
    for text in ["", "0", "x", "-1", "+1", ":5", "a.pcap:", "99999999999999999999"] {
      #expect(ExplainTarget(text) == nil)
    }
  }

  @Test func errorsAndTheirCodes() {
    let cases: [(ReplayError, ApusExit)] = [
      (.capture(.cannotOpen(path: "a", why: "w")), .input),
      (.capture(.notACapture(path: "a", why: "w")), .input),
      (.capture(.badFilter(expression: "a", why: "w")), .usage),
      (.capture(.cannotWrite(path: "a", why: "w")), .resource),
      (.cannotWrite(path: "a", why: "w"), .resource), (.usage(what: "a", why: "w"), .usage),
      (.refused(why: "w"), .refused), (.defect("w"), .defect),
    ]
    for (error, code) in cases { #expect(CommandFailure(error).code == code) }
  }

  @Test func refusedModelsListEveryError() {
    let failure = CommandFailure(
      ModelErrors(errors: [
        ModelError(file: "m.yaml", line: 3, column: 5, path: "vpcs[0].vni", reason: "too large"),
        ModelError(file: "m.yaml", line: 9, column: nil, path: "", reason: "no such thing"),
      ]))
    #expect(failure.code == .refused)
    #expect(failure.lines == ["m.yaml:3: vpcs[0].vni: too large", "m.yaml:9: no such thing"])
  }

  @Test func modelsThatCannotBeRead() {
    for path in ["/nonexistent/model.yaml", "/tmp"] {
      #expect {
        _ = try ModelFiles.load([path])
      } throws: { error in
        (error as? CommandFailure)?.code == .input
      }
    }
  }

  @Test func checkReportsAsJSON() {
    let error = ModelError(file: "m", line: 1, column: nil, path: "p", reason: "r")
    let text = CheckReport(errors: [error]).json
    #expect(text.contains("\"valid\": false"))
    #expect(text.contains("\"column\": null"))
    #expect(text.hasSuffix("\"warnings\": []\n}"))
  }
}

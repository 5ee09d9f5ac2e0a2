import Reachability
import Testing

@testable import apus

@Suite struct ExplainCommandTests {
  static func command(_ arguments: String...) throws -> ExplainCommand {
    try #require(
      try Apus.parseAsRoot(["explain", "--rules", "m.yaml"] + arguments) as? ExplainCommand)
  }

  @Test func optionsAskTheQuestion() throws {
    let question = try Self.command(
      "--from", "eni-a", "--to", "fd00::1", "--protocol", "udp", "--port", "53", "--source-port",
      "9"
    ).question()
    var traffic = ProbeTraffic(protocolNumber: 17)
    traffic.destinationPort = 53
    traffic.sourcePort = 9
    #expect(
      question == PathQuestion(from: PathEnd("eni-a"), to: PathEnd("fd00::1"), traffic: traffic))
    #expect(question.from == .interface("eni-a"))
    let echo = try Self.command("--from", "a", "--to", "b", "--protocol", "icmpv6").question()
    #expect(echo.traffic.icmpType == 128)
  }

  @Test(arguments: [
    [], ["--protocol", "ip"], ["--protocol", "icmp", "--port", "1"],
    ["--port", "1", "--icmp-type", "8"], ["--protocol", "udp", "--port", "1", "--midstream"],
  ])
  func whatMakesNoSense(_ arguments: [String]) throws {
    let command = try #require(
      try Apus.parseAsRoot(["explain", "--from", "a", "--to", "b"] + arguments) as? ExplainCommand)
    #expect {
      _ = try command.question()
    } throws: {
      ($0 as? CommandFailure)?.code == .usage
    }
  }

  /// The answer decides the exit code.
  @Test func exitCodes() throws {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined()
    func code(_ arguments: String...) -> ApusExit? {
      do {
        var command = try Apus.parseAsRoot(
          ["explain", "--json", "--rules", root + "/examples/web-tier.yaml"] + arguments)
        try command.run()
        return .done
      } catch { return (error as? CommandFailure)?.code }
    }
    #expect(code("--from", "eni-web", "--to", "eni-db", "--port", "5432") == .done)
    #expect(code("--from", "eni-db", "--to", "eni-web", "--port", "22") == .no)
    #expect(code("--from", "eni-none", "--to", "eni-web", "--port", "22") == .usage)
    #expect(code("--from", "eni-web", "--to", "eni-db", "--port", "5432", "/none.yaml") == .input)
  }
}

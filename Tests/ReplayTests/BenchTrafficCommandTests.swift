import ArgumentParser
import Testing

@testable import apus

/// `apus bench --rules MODEL --capture FILE`, as a user types it.
@Suite struct BenchTrafficCommandTests {
  private static let pcaps =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/pcaps/"

  private static func outcome(_ arguments: String...) throws -> ApusExit {
    do {
      var command = try Apus.parseAsRoot(["bench", "--packets", "1", "--runs", "1"] + arguments)
      try command.run()
      return .done
    } catch let failure as CommandFailure { return failure.code }
  }

  @Test func measuresRulesOnTraffic() throws {
    let (rules, capture) = (Self.pcaps + "web.yaml", Self.pcaps + "web.pcap")
    #expect(try Self.outcome("--rules", rules, "--capture", capture, "--json") == .done)
    #expect(try Self.outcome("--rules", rules, "--capture", capture, "--filter", "tcp") == .done)
    #expect(try Self.outcome("--rules", rules, "--capture", capture, "--eni", "eni-x") == .usage)
    #expect(try Self.outcome("--rules", rules, "--capture", capture, "--filter", "((") == .usage)
    #expect(try Self.outcome("--rules", rules, "--capture", rules) == .input)
    #expect(try Self.outcome("--rules", "/nonexistent", "--capture", capture) == .input)
    #expect(try Self.outcome("--rules", capture, "--capture", capture) == .refused)
    // All of it is other traffic than this model's.
    #expect(
      try Self.outcome("--rules", rules, "--capture", capture, "--filter", "arp") == .input)
  }

  @Test(arguments: [
    ["--rules", "a.yaml"], ["--capture", "a.pcap"], ["--filter", "tcp"], ["--eni", "eni-web"],
    ["--rules", "a.yaml", "--capture", "-"], ["pipeline", "--rules", "a.yaml", "--capture", "a"],
    ["groups", "--rule-count", "0"],
  ])
  func refusesWhatMakesNoSense(_ arguments: [String]) {
    #expect(throws: (any Error).self) { _ = try Apus.parseAsRoot(["bench"] + arguments) }
  }
}

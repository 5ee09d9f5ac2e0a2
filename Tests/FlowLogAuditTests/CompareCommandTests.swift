import ArgumentParser
import Foundation
import Testing

@testable import apus

/// `apus replay --compare-flow-log` as a user types it.
@Suite struct CompareCommandTests {
  private static let root = #filePath.split(separator: "/").dropLast(3)
    .reduce(into: "") { $0 += "/\($1)" }

  private static func outcome(_ arguments: String...) throws -> ApusExit {
    do {
      var command = try Apus.parseAsRoot(["replay"] + arguments)
      try command.run()
      return .done
    } catch let failure as CommandFailure { return failure.code }
  }

  /// Logs that a replay wrote agree with the rules that it had, all those of `pcaps/`; with other
  /// rules they do not.
  @Test(arguments: [
    "dns", "fragments", "iperf", "peering", "ping", "scan", "services", "ssh", "traceroute", "web",
    "web6",
  ])
  func whatAReplayLoggedAgrees(_ name: String) throws {
    let place = try Workplace()
    let log = place.folder.appendingPathComponent("log").path
    let model = "\(Self.root)/pcaps/\(name).yaml"
    let ending = ["peering", "ssh"].contains(name) ? "pcapng" : "pcap"
    let capture = "\(Self.root)/pcaps/\(name).\(ending)"
    #expect(try Self.outcome("--rules", model, "--flow-log", log, capture) == .done)
    #expect(try Self.outcome("--rules", model, "--compare-flow-log", log) == .done)
    guard name == "web" else { return }
    let rules = try String(contentsOfFile: model, encoding: .utf8)
    let closed = try place.file(
      "closed.yaml", rules.replacing("ports: [80, 443]", with: "ports: [443]"))
    #expect(try Self.outcome("--rules", closed, "--json", "--compare-flow-log", log) == .no)
  }

  @Test func whatMakesNoSense() throws {
    let model = "\(Self.root)/pcaps/web.yaml"
    let capture = "\(Self.root)/pcaps/web.pcap"
    let place = try Workplace()
    let empty = try place.file("empty", "")
    let line = "2 1 eni-web 10.0.0.1 10.0.0.2 1 2 6 1 1 1 1 ACCEPT OK"
    let log = try place.file("log", line)
    #expect(try Self.outcome("--compare-flow-log", log) == .usage)
    #expect(try Self.outcome("--rules", model, "--compare-flow-log", log, capture) == .usage)
    #expect(
      try Self.outcome("--rules", model, "--compare-flow-log", log, "--explain", "1") == .usage)
    #expect(try Self.outcome("--rules", model, "--compare-flow-log", empty) == .input)
    #expect(try Self.outcome("--rules", model, "--compare-flow-log", "/none") == .input)
    #expect(
      try Self.outcome(
        "--rules", model, "--compare-flow-log", log, "--flow-log-format", "${srcaddr}") == .usage)
    #expect(try Self.outcome("--rules", log, "--compare-flow-log", log) == .refused)
  }
}

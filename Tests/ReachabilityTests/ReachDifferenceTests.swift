import ReachComparison
import ReferenceModel
import Testing
import VPCModel
import Wire

@testable import Reachability
@testable import apus

@Suite struct ReachDifferenceTests {
  static func difference(_ interface: String, _ old: String, with new: String) throws
    -> ReachDifference
  {
    let one = ReachAnalysis(try Fixture.model()).reach(to: interface)
    let changed = Fixture.text.replacing(old, with: new)
    try #require(changed != Fixture.text)
    let two = ReachAnalysis(try Fixture.model(changed)).reach(to: interface)
    return ReachDifference(try #require(one), try #require(two))
  }

  @Test func sameModelsDoNotDiffer() throws {
    let reach = try #require(ReachAnalysis(try Fixture.model()).reach(to: "eni-web"))
    let difference = ReachDifference(reach, reach)
    #expect(difference.isEmpty)
    #expect(difference.text(("a", "b")) == "eni-web accepts the same\n")
  }

  @Test func narrowedRule() throws {
    let difference = try Self.difference(
      "eni-db", "ports: 5432, from: [sg-web, sg-app]", with: "ports: 5432-5433, from: [sg-web]")
    let lines = difference.text(("old", "new")).split(separator: "\n").map(String.init)
    #expect(
      lines == [
        "eni-db accepts with old, not with new, at 10.0.2.10",
        "  from     protocol  ports  answers  addresses",
        "  eni-app  tcp       5432   yes      10.0.1.20",
        "  eni-nat  tcp       5432   no       10.0.1.20",
        "eni-db accepts with new, not with old, at 10.0.2.10",
        "  from     protocol  ports  answers  addresses",
        "  eni-nat  tcp       5433   no       10.0.1.10/31",
      ])
    // The web server's own group does not let 5433 out; the forwarder may use its address.
    #expect(difference.answeredOnlyFirst.entries.isEmpty)
  }

  /// An ACL that cuts answers changes nothing of what arrives.
  @Test func cutAnswers() throws {
    let difference = try Self.difference(
      "eni-web", "protocol: tcp, ports: 1024-65535", with: "protocol: tcp, ports: 32768-65535")
    #expect(difference.onlyFirst.entries.isEmpty)
    #expect(difference.onlySecond.entries.isEmpty)
    #expect(difference.answeredOnlySecond.entries.isEmpty)
    let lost = difference.answeredOnlyFirst.entries.filter { $0.peer == .gateway("igw-blue") }
    let rows = lost.flatMap { $0.rows() }
    #expect(!rows.isEmpty)
    #expect(rows.allSatisfy { $0.sourcePorts.trueRanges == [1024...32_767] })
  }

  /// What both have and what one has alone are the whole, for random models.
  @Test func differencesAddUp() throws {
    for seed in UInt64(1)...12 {
      let (a, b) = (ReachModels.model(seed: seed), ReachModels.model(seed: seed + 100))
      let one = try #require(ReachAnalysis(a).reach(to: "eni-a1"))
      let two = try #require(ReachAnalysis(b).reach(to: "eni-a1"))
      let difference = ReachDifference(one, two)
      for entry in one.entries {
        let there = two.traffic(entry.peer, own: entry.own)
        let alone = difference.onlyFirst.traffic(entry.peer, own: entry.own)
        let both = entry.traffic.joined(there) { $1.arrives ? $0 : .refused }
        #expect(alone.joined(both) { $0.arrives ? $0 : $1 } == entry.traffic)
      }
      let back = ReachDifference(two, one)
      #expect(Set(back.onlyFirst.entries) == Set(difference.onlySecond.entries))
      #expect(Set(back.answeredOnlySecond.entries) == Set(difference.answeredOnlyFirst.entries))
    }
  }

  // MARK: The command

  static func run(_ arguments: String...) -> ApusExit? {
    do {
      var command = try Apus.parseAsRoot(["reach"] + arguments)
      try command.run()
      return .done
    } catch { return (error as? CommandFailure)?.code }
  }

  @Test func exitCodes() throws {
    let root = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined()
    let model = root + "/examples/two-vpcs.yaml"
    let other = root + "/examples/web-tier.yaml"
    #expect(Self.run("--rules", model, "--to", "eni-blue") == .done)
    #expect(Self.run("--rules", model, "--diff", model, "--to", "eni-blue") == .done)
    #expect(Self.run("--rules", model, "--diff", other, "--from", "eni-web") == .no)
    #expect(Self.run("--rules", model, "--diff", other, "--to", "eni-none") == .usage)
    #expect(Self.run("--rules", model) == .usage)
    #expect(Self.run("--to", "eni-blue") == .usage)
    #expect(Self.run("--rules", model, "--to", "eni-blue", "--from", "eni-x") == .usage)
    #expect(Self.run("--rules", model, "--to", "eni-blue", "--protocol", "ip") == .usage)
    #expect(Self.run("--rules", "/none.yaml", "--to", "eni-blue") == .input)
  }
}

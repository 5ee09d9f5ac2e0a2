import CapturePort
import Foundation
import ReferenceComparison
import ReferenceModel
import Replay
import Testing
import VPCModel
import Wire

/// What `--against` finds is what the reference model says of each packet, twice.
@Suite struct ComparisonOracleTests {
  private static let seeds: ClosedRange<UInt64> = 1...24
  private static let packets = 400

  private struct Counts: Equatable {
    var packets: UInt64 = 0
    var otherReasons: UInt64 = 0
    /// Packets by what both said.
    var groups: [[String]: UInt64] = [:]
  }

  /// The model with some rules, routes and mappings less.
  private static func changed(_ model: VPCModel, seed: UInt64) -> VPCModel {
    var (model, random) = (model, SeededRandom(seed: seed ^ 0xC0FFEE))
    for _ in 0..<4 {
      let group = random.number(0...max(0, model.securityGroups.count - 1))
      switch random.number(0...4) {
      case 0 where !model.securityGroups.isEmpty:
        model.securityGroups[group].ingress.removeAll { _ in random.one(in: 2) }
      case 1 where !model.securityGroups.isEmpty:
        model.securityGroups[group].egress.removeAll { _ in random.one(in: 2) }
      case 2:
        for index in model.networkACLs.indices {
          model.networkACLs[index].ingress.removeAll { _ in random.one(in: 4) }
        }
      case 3:
        for index in model.routeTables.indices {
          model.routeTables[index].routes.removeAll { _ in random.one(in: 6) }
        }
      default: model.policy.midstream = model.policy.midstream == .drop ? .evaluate : .drop
      }
    }
    return model
  }

  private static func side(_ verdict: ReferenceVerdict) -> [String] {
    [
      verdict.verdict, verdict.reason, verdict.rule, verdict.eni, verdict.direction,
      verdict.output ?? "",
    ]
  }

  private static func expected(_ scenario: Scenario, _ other: VPCModel) -> Counts {
    var counts = Counts()
    var today = ReferenceVPC(model: scenario.model, options: scenario.options)
    var tomorrow = ReferenceVPC(model: other, options: scenario.options)
    for packet in scenario.packets {
      let (a, b) = (today.judge(packet), tomorrow.judge(packet))
      if a.verdict == b.verdict && a.verdict != "forward" {
        if a.reason != b.reason { counts.otherReasons += 1 }
      } else if a.verdict != b.verdict || a.direction != b.direction || a.output != b.output {
        counts.packets += 1
        counts.groups[side(a) + side(b), default: 0] += 1
      }
    }
    return counts
  }

  private static func found(_ scenario: Scenario, _ other: VPCModel) throws -> Counts {
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("apus-against-\(UUID().uuidString).pcapng").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try ReferenceComparison.Comparison.write(scenario.packets, to: path)
    var options = ReplayOptions(captures: [path])
    options.eni = scenario.options.eni
    options.atNIC = scenario.options.atNIC
    let found = try Replay.compare(model: scenario.model, against: other, options: options)
    if let failure = found.result.failure { throw failure }
    var counts = Counts(
      packets: found.comparison.packets, otherReasons: found.comparison.otherReasons)
    for group in found.comparison.groups {
      let sides = [group.today, group.tomorrow].flatMap {
        [$0.verdict, $0.reason, $0.rule, $0.eni, $0.direction, $0.output]
      }
      counts.groups[sides] = group.packets
    }
    let ofFlows = found.comparison.flows.reduce(0) { $0 + $1.packets }
    #expect(ofFlows + found.comparison.packetsWithoutFlow == found.comparison.packets)
    return counts
  }

  @Test func `what a change does is what the reference model says`() throws {
    var total: UInt64 = 0
    for seed in Self.seeds {
      let scenario = Generator.scenario(seed: seed, packets: Self.packets)
      let other = Self.changed(scenario.model, seed: seed)
      let expected = Self.expected(scenario, other)
      #expect(try Self.found(scenario, other) == expected, "seed \(seed)")
      total += expected.packets
    }
    // Changes that change nothing would show nothing.
    #expect(total > 500)
  }
}

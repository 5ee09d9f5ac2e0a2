import ArgumentParser
import Foundation
import ReachComparison
import Reachability
import ReferenceComparison
import ReferenceModel
import VPCModel
import WhatIf

/// Compares the engine with the reference model, on captures or on generated traffic.
@main
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    discussion: """
      Examples:

        swift run -c release compare --rules pcaps/web.yaml pcaps/web.pcap
        swift run -c release compare --seed 1 --seeds 1000
        swift run -c release compare --reach --seed 1 --seeds 400 --packets 2600
        swift run -c release compare --what-if 10 --write models large.pcap.gz
      """)

  @Option(help: "Model files.") var rules: [String] = []
  @Option(help: "As of apus replay.") var eni: String?
  @Flag(help: "The captures were taken at the NIC.") var atNIC = false
  @Option(help: "The first seed.") var seed: UInt64 = 1
  @Option(help: "How many seeds.") var seeds: UInt64 = 0
  @Option(help: "Packets of each seed.") var packets = 400
  @Option(help: "Differences to print.") var show = 3
  @Flag(help: "Compare reachability, as computed, with the engine's verdicts.") var reach = false
  @Option(help: "Edit a model of 1,000 rules at so many places, and compare --against.")
  var whatIf: Int?
  @Option(help: "Write the capture of a seed here, or the two models in this folder.")
  var write: String?
  @Argument var captures: [String] = []

  func run() throws {
    if reach { return try compareReach() }
    if let whatIf { return try compareWhatIf(edits: whatIf) }
    var total = 0
    var different = 0
    var outcomes: [String: Int] = [:]
    func take(_ comparison: Comparison, _ name: String) {
      total += comparison.packets
      different += comparison.differences.count
      outcomes.merge(comparison.outcomes, uniquingKeysWith: +)
      if comparison.differences.isEmpty { return }
      print("\(name): \(comparison.differences.count) of \(comparison.packets) differ")
      for difference in comparison.differences.prefix(show) { print(difference) }
    }
    if !rules.isEmpty {
      let model = try ModelLoader.load(paths: rules)
      let options = ReferenceOptions(eni: eni, atNIC: atNIC)
      for capture in captures {
        take(try Comparison.captures([capture], model: model, options: options), capture)
      }
    }
    for number in seed..<(seed + seeds) {
      let scenario = Generator.scenario(seed: number, packets: packets)
      if let write { try Comparison.write(scenario.packets, to: write) }
      take(try Comparison.scenario(scenario), "seed \(number)")
    }
    for (name, count) in outcomes.sorted(by: { $0.key < $1.key }) { print("\(count)\t\(name)") }
    print("\(total) packets compared, \(different) differ")
    if different > 0 { throw ExitCode(1) }
  }

  private func compareReach() throws {
    var all = ReachComparison(seed: 0)
    for number in seed..<(seed + seeds) {
      let one = try ReachComparison.model(seed: number, packets: packets)
      for difference in one.differences.prefix(show) { print(difference) }
      all.add(one)
    }
    for fate in [Fate.refused, .unanswered, .answered, .oneWay] {
      print("\(all.fates[fate, default: 0])\t\(fate)")
    }
    print(
      "\(all.replayed) packets replayed (of \(all.notReplayed) conversations no capture can tell), "
        + "\(all.inquiries) asked by their ends, \(all.remedies) of them with changes")
    print("\(all.packets) packets compared, \(all.differences.count) differ")
    if !all.differences.isEmpty { throw ExitCode(1) }
  }

  private func compareWhatIf(edits: Int) throws {
    var different = 0
    for capture in captures {
      let packets = try WhatIfComparison.packets(of: capture)
      let models = WhatIfModels(packets, rules: 1_000, edits: edits, seed: seed)
      if let write {
        for (name, model) in [("today", models.today), ("tomorrow", models.tomorrow)] {
          try ModelWriter.document(model).write(
            toFile: "\(write)/\(name).yaml", atomically: true, encoding: .utf8)
        }
      }
      for edit in models.edits { print(edit) }
      let found = try WhatIfComparison(packets, in: capture, models)
      for difference in found.differences.prefix(show) { print(difference) }
      for (name, count) in found.outcomes.sorted(by: { $0.key < $1.key }) {
        print("\(count)\t\(name)")
      }
      print(
        "\(found.packets) packets, \(found.affectedPackets) in \(found.affectedFlows) flows have "
          + "another verdict, \(found.differences.count) differ")
      different += found.differences.count
    }
    if different > 0 { throw ExitCode(1) }
  }
}

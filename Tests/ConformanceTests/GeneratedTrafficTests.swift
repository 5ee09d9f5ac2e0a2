import ReferenceComparison
import ReferenceModel
import Testing
import Wire

/// Engine and reference model judge generated traffic; both tests share one run.
@Suite struct GeneratedTrafficTests {
  /// The first hundred, and every later one that ever found a difference: 906 an ICMP error that
  /// quoted its own padding, 2586 the sender's rule given to a receiver's fragments, 1266 a
  /// fragmented neighbour solicitation, 938 and 948 parsing, 370 the router's MAC.
  static let seeds: [UInt64] = [UInt64](1...100) + [210, 370, 906, 938, 948, 1049, 1266, 2586]
  static let packets = 400

  struct Outcome: Sendable {
    var seed: UInt64
    var outcomes: [String: Int] = [:]
    /// What is wrong, in words; nil when engine and reference agree.
    var fault: String?
  }

  private static let run = Task {
    await withTaskGroup(of: Outcome.self, returning: [Outcome].self) { group in
      for seed in seeds { group.addTask { judge(seed) } }
      return await group.reduce(into: []) { $0.append($1) }
    }
  }

  private static func judge(_ seed: UInt64) -> Outcome {
    var outcome = Outcome(seed: seed)
    do {
      let scenario = Generator.scenario(seed: seed, packets: packets)
      let comparison = try Comparison.scenario(scenario)
      outcome.outcomes = comparison.outcomes
      if let first = comparison.differences.first {
        outcome.fault = "\(comparison.differences.count) differences, the first: \(first)"
      }
    } catch {
      outcome.fault = "\(error)"
    }
    return outcome
  }

  @Test func `engine and reference model agree`() async {
    let outcomes = await Self.run.value.sorted { $0.seed < $1.seed }
    #expect(outcomes.count == Self.seeds.count)
    for outcome in outcomes {
      if let fault = outcome.fault {
        Issue.record(
          """
          seed \(outcome.seed): \(fault)
          Again with: swift run -c release compare --seed \(outcome.seed) --seeds 1
          """)
      }
    }
  }

  @Test func `every reason is given to some packet`() async throws {
    var seen: Set<String> = []
    for outcome in await Self.run.value {
      for key in outcome.outcomes.keys { seen.insert(String(key.split(separator: " ").last ?? "")) }
    }
    let extra = try Comparison.scenario(RareReasons.scenario())
    if let first = extra.differences.first { Issue.record("rare reasons: \(first)") }
    for key in extra.outcomes.keys { seen.insert(String(key.split(separator: " ").last ?? "")) }
    let missing = DropReason.allCases.filter {
      $0 != .none && !$0.isOfLivePorts && !seen.contains($0.name)
    }
    #expect(missing.map(\.name) == [])
  }
}

import ReachComparison
import Reachability
import Testing

/// What reach computes is what the engine does, packet by packet. `compare --reach` does the same
/// with a million packets.
@Suite struct ReachOracleTests {
  @Test func engineAgrees() throws {
    var all = ReachComparison(seed: 0)
    for seed in UInt64(1)...24 { all.add(try ReachComparison.model(seed: seed, packets: 250)) }
    #expect(all.differences.isEmpty, "\(all.differences.prefix(5).joined(separator: "\n"))")
    #expect(all.packets > 3_000)
    // Every fate is met often.
    for fate in [Fate.refused, .unanswered, .answered, .oneWay] {
      #expect(all.fates[fate, default: 0] > 50, "\(fate)")
    }
  }
}

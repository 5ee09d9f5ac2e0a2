import Foundation
import Testing

/// The same packets through the engine and through Linux's nftables with conntrack: whatever the
/// two say differently must be one of the differences that docs/conformance.md explains.
@Suite struct NftablesTests {
  @Test(
    .enabled(if: Machine.obstacle == nil, "\(Machine.obstacle ?? "")"), .timeLimit(.minutes(3)))
  func engineAndKernelDifferOnlyWhereMeant() throws {
    let comparison = try Program.run(
      [Places.comparison, "--apus", Places.apus, "--seeds", "1-10"], seconds: 150)
    #expect(comparison.status == 0, "\(comparison.output)")
    #expect(comparison.output.contains("10 seeds"))
    #expect(comparison.output.contains("0 unknown differences"))
  }

  /// Without this, a comparison that sees no difference at all would pass as well.
  @Test(
    .enabled(if: Machine.obstacle == nil, "\(Machine.obstacle ?? "")"), .timeLimit(.minutes(1)))
  func aRuleThatOnlyOneSideHasIsNoticed() throws {
    let comparison = try Program.run(
      [Places.comparison, "--apus", Places.apus, "--seeds", "1", "--without-rule", "udp dport"],
      seconds: 50)
    #expect(comparison.status == 1, "\(comparison.output)")
    #expect(comparison.output.contains("UNKNOWN"))
  }
}

import Foundation
import Testing

/// Lists of packets that others have made or thought of, through the engine, through Linux and
/// through Open vSwitch.
@Suite struct ListTests {
  /// Runs a comparison and expects that every difference is one that docs/conformance.md explains.
  ///
  /// - Parameter packets: how many the lists have at least: a list of none has no differences.
  private func compare(_ options: String, packets: Int) throws {
    let comparison = try Program.run(
      [Places.comparison, "--apus", Places.apus] + options.split(separator: " ").map(String.init),
      seconds: 100)
    #expect(comparison.status == 0, "\(comparison.output)")
    #expect(comparison.output.contains("\n0 unknown differences"))
    let count = comparison.output.split(separator: " ").dropFirst(2).first.flatMap { Int($0) }
    #expect((count ?? 0) >= packets, "\(comparison.output)")
  }

  @Test(
    .enabled(if: Machine.obstacle == nil, "\(Machine.obstacle ?? "")"), .timeLimit(.minutes(2)))
  func kernelSelftests() throws { try compare("--seeds 1-2 --selftests", packets: 1_000) }

  @Test(
    .enabled(if: Machine.obstacle == nil, "\(Machine.obstacle ?? "")"), .timeLimit(.minutes(2)))
  func systemCasesOfTheSwitchByTheKernel() throws {
    try compare("--seeds 1-3 --cases", packets: 300)
  }

  @Test(
    .enabled(if: Machine.switchObstacle == nil, "\(Machine.switchObstacle ?? "")"),
    .timeLimit(.minutes(2)))
  func systemCasesOfTheSwitchByTheSwitch() throws {
    try compare("--seeds 1-5 --cases --switch", packets: 500)
  }

  @Test(
    .enabled(if: Machine.switchObstacle == nil, "\(Machine.switchObstacle ?? "")"),
    .timeLimit(.minutes(2)))
  func limitOnConnectionsByTheSwitch() throws {
    try compare("--seeds 1-3 --limited --switch", packets: 300)
  }

  @Test(
    .enabled(if: Machine.obstacle == nil, "\(Machine.obstacle ?? "")"),
    .enabled(if: Places.corpus != nil, "no corpus: set APUS_CORPUS to a folder of captures"),
    .timeLimit(.minutes(2)))
  func captures() throws {
    try compare("--seeds 1-8 --captures \(Places.corpus ?? "")", packets: 3_000)
  }

  @Test(.enabled(if: Machine.hasScapy, "no scapy for /usr/bin/python3"), .timeLimit(.minutes(2)))
  func scapyReadsWhatTheEngineSends() throws {
    for seed in 1...2 {
      let exchange = try Program.run(
        ["/usr/bin/python3", Places.exchange, Places.apus, "\(seed)"], seconds: 60)
      #expect(exchange.status == 0, "\(exchange.output)")
      #expect(exchange.output.contains("116 exchanges, 0 differ"))
    }
  }
}

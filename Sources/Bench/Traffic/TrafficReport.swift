import Replay

/// What `TrafficBenchmark` found.
public struct TrafficReport: Sendable {
  /// Cycles a packet, Mpps, Gb/s, and microseconds of bursts at percentiles.
  public let results: [BenchmarkResult]
  private let lines: [(String, String)]

  init(
    _ tape: CaptureTape, _ outcome: TrafficOutcome, _ measured: [BurstTimes], passes: Int,
    megahertz: Double
  ) {
    let frames = tape.frames.count
    let perFrame = Double(tape.wireBytes) / Double(frames)
    let cycles = measured.map { Double($0.totalCycles) / Double($0.totalPackets) }
    let parameters = [
      ("frames", "\(frames)"), ("bytes", "\(tape.wireBytes)"), ("ignored", "\(tape.ignored)"),
      ("cut", tape.isCut ? "yes" : "no"),
      ("forwarded", "\(outcome.forwarded)"), ("dropped", "\(outcome.dropped)"),
      ("punted", "\(outcome.punted)"), ("flow-entries", "\(outcome.entries)"),
      ("digest", String(outcome.digest, radix: 16)),
    ]
    func result(_ name: String, _ unit: String, _ samples: [Double]) -> BenchmarkResult {
      BenchmarkResult(
        name: "traffic\(name)", unit: unit, samples: samples, parameters: parameters)
    }
    var results = [
      result("", "cycles/packet", cycles),
      result("-rate", "Mpps", cycles.map { megahertz / $0 }),
      result("-throughput", "Gb/s", cycles.map { megahertz / $0 * perFrame * 8 / 1_000 }),
    ]
    let parts = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1)]
    let percentiles = measured.map { $0.percentiles(parts.map(\.1)) }
    for (index, part) in parts.enumerated() {
      results.append(
        result("-burst-\(part.0)", "us", percentiles.map { Double($0[index]) / megahertz }))
    }
    self.results = results
    lines = [
      (
        "traffic",
        "\(frames) packets, \(tape.wireBytes) bytes, \(Self.decimal(perFrame, 0)) a packet"
      ),
      ("not of the model", "\(tape.ignored) packets, which are not judged"),
      (
        "verdicts",
        "\(outcome.forwarded) forwarded, \(outcome.dropped) dropped, "
          + "\(outcome.punted) left to services"
      ),
      ("flow entries", "\(outcome.entries) at once, at most: a connection has one at each NIC"),
      (
        "measured",
        "\(measured.count) runs, \(passes) passes, each with the same verdicts; the engine alone, "
          + "on one core"
      ),
    ]
  }

  /// A table for people.
  public var text: String {
    var text = lines.map { "\(Self.padded($0.0, 18))\($0.1)\n" }.joined()
    text += "\n" + Self.row("", "median", "min", "max")
    let labels = [
      "Mpps", "Gb/s", "cycles a packet", "burst, us: half", "  90 %", "  99 %", "  99.9 %",
      "  longest",
    ]
    for (label, result) in zip(labels, [1, 2, 0, 3, 4, 5, 6, 7].map { results[$0] }) {
      let digits = result.unit == "cycles/packet" ? 0 : 2
      text += Self.row(
        label, Self.decimal(result.value, digits), Self.decimal(result.min, digits),
        Self.decimal(result.max, digits))
    }
    return text
  }

  private static func row(_ label: String, _ values: String...) -> String {
    padded(label, 18)
      + values.map { String(repeating: " ", count: max(1, 11 - $0.count)) + $0 }
      .joined() + "\n"
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  /// A number that is not negative, rounded.
  private static func decimal(_ value: Double, _ digits: Int) -> String {
    let scale = digits == 0 ? 1.0 : 100.0
    let rounded = Int((value * scale).rounded())
    if digits == 0 { return "\(rounded)" }
    let rest = rounded % 100
    return "\(rounded / 100).\(rest < 10 ? "0" : "")\(rest)"
  }
}

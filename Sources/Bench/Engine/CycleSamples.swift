import CDataplane
import Glibc

/// Relates the time stamp counter to time, from when it was made on.
struct BenchmarkClock {
  private let time = apus_monotonic_time()
  private let ticks = apus_tsc()

  /// Million cycles of the time stamp counter in a second; waits until the answer is good.
  func megahertz() -> Double {
    if apus_monotonic_time() - time < 20_000_000 { usleep(20_000) }
    return Double(apus_tsc() - ticks) * 1_000 / Double(apus_monotonic_time() - time)
  }
}

/// Cycles of the time stamp counter that a piece of work took, a sample a run.
struct CycleSamples {
  /// What was done once a sample: packet, flow, connection, lookup.
  let unit: String
  private(set) var samples: [Double] = []

  mutating func add(cycles: UInt64, count: Int) {
    samples.append(Double(cycles) / Double(count))
  }

  /// Two results: `NAME` in cycles, and `NAME-rate` in millions a second (Mpps of packets).
  func results(
    _ name: String, _ clock: BenchmarkClock, _ parameters: [(String, String)]
  ) -> [BenchmarkResult] {
    let megahertz = clock.megahertz()
    return [
      BenchmarkResult(
        name: name, unit: "cycles/\(unit)", samples: samples, parameters: parameters),
      BenchmarkResult(
        name: "\(name)-rate", unit: unit == "packet" ? "Mpps" : "M/s",
        samples: samples.map { megahertz / $0 }, parameters: parameters),
    ]
  }
}

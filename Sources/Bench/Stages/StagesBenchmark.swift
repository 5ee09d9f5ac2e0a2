import CThreads
import Glibc

/// Where the cycles of each stage go: a benchmark's cycles a packet, shared out by samples of the
/// program counter, 10,000 a second.
///
/// The processor runs many instructions at once, so the time of one is in part the waiting of
/// another that came before: shares are of time, not of instructions. Sampling costs some percent.
public struct StagesBenchmark {
  /// What the packets are.
  public enum Traffic: String, Sendable, CaseIterable {
    /// As `PipelineBenchmark`, of connections that are known.
    case pipeline
    case decapsulation
    /// As `NewFlowsBenchmark`, sent by the interface.
    case newFlows = "new-flows"
    /// Of new connections from the underlay.
    case newFlowsIn = "new-flows-in"
  }

  public var traffic: Traffic
  public var flows = 1_000
  public var packetsPerRun = 4_000_000
  public var runs = 5

  private static let interval = 100_000
  private static let capacity = 1 << 20

  public init(_ traffic: Traffic) { self.traffic = traffic }

  /// Measures cycles a packet of each stage, the greatest first, and of all.
  ///
  /// - Throws: `tool` or `noDebugInformation` when samples cannot be named; `sampling`; and what
  ///   the benchmark throws.
  public func run() throws(BenchmarkFailure) -> [BenchmarkResult] {
    let noted = UnsafeMutablePointer<UInt64>.allocate(capacity: Self.capacity)
    defer { noted.deallocate() }
    let error = apus_sampling_begin(noted, Int32(Self.capacity), Self.interval)
    guard error == 0 else { throw .sampling(String(cString: strerror(error))) }
    let measured: BenchmarkResult
    do { measured = try measure() } catch {
      _ = apus_sampling_end()
      throw error
    }
    let count = Int(apus_sampling_end())
    let addresses = Array(UnsafeBufferPointer(start: noted, count: count))
    let frames = try Symbolizer.frames(of: Set(addresses).subtracting([0]).sorted())
    return results(measured, StageProfile(addresses, frames))
  }

  private func measure() throws(BenchmarkFailure) -> BenchmarkResult {
    switch traffic {
    case .pipeline:
      let benchmark = PipelineBenchmark(flows: flows, packetsPerRun: packetsPerRun, runs: runs)
      return try benchmark.run().result
    case .decapsulation:
      var benchmark = DirectionBenchmark(.decapsulation, flows: flows)
      (benchmark.packetsPerRun, benchmark.runs) = (packetsPerRun, runs)
      return try benchmark.run()[0]
    case .newFlows, .newFlowsIn:
      var benchmark = NewFlowsBenchmark(traffic == .newFlows ? .out : .in)
      (benchmark.packetsPerRun, benchmark.runs) = (packetsPerRun / 4, runs)
      return try benchmark.run()[0]
    }
  }

  private func results(
    _ measured: BenchmarkResult, _ profile: StageProfile
  ) -> [BenchmarkResult] {
    var whole = measured
    whole.name = "stages"
    whole.unit = "cycles/packet"
    whole.parameters = [
      ("traffic", traffic.rawValue), ("stage", "all"), ("samples", "\(profile.samples)"),
    ]
    return [whole]
      + profile.stages.map { stage in
        let share = Double(stage.samples) / Double(max(1, profile.samples))
        var result = whole
        (result.value, result.min, result.max) = (
          whole.value * share, whole.min * share, whole.max * share
        )
        result.parameters[1].1 = stage.name
        result.parameters[2].1 = "\(stage.samples)"
        if !stage.within.isEmpty {
          result.parameters.append(("most-in", stage.within.joined(separator: " and ")))
        }
        return result
      }
  }

  /// The results of one traffic as a table for people; stages below a hundredth are left out.
  public static func text(of results: [BenchmarkResult]) -> String {
    guard let whole = results.first else { return "" }
    let samples = whole.parameters[2].1
    var text = "\(whole.parameters[0].1): \(tenths(whole.value)) cycles a packet"
    text += " (\(tenths(whole.min)) to \(tenths(whole.max)), \(samples) samples)\n"
    for stage in results.dropFirst() where stage.value * 100 >= whole.value {
      let share = "\(Int((stage.value / max(whole.value, 1) * 100).rounded())) %"
      let within = stage.parameters.count > 3 ? "  most in \(stage.parameters[3].1)" : ""
      text += "  \(padded(stage.parameters[1].1, 24))\(padded(tenths(stage.value), -8))"
      text += "\(padded(share, -6))\(within)\n"
    }
    return text
  }

  private static func tenths(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return "\(tenths / 10).\(tenths % 10)"
  }

  /// - Parameter width: negative puts the text to the right.
  private static func padded(_ text: String, _ width: Int) -> String {
    let room = String(repeating: " ", count: max(0, abs(width) - text.count))
    return width < 0 ? room + text : text + room
  }
}

import Datapath
import VPCModel
import Wire

/// What the allowances of an interface cost, and how exact they are.
///
/// The cost is the difference between the pipeline with allowances of bytes and packets that never
/// refuse and the same without any, by turns; timed is `Worker.process` on bursts of 32 established
/// UDP frames of 64 bytes out. Exactness needs no clock: time is the packets' own, twice as much is
/// offered as the allowance lets pass, and what left is counted.
public struct LimiterBenchmark {
  public var flows = 1_000
  public var packetsPerRun = 2_000_000
  public var runs = 5
  /// Simulated time in which exactness is measured.
  public var milliseconds = 1_000
  /// Of the allowance of packets; odd, so that rounding would show, as the others are.
  public var packetsPerSecond: UInt64 = 1_234_567
  var omitted = 0

  /// An allowance, and what is offered.
  private struct Allowance {
    var name: String
    var frame: Int
    var bitsPerSecond: UInt64?
    var packetsPerSecond: UInt64?

    /// Packets of the frame's size that may pass in a second.
    var packets: Double {
      bitsPerSecond.map { Double($0) / 8 / Double(frame) } ?? Double(packetsPerSecond ?? 1)
    }
  }

  private var allowances: [Allowance] {
    [
      Allowance(name: "bandwidth", frame: 64, bitsPerSecond: 987_654_321),
      Allowance(name: "bandwidth", frame: 1500, bitsPerSecond: 987_654_321),
      Allowance(name: "packets", frame: 64, packetsPerSecond: packetsPerSecond),
    ]
  }

  public init() {}

  /// Measures cycles a packet with and without, their difference, and the error in hundredths of
  /// the rate, over the whole time and over each 10 ms of it.
  ///
  /// - Throws: `unproven` when a packet was refused for another reason, or none was.
  public func run() throws(BenchmarkFailure) -> [BenchmarkResult] {
    var results = try cost()
    for allowance in allowances { results += try error(allowance) }
    return results
  }

  // MARK: Cost

  private func cost() throws(BenchmarkFailure) -> [BenchmarkResult] {
    let clock = BenchmarkClock()
    var unlimited = BenchmarkModel.make()
    unlimited.networkInterfaces[0].limits = Limits()
    let rigs = [
      try EngineRig(BenchmarkModel.make(), flows: flows), try EngineRig(unlimited, flows: flows),
    ]
    for rig in rigs {
      rig.judge(count: flows) { $0.addUDP(FlowTuple(flow: $1), isOutbound: true, .new) }
      try rig.check()
      rig.omitted = omitted
    }
    var randoms = [BenchmarkRandom(), BenchmarkRandom()]
    let flows = flows
    let samples = EngineRig.measure(rigs, packets: packetsPerRun, runs: runs) { rig, ring in
      let tuple = FlowTuple(flow: randoms[rig].below(flows))
      ring.addUDP(tuple, isOutbound: true, .established)
    }
    var results: [BenchmarkResult] = []
    for (index, limits) in ["on", "off"].enumerated() {
      try rigs[index].check()
      results += samples[index].results(
        "limiter", clock, [("limits", limits), ("flows", "\(flows)"), rigs[index].proof.parameter])
    }
    // The same packets came out the same.
    try BenchmarkFailure.check(
      rigs[0].proof.digest == rigs[1].proof.digest, "allowances changed packets")
    let differences = zip(samples[0].samples, samples[1].samples).map { $0 - $1 }
    results.append(
      BenchmarkResult(
        name: "limiter-cost", unit: "cycles/packet", samples: differences,
        parameters: [("flows", "\(flows)"), rigs[0].proof.parameter]))
    return results
  }

  // MARK: Exactness

  private func error(_ allowance: Allowance) throws(BenchmarkFailure) -> [BenchmarkResult] {
    var model = BenchmarkModel.make()
    var limits = Limits()
    limits.bandwidthOut = allowance.bitsPerSecond
    limits.burst = allowance.bitsPerSecond.map { _ in 15_000 }
    limits.packetsPerSecond = allowance.packetsPerSecond
    model.networkInterfaces[0].limits = limits
    let rig = try EngineRig(model, flows: 1, frameLength: 1500)
    rig.omitted = omitted
    // The bucket was full: until it is empty, which the first refusal tells, time stands still.
    rig.ring.step = 0
    var isDrained = false
    while !isDrained { isDrained = try Self.offer(allowance, to: rig) { _ in } > 0 }
    rig.ring.step = UInt64(500_000_000 / allowance.packets)
    let window: UInt64 = 10_000_000
    let start = rig.ring.time
    var passed = [Int](repeating: 0, count: max(1, milliseconds / 10))
    let end = start + UInt64(passed.count) * window
    while rig.ring.time < end {
      _ = try Self.offer(allowance, to: rig) { time in
        let index = Int((time - start - 1) / window)
        if index < passed.count { passed[index] += 1 }
      }
    }
    return Self.results(allowance, passed, milliseconds: passed.count * 10)
  }

  private static func results(
    _ allowance: Allowance, _ passed: [Int], milliseconds: Int
  ) -> [BenchmarkResult] {
    func hundredths(_ count: Int, milliseconds: Int) -> Double {
      let due = allowance.packets * Double(milliseconds) / 1_000
      return abs(Double(count) - due) / due * 100
    }
    let sum = passed.reduce(0, +)
    let parameters = [
      ("limit", allowance.name), ("frame", "\(allowance.frame)"), ("passed", "\(sum)"),
    ]
    return [
      BenchmarkResult(
        name: "limiter-error-1s", unit: "%",
        samples: [hundredths(sum, milliseconds: milliseconds)],
        parameters: parameters + [("milliseconds", "\(milliseconds)")]),
      BenchmarkResult(
        name: "limiter-error-10ms", unit: "%",
        samples: passed.map { hundredths($0, milliseconds: 10) }, parameters: parameters),
    ]
  }

  /// Offers a burst of one connection's packets.
  ///
  /// - Parameter pass: called with the time of each packet that may pass.
  /// - Returns: how many may not.
  private static func offer(
    _ allowance: Allowance, to rig: EngineRig, _ pass: (UInt64) -> Void
  ) throws(BenchmarkFailure) -> Int {
    let reason = "limit.\(allowance.name)"
    let tuple = FlowTuple(flow: 0)
    rig.admit { ring in
      for _ in 0..<FrameRing.capacity {
        let base = ring.addOutbound(length: allowance.frame, .established)
        tuple.writeUDP(at: base, isOutbound: true, length: allowance.frame)
      }
    }
    var refused = 0
    let packets = rig.ring.packets()
    for index in packets.indices {
      switch packets[index].verdict {
      case .forward: pass(packets[index].time)
      case .drop where packets[index].reason.name == reason: refused += 1
      default: throw .unproven("\(packets[index].verdict) \(packets[index].reason)")
      }
    }
    return refused
  }
}

import Datapath

/// The full pipeline for packets from the underlay, or for both directions at once, on one core:
/// the counterpart of `PipelineBenchmark`, by the same model.
///
/// Timed is `Worker.process` on bursts of 32. A packet from the underlay has its outer header
/// checked and taken off (Geneve), its sender compared with the mappings, and then passes parse,
/// connection, network ACL, allowances, counters and delivery to the interface: UDP, established,
/// inner frames of 64 bytes. Writing frames, opening the connections and looking at what came out
/// is not timed.
public struct DirectionBenchmark {
  /// Where the packets of a burst come from.
  public enum Traffic: String, Sendable {
    /// All from the underlay.
    case decapsulation
    /// Every other one from the interface.
    case mixed
  }

  public var traffic: Traffic
  public var flows: Int
  public var packetsPerRun = 2_000_000
  public var runs = 5
  var omitted = 0

  public init(_ traffic: Traffic, flows: Int) {
    self.traffic = traffic
    self.flows = flows
  }

  /// Measures cycles a packet, and Mpps.
  ///
  /// - Throws: `unproven` unless every packet was delivered as an established connection's.
  public func run() throws(BenchmarkFailure) -> [BenchmarkResult] {
    let clock = BenchmarkClock()
    let rig = try EngineRig(BenchmarkModel.make(), flows: flows)
    // Each connection's first packet, and the answer to it.
    rig.judge(count: flows) { $0.addUDP(FlowTuple(flow: $1), isOutbound: true, .new) }
    rig.judge(count: flows) { $0.addUDP(FlowTuple(flow: $1), isOutbound: false, .established) }
    try rig.check()
    rig.omitted = omitted
    var random = BenchmarkRandom()
    let (flows, isMixed) = (flows, traffic == .mixed)
    let samples = EngineRig.measure([rig], packets: packetsPerRun, runs: runs) { _, ring in
      let tuple = FlowTuple(flow: random.below(flows))
      ring.addUDP(tuple, isOutbound: isMixed && ring.count % 2 == 0, .established)
    }
    try rig.check()
    try BenchmarkFailure.check(rig.connections == flows, "\(rig.connections) connections are open")
    return samples[0].results(
      traffic.rawValue, clock, [("flows", "\(flows)"), rig.proof.parameter])
  }
}

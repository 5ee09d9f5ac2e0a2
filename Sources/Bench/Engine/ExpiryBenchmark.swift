import Datapath
import Wire

/// What packets wait for while very many connections end together, on one core.
///
/// All connections but those of the traffic beside are idle, and their time is over at a rate of 32
/// million a second. Timed is each burst of 32 packets of the traffic beside, in `Worker.process`:
/// before (`peace`), and from the first connection that ends until the last is cleared away
/// (`expiring`). The clock of the packets goes on by 100 ns a packet, as at ten million a second.
public struct ExpiryBenchmark {
  /// Connections that end.
  public var flows: Int
  /// Connections of the traffic beside.
  public var live = 1_000
  public var runs = 5
  /// As a daemon configures it.
  public var expiryPerPacket = 4
  /// Bursts in peace.
  public var peace = 100_000
  var omitted = 0

  /// How long an idle UDP connection stays, in nanoseconds, by the model.
  private static let timeout: UInt64 = 30_000_000_000
  /// Nanoseconds from the end of one connection to the end of the next.
  private static let apart: UInt64 = 31
  /// The same from packet to packet.
  private static let pace: UInt64 = 100

  public init(flows: Int) { self.flows = flows }

  /// Measures microseconds of bursts at percentiles, the longest one, how many of a million take
  /// more than five, and how long after its time the last connection was cleared away.
  ///
  /// - Throws: `unproven` unless all that should have ended are gone and no other; `memory`.
  public func run() throws(BenchmarkFailure) -> [BenchmarkResult] {
    let clock = BenchmarkClock()
    let room = flows + live
    try AvailableMemory.require(OpenConnections.bytes * room * 5 / 4)
    let rig = try EngineRig(
      RuleModel.make(protocolNumber: IPProtocol.udp), flows: room, expiryPerPacket: expiryPerPacket)
    rig.omitted = omitted
    var peaceful: [BurstTimes] = []
    var expiring: [BurstTimes] = []
    var late: [Double] = []
    for run in 0..<runs {
      if run > 0 { rig.renew(flows: room) }
      let last = try open(rig)
      var random = BenchmarkRandom()
      rig.ring.step = Self.pace
      peaceful.append(offer(peace, to: rig, &random))
      let first = last - UInt64(flows) * Self.apart
      // To where the first one ends; the traffic beside is asked anew before it would end as well.
      rig.ring.time = max(rig.ring.time, first + Self.timeout / 2)
      keep(rig)
      rig.ring.time = first + Self.timeout
      var times = BurstTimes(bursts: flows / 32)
      while rig.connections > live && times.totalPackets < 64 * flows + 32_000_000 {
        times.add(cycles: burst(rig, &random), packets: FrameRing.capacity)
      }
      expiring.append(times)
      let overdue = Int64(rig.ring.time) - Int64(last + Self.timeout)
      late.append(Double(max(0, overdue)) / 1_000_000)
      try BenchmarkFailure.check(
        rig.connections == live, "\(rig.connections) connections are left, not \(live)")
      try rig.check()
    }
    let megahertz = clock.megahertz()
    let parameters = [
      ("flows", "\(flows)"), ("expiry-per-packet", "\(expiryPerPacket)"), rig.proof.parameter,
    ]
    return Self.results(peaceful, megahertz, [("in", "peace")] + parameters)
      + Self.results(expiring, megahertz, [("in", "expiring")] + parameters) + [
        BenchmarkResult(
          name: "expiry-late", unit: "ms after the last", samples: late, parameters: parameters)
      ]
  }

  // MARK: Traffic

  /// Opens all connections, those of the traffic beside first.
  ///
  /// - Returns: when the last of them was opened.
  private func open(_ rig: EngineRig) throws(BenchmarkFailure) -> UInt64 {
    rig.ring.step = Self.apart
    rig.judge(count: live) { ring, index in
      ring.addUDP(FlowTuple(number: index, isOutbound: true), isOutbound: true, .new)
    }
    rig.judge(count: flows) { ring, index in
      ring.addUDP(FlowTuple(number: live + index, isOutbound: true), isOutbound: true, .new)
    }
    try rig.check()
    try BenchmarkFailure.check(
      rig.connections == live + flows, "\(rig.connections) connections are open")
    return rig.ring.time
  }

  private func keep(_ rig: EngineRig) {
    rig.judge(count: live) { ring, index in
      ring.addUDP(FlowTuple(number: index, isOutbound: true), isOutbound: true, .established)
    }
  }

  private func offer(
    _ bursts: Int, to rig: EngineRig, _ random: inout BenchmarkRandom
  ) -> BurstTimes {
    var times = BurstTimes(bursts: bursts)
    for _ in 0..<bursts { times.add(cycles: burst(rig, &random), packets: FrameRing.capacity) }
    return times
  }

  private func burst(_ rig: EngineRig, _ random: inout BenchmarkRandom) -> UInt64 {
    rig.judge { ring in
      for _ in 0..<FrameRing.capacity {
        ring.addUDP(
          FlowTuple(number: random.below(live), isOutbound: true), isOutbound: true, .established)
      }
    }
  }

  // MARK: Results

  private static func results(
    _ runs: [BurstTimes], _ megahertz: Double, _ parameters: [(String, String)]
  ) -> [BenchmarkResult] {
    let parts = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("longest", 1)]
    let percentiles = runs.map { $0.percentiles(parts.map(\.1)) }
    var results = parts.indices.map { place in
      BenchmarkResult(
        name: "expiry-burst-\(parts[place].0)", unit: "us",
        samples: percentiles.map { Double($0[place]) / megahertz }, parameters: parameters)
    }
    results.append(
      BenchmarkResult(
        name: "expiry-burst-over-5us", unit: "of a million",
        samples: runs.map { $0.share(over: UInt32(5 * megahertz)) * 1_000_000 },
        parameters: parameters))
    return results
  }
}

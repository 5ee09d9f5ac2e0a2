import Datapath
import Wire

/// New UDP connections on one core, one packet each, by groups of 1,000 rules each way.
///
/// Timed is `Worker.process` on bursts of 32 frames of 64 bytes of which each opens a connection:
/// the whole pipeline with group, route, network ACL, mapping, allowances, and the record's
/// creation. The table, backed by pages beforehand, has room for all; making it, opening
/// connections beside, writing frames and looking at what came out is not timed.
public struct NewFlowsBenchmark {
  /// Which way a connection's packet goes, or what becomes of the connections.
  public enum Kind: String, Sendable, CaseIterable {
    /// An interface of this host sends it.
    case out
    /// It comes from the underlay.
    case `in`
    /// Sent, while as many connections end by time as begin: clearing those away is timed too.
    case sustained
  }

  public var kind: Kind
  public var packetsPerRun = 1_000_000
  public var runs = 5
  /// TCP connections that are open beside.
  public var open = 0
  /// Connections that `sustained` has at a time.
  public var window = 1 << 20
  var omitted = 0

  /// How long an idle UDP connection stays, in nanoseconds, by the model.
  private static let timeout: UInt64 = 30_000_000_000

  public init(_ kind: Kind) { self.kind = kind }

  /// Measures cycles a connection, and millions a second.
  ///
  /// - Throws: `unproven` unless every packet opened a connection, and those ended that should.
  public func run() throws(BenchmarkFailure) -> [BenchmarkResult] {
    let clock = BenchmarkClock()
    let room = open + (kind == .sustained ? window * 5 / 4 : packetsPerRun)
    try AvailableMemory.require(OpenConnections.bytes * room * 5 / 4)
    let rig = try EngineRig(RuleModel.make(protocolNumber: IPProtocol.udp), flows: room)
    var samples = CycleSamples(unit: "flow")
    var number = 0
    if kind == .sustained {
      try OpenConnections.open(open, in: rig)
      rig.ring.step = Self.timeout / UInt64(window)
      offer(2 * window, from: &number, to: rig)
    }
    rig.omitted = omitted
    for run in 0..<runs {
      if kind != .sustained {
        // Every run finds a table without connections but those beside.
        if run > 0 { rig.renew(flows: room) }
        try OpenConnections.open(open, in: rig)
        number = 0
      }
      samples.add(cycles: offer(packetsPerRun, from: &number, to: rig), count: packetsPerRun)
      try check(rig)
    }
    return samples.results(
      kind == .sustained ? "new-flows-sustained" : "new-flows", clock,
      [
        ("direction", kind == .in ? "in" : "out"), ("rules", "\(RuleModel.ports)"),
        ("open", "\(open)"), ("connections", "\(rig.connections)"), rig.proof.parameter,
      ])
  }

  /// Offers packets of connections that were never seen.
  @discardableResult
  private func offer(_ count: Int, from number: inout Int, to rig: EngineRig) -> UInt64 {
    let (first, isOutbound) = (number, kind != .in)
    number += count
    return rig.judge(count: count) { ring, index in
      let tuple = FlowTuple(number: first + index, isOutbound: isOutbound)
      ring.addUDP(tuple, isOutbound: isOutbound, .new)
    }
  }

  private func check(_ rig: EngineRig) throws(BenchmarkFailure) {
    try rig.check()
    let count = rig.connections - open
    let isRight =
      kind == .sustained
      ? count >= window && count <= window * 9 / 8 + 256 : count == packetsPerRun
    try BenchmarkFailure.check(isRight, "\(count) connections are open")
  }
}

/// Connections that are open beside those that are measured.
enum OpenConnections {
  /// Memory that a connection takes in a table with all its pages: record, TCP state, addresses,
  /// timer, and its part of the index.
  static let bytes = 256

  /// Opens TCP connections, whose time is days, by a segment from their middle.
  static func open(_ count: Int, in rig: EngineRig) throws(BenchmarkFailure) {
    if count == 0 { return }
    let segment = FlowTuple.Segment(flags: 0x10, sequence: 1, acknowledgement: 1)
    rig.judge(count: count) { ring, index in
      ring.addTCP(FlowTuple(number: index, isOutbound: true), isOutbound: true, segment, .new)
    }
    try rig.check()
    try BenchmarkFailure.check(rig.connections == count, "\(rig.connections) are open beside")
  }
}

import Datapath
import Wire

/// New TCP connections of six packets on one core, by groups of 1,000 rules each way, with others
/// open beside: SYN out, SYN+ACK in, ACK out, ten bytes out, FIN out, FIN+ACK in.
///
/// Timed is `Worker.process` on bursts of 32, in which 32 connections take turns at their different
/// stages. As many closed connections end by time as new ones begin, so that clearing them away is
/// timed too. Opening the others, writing frames and looking at what came out is not timed.
public struct NewConnectionsBenchmark {
  static let packets = 6

  public var connectionsPerRun = 300_000
  public var runs = 5
  /// Connections that are open beside.
  public var open = 1_000_000
  /// Closed connections that wait for their end at a time.
  public var window = 1 << 18
  var omitted = 0

  /// How long a connection stays after its second FIN, in nanoseconds.
  private static let timeout: UInt64 = 60_000_000_000

  public init() {}

  /// Measures cycles a connection, and millions of connections a second.
  ///
  /// - Throws: `unproven` unless every packet was judged as its place in the connection wants, and
  ///   those connections ended that should.
  public func run() throws(BenchmarkFailure) -> [BenchmarkResult] {
    let clock = BenchmarkClock()
    let room = open + window * 5 / 4
    try AvailableMemory.require(OpenConnections.bytes * room * 5 / 4)
    let rig = try EngineRig(RuleModel.make(protocolNumber: IPProtocol.tcp), flows: room)
    try OpenConnections.open(open, in: rig)
    rig.ring.step = Self.timeout / UInt64(Self.packets * window)
    var lanes = ConnectionLanes(first: open)
    // Lanes begin one stage after the other; then until as many connections end as begin.
    for round in 0..<Self.packets - 1 { rig.judge { lanes.fill($0, upTo: round) } }
    for _ in 0..<2 * window * Self.packets / FrameRing.capacity { rig.judge { lanes.fill($0) } }
    rig.omitted = omitted
    var samples = CycleSamples(unit: "connection")
    for _ in 0..<runs {
      var cycles: UInt64 = 0
      let bursts = max(1, connectionsPerRun * Self.packets / FrameRing.capacity)
      for _ in 0..<bursts { cycles += rig.judge { lanes.fill($0) } }
      samples.add(cycles: cycles * UInt64(Self.packets), count: bursts * FrameRing.capacity)
      try rig.check()
    }
    let waiting = rig.connections - open
    try BenchmarkFailure.check(
      waiting >= window && waiting <= window * 9 / 8 + 256,
      "\(waiting) connections are there beside \(open)")
    return samples.results(
      "new-connections", clock,
      [
        ("rules", "\(RuleModel.ports)"), ("open", "\(open)"), ("closed", "\(waiting)"),
        rig.proof.parameter,
      ])
  }
}

/// Connections that send their packets by turns, one in each place of a burst.
private struct ConnectionLanes {
  private struct Lane {
    var number = 0
    var stage = NewConnectionsBenchmark.packets
  }

  private var lanes = [Lane](repeating: Lane(), count: FrameRing.capacity)
  /// The next connection's number.
  private var next: Int

  init(first: Int) { next = first }

  /// Adds the next packet of each lane.
  ///
  /// - Parameter round: lanes begin in rounds, so that a burst has packets of all stages.
  mutating func fill(_ ring: FrameRing, upTo round: Int = .max) {
    for index in lanes.indices where index % NewConnectionsBenchmark.packets <= round {
      if lanes[index].stage == NewConnectionsBenchmark.packets {
        lanes[index] = Lane(number: next, stage: 0)
        next += 1
      }
      let (number, stage) = (lanes[index].number, lanes[index].stage)
      lanes[index].stage += 1
      let isOutbound = stage != 1 && stage != 5
      ring.addTCP(
        FlowTuple(number: number, isOutbound: true), isOutbound: isOutbound,
        Self.segment(stage, client: UInt32(truncatingIfNeeded: number &* 7919)),
        stage == 0 ? .new : .established)
    }
  }

  /// The segment of a stage.
  ///
  /// - Parameter client: the sequence number of the SYN.
  private static func segment(_ stage: Int, client: UInt32) -> FlowTuple.Segment {
    let server = client ^ 0x5A5A_5A5A
    switch stage {
    case 0: return FlowTuple.Segment(flags: 0x02, sequence: client, acknowledgement: 0)
    case 1: return FlowTuple.Segment(flags: 0x12, sequence: server, acknowledgement: client &+ 1)
    case 2:
      return FlowTuple.Segment(
        flags: 0x10, sequence: client &+ 1, acknowledgement: server &+ 1)
    case 3:
      return FlowTuple.Segment(
        flags: 0x18, sequence: client &+ 1, acknowledgement: server &+ 1, payload: 10)
    case 4:
      return FlowTuple.Segment(
        flags: 0x11, sequence: client &+ 11, acknowledgement: server &+ 1)
    default:
      return FlowTuple.Segment(
        flags: 0x11, sequence: server &+ 1, acknowledgement: client &+ 12)
    }
  }
}

import CDataplane
import Datapath
import Replay
import TableCompiler
import VPCModel

/// How fast this machine judges captured traffic by a rule set: the engine alone, on one core.
///
/// The packets are judged in the order and with the times of the capture, in bursts of 32, by an
/// engine that begins without connections, as a replay does it; when the capture ends before the
/// run, a new engine begins again. Timed is `Worker.process` and nothing else: frames are copied
/// before, which leaves them in the cache, as a NIC that writes to the cache does; services (ARP,
/// DHCP and the like) are composed by the slow path and not here. Every pass has to come to the
/// same verdicts, rules and frames as the first one, which is not timed.
public struct TrafficBenchmark {
  /// Packets that a run judges at least, unless `secondsPerRun` are over before.
  public var packetsPerRun = 2_000_000
  /// A run begins no other pass after so many seconds, those for copying included.
  public var secondsPerRun = 5.0
  public var runs = 5
  /// Packets of each burst that are left out, for tests that this is noticed.
  var omitted = 0
  /// Entries of the first engine's flow table.
  private static let firstCapacity = 1 << 22

  private let tape: CaptureTape
  private let compiled: CompiledTables
  private let buffers: BurstBuffers

  /// - Parameter tape: made with the same model; of one frame at least.
  public init(_ tape: CaptureTape, model: VPCModel) throws(BenchmarkFailure) {
    precondition(!tape.frames.isEmpty)
    self.tape = tape
    compiled = try EngineRig.compile(model)
    buffers = BurstBuffers(tape)
  }

  /// Measures cycles a packet, rates, and how long bursts take.
  ///
  /// - Parameter progress: called after each pass with the part of everything that is done.
  /// - Throws: `unproven` when a pass had other results than the first.
  public func run(progress: (Double) -> Void = { _ in }) throws(BenchmarkFailure) -> TrafficReport {
    let clock = BenchmarkClock()
    let expected = first()
    if let wrong = expected.firstWrong { throw .unproven(wrong) }
    // Half of the table is shared between interfaces, so one may have them all.
    let capacity = max(1 << 12, expected.entries * 5 / 2)
    var measured: [BurstTimes] = []
    var passes = 0
    for run in 0..<runs {
      var times = BurstTimes(bursts: packetsPerRun / BurstBuffers.capacity + 1)
      let begin = apus_monotonic_time()
      repeat {
        let outcome = pass(capacity: capacity, &times)
        try BenchmarkFailure.check(outcome == expected, "a pass came to other verdicts")
        passes += 1
        let share = min(1, Double(times.totalPackets) / Double(packetsPerRun))
        progress((Double(run) + share) / Double(runs))
      } while times.totalPackets < packetsPerRun
        && Double(apus_monotonic_time() - begin) < secondsPerRun * 1e9
      measured.append(times)
    }
    return TrafficReport(
      tape, expected, measured, passes: passes, megahertz: clock.megahertz())
  }

  /// Finds out what becomes of each packet.
  private func first() -> TrafficOutcome {
    var worker = engine(capacity: Self.firstCapacity)
    var outcome = TrafficOutcome()
    for start in stride(from: 0, to: tape.frames.count, by: BurstBuffers.capacity) {
      buffers.fill(from: start)
      worker.process(buffers.packets(), compiled.tables)
      outcome.add(buffers.packets())
      outcome.entries = max(outcome.entries, worker.flows.count)
    }
    return outcome
  }

  /// Judges the whole tape once.
  private func pass(capacity: Int, _ times: inout BurstTimes) -> TrafficOutcome {
    var worker = engine(capacity: capacity)
    worker.prefault()
    var outcome = TrafficOutcome()
    for start in stride(from: 0, to: tape.frames.count, by: BurstBuffers.capacity) {
      buffers.fill(from: start)
      let packets = buffers.packets(without: omitted)
      let begin = apus_tsc()
      worker.process(packets, compiled.tables)
      times.add(cycles: apus_tsc() - begin, packets: buffers.count)
      outcome.add(buffers.packets())
      outcome.entries = max(outcome.entries, worker.flows.count)
    }
    return outcome
  }

  private func engine(capacity: Int) -> Worker {
    Worker(
      configuration: WorkerConfiguration(flowCapacity: capacity),
      nicCapacity: compiled.tables.nics.count, ruleCapacity: compiled.tables.ruleCount)
  }
}

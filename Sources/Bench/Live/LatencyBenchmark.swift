import CDataplane
import CThreads
import Datapath
import Glibc
import Live
import LockFree
import TableCompiler

/// The time from ring to ring: a frame is put into a worker's ring, judged with everything on, and
/// taken out of another ring, at a part of the load that the worker can carry.
///
/// One thread makes frames and takes them, the other is the worker. The figure holds the rings'
/// cache lines both ways. Frames carry the time stamp counter at which they were due, so that a
/// late sender counts as delay and not as less load. What the worker carries is measured anew
/// before each run, because shared machines have slow and fast moments.
///
/// Time in which another program, the kernel or the hypervisor had the processor is not the
/// worker's: frames that were under way in a gap, or until what had piled up is worked off, are
/// left out; `stolen` is their share, and `latency-all` counts them. A gap is when between two
/// polls of a thread 5 microseconds pass, and 0.25 more for each frame that it handled between
/// them, over twice what a frame takes. As a check, the same frames at the same rate go through a
/// thread that only passes them on (`latency-floor`): were gaps of the engine's making, it would
/// have more of them than that thread has. What cannot be left out is time in which the hypervisor
/// lets the processor run slower; `latency-floor` shows that too.
public struct LatencyBenchmark {
  static let buffers = 4096
  /// Microseconds between two polls that no round takes by itself, and what a frame adds.
  static let gap = (empty: 5.0, perFrame: 0.25)

  public var flows = 10_000
  public var milliseconds = 500
  public var runs = 5
  /// Part of the rate that the worker carries.
  public var load = 0.5

  public init() {}

  /// Measures microseconds at percentiles 50, 99 and 99.9.
  ///
  /// - Throws: `TableCompilerError` when the model cannot be compiled, which is a defect.
  public func run() throws(TableCompilerError) -> [BenchmarkResult] {
    let bench = try LiveBenchmark(workers: 1)
    let ticks = Self.ticksPerMicrosecond()
    let flows = flows
    var rates: [Double] = []
    let judged = measure(
      ticks, expectedLength: PipelineBenchmark.encapsulatedLength,
      worker: { incoming, outgoing, log in
        var worker = LiveWorker(
          index: 0, io: RingPorts(incoming: incoming, outgoing: outgoing, log: log),
          engine: bench.engine(0, flows: flows), shared: bench.shared)
        worker.run()
      }, stop: { bench.shared.stop() },
      rate: { wire, run in
        // The first time establishes the flows.
        if run == 0 { _ = wire.send(forTicks: ticks * 300_000, interval: 0) }
        rates.append(wire.send(forTicks: ticks * 100_000, interval: 0))
        return rates[run]
      })
    let stop = SharedMemory(lines: 1)
    defer { stop.deallocate() }
    let passed = measure(
      ticks, expectedLength: UInt32(PipelineBenchmark.frameLength),
      worker: { incoming, outgoing, log in
        Self.passOn(from: incoming, to: outgoing, log, until: StopFlag(stop.line(0)))
      }, stop: { StopFlag(stop.line(0)).set() }, rate: { _, run in rates[run] })
    let saturated = rates.sorted()[rates.count / 2] * ticks
    let parameters = [
      ("flows", "\(flows)"), ("saturated-kpps", "\(Int(saturated * 1_000))"), ("load", "\(load)"),
    ]
    return results("latency", judged, parameters) + results("latency-floor", passed, parameters)
  }

  /// Microseconds at each percentile, of each run.
  private struct Measured {
    var withoutGaps: [[Double]] = [[], [], []]
    var all: [[Double]] = [[], [], []]
    var stolenShare = 0.0
    var gapsPerSecond = 0

    var stolen: String { "\((stolenShare * 10_000).rounded() / 100)%" }
  }

  /// Runs a worker's thread and the wire's, and takes samples.
  ///
  /// - Parameter rate: frames a tick that the worker carries, found with the wire before a run.
  private func measure(
    _ ticks: Double, expectedLength: UInt32,
    worker: @escaping @Sendable (SPSCRing<Packet>, SPSCRing<Packet>, GapLog) -> Void,
    stop: () -> Void, rate: (inout LatencyWire, Int) -> Double
  ) -> Measured {
    let incoming = SPSCRing<Packet>(capacity: Self.buffers)
    let outgoing = SPSCRing<Packet>(capacity: Self.buffers)
    let logs = [0, 1].map { _ in
      GapLog(threshold: UInt64(ticks * Self.gap.empty), perFrame: UInt64(ticks * Self.gap.perFrame))
    }
    defer {
      incoming.deallocate()
      outgoing.deallocate()
      for log in logs { log.deallocate() }
    }
    let workerLog = logs[1]
    let thread = LiveBenchmark.thread(processor: 1) { worker(incoming, outgoing, workerLog) }
    _ = Processors.pin(0)
    var wire = LatencyWire(
      flows: flows, incoming: incoming, outgoing: outgoing, expectedLength: expectedLength,
      log: logs[0])
    defer { wire.deallocate() }
    var measured = Measured()
    for run in 0..<runs {
      let interval = 1 / (rate(&wire, run) * load)
      let known = logs.map(\.recorded.count)
      _ = wire.send(forTicks: ticks * Double(milliseconds) * 1_000, interval: interval)
      // The worker's log grows while it is read, but only behind what belongs to this run.
      let gaps = zip(logs, known).flatMap { $0.recorded.dropFirst($1) }
      measured.gapsPerSecond += gaps.count
      let kept = wire.samples.delays(without: gaps)
      Self.append(kept, ticks, to: &measured.withoutGaps)
      Self.append(wire.samples.delays, ticks, to: &measured.all)
      let count = Double(max(1, wire.samples.count))
      measured.stolenShare += (1 - Double(kept.count) / count) / Double(runs)
    }
    measured.gapsPerSecond = measured.gapsPerSecond * 1_000 / (runs * milliseconds)
    stop()
    pthread_join(thread, nil)
    return measured
  }

  private static func append(_ delays: [UInt32], _ ticks: Double, to samples: inout [[Double]]) {
    for (index, part) in [0.5, 0.99, 0.999].enumerated() where !delays.isEmpty {
      samples[index].append(Double(delays[Int(Double(delays.count - 1) * part)]) / ticks)
    }
  }

  private func results(
    _ name: String, _ measured: Measured, _ parameters: [(String, String)]
  ) -> [BenchmarkResult] {
    let gaps = [("gaps-per-second", "\(measured.gapsPerSecond)"), ("stolen", measured.stolen)]
    return [(name, measured.withoutGaps), (name + "-all", measured.all)].flatMap { name, samples in
      zip(["p50", "p99", "p99.9"], samples).map {
        BenchmarkResult(
          name: "\(name)-\($0)", unit: "us", samples: $1, parameters: parameters + gaps)
      }
    }
  }

  /// A worker without an engine.
  private static func passOn(
    from incoming: SPSCRing<Packet>, to outgoing: SPSCRing<Packet>, _ log: GapLog,
    until stop: StopFlag
  ) {
    let burst = UnsafeMutableBufferPointer<Packet>.allocate(capacity: 32)
    defer { burst.deallocate() }
    var count = 0
    while !stop.isSet {
      log.poll(apus_tsc(), frames: count)
      count = incoming.pop(into: burst)
      guard count > 0 else { continue }
      _ = outgoing.push(UnsafeMutableBufferPointer(start: burst.baseAddress, count: count))
    }
  }

  static func ticksPerMicrosecond() -> Double {
    let (time, tsc) = (apus_monotonic_time(), apus_tsc())
    usleep(50_000)
    return Double(apus_tsc() - tsc) * 1_000 / Double(apus_monotonic_time() - time)
  }
}

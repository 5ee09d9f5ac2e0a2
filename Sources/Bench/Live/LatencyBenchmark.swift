import CDataplane
import Datapath
import Glibc
import Live
import LockFree
import TableCompiler
import Wire

/// The time from ring to ring: a frame is put into a worker's ring, judged with everything on, and
/// taken out of another ring, at a part of the load that the worker can carry.
///
/// One thread makes frames and takes them, the other is the worker. The figure holds the rings'
/// cache lines both ways. Frames carry the time stamp counter at which they were due, so that a
/// late sender counts as delay and not as less load.
///
/// Time that the scheduler gave to other programs is not the worker's: frames that were under way
/// while a thread was preempted, or until what had piled up is worked off, are left out and
/// counted. `stolen` is their share.
public struct LatencyBenchmark {
  static let buffers = 4096

  public var flows = 10_000
  public var milliseconds = 500
  public var runs = 5
  /// Part of the rate that the worker carries.
  public var load = 0.5

  public init() {}

  /// Measures microseconds at percentiles 50, 99 and 99.9, over the worker's own saturated rate.
  ///
  /// - Throws: `TableCompilerError` when the model cannot be compiled, which is a defect.
  public func run() throws(TableCompilerError) -> [BenchmarkResult] {
    let bench = try LiveBenchmark(workers: 1)
    let incoming = SPSCRing<Packet>(capacity: Self.buffers)
    let outgoing = SPSCRing<Packet>(capacity: Self.buffers)
    defer {
      incoming.deallocate()
      outgoing.deallocate()
    }
    let flows = flows
    let ticks = Self.ticksPerMicrosecond()
    let logs = [UInt64(ticks * 20), UInt64(ticks * 20)].map { PreemptionLog(threshold: $0) }
    defer { for log in logs { log.deallocate() } }
    let workerLog = logs[1]
    let thread = LiveBenchmark.thread(processor: 1) {
      var worker = LiveWorker(
        index: 0, io: RingPorts(incoming: incoming, outgoing: outgoing, log: workerLog),
        engine: bench.engine(0, flows: flows), shared: bench.shared)
      worker.run()
    }
    _ = Processors.pin(0)
    var wire = LatencyWire(flows: flows, incoming: incoming, outgoing: outgoing, log: logs[0])
    // Everything at once: establishes the flows, then tells the rate that can be carried.
    _ = wire.send(forTicks: ticks * 300_000, interval: 0)
    let saturated = wire.send(forTicks: ticks * 300_000, interval: 0).packetsPerTick * ticks
    var samples: [[Double]] = [[], [], []]
    var runs: [LatencyWire.Run] = []
    for _ in 0..<self.runs {
      runs.append(
        wire.send(
          forTicks: ticks * Double(milliseconds) * 1_000, interval: ticks / (saturated * load)))
    }
    bench.shared.stop()
    pthread_join(thread, nil)
    wire.deallocate()
    let gaps = logs.flatMap(\.recorded)
    var stolen = 0.0
    for run in runs {
      let delays = run.delays(without: gaps)
      for (index, part) in [0.5, 0.99, 0.999].enumerated() where !delays.isEmpty {
        samples[index].append(Double(delays[Int(Double(delays.count - 1) * part)]) / ticks)
      }
      stolen += 100 * (1 - Double(delays.count) / Double(max(1, run.count))) / Double(runs.count)
    }
    let parameters = [
      ("flows", "\(flows)"), ("saturated-kpps", "\(Int(saturated * 1_000))"), ("load", "\(load)"),
      ("stolen", "\((stolen * 100).rounded() / 100)%"),
    ]
    return zip(["latency-p50", "latency-p99", "latency-p99.9"], samples).map {
      BenchmarkResult(name: $0, unit: "us", samples: $1, parameters: parameters)
    }
  }

  private static func ticksPerMicrosecond() -> Double {
    let (time, tsc) = (apus_monotonic_time(), apus_tsc())
    usleep(50_000)
    return Double(apus_tsc() - tsc) * 1_000 / Double(apus_monotonic_time() - time)
  }
}

/// The other end of the rings: sends frames when they are due and takes them back.
private struct LatencyWire {
  struct Run {
    var packetsPerTick: Double
    /// When each frame was due, and how many ticks later it was back.
    var due: [UInt64]
    var delay: [UInt32]
    var count: Int { due.count }

    /// The delays in order, without those of frames that met a preemption.
    func delays(without gaps: [PreemptionLog.Gap]) -> [UInt32] {
      // At half load what piled up in a gap takes as long again to work off.
      let spans = gaps.map { ($0.start, $0.end + ($0.end - $0.start) * 3 / 2) }.sorted { $0 < $1 }
      var kept: [UInt32] = []
      kept.reserveCapacity(count)
      var next = 0
      for index in 0..<count {
        while next < spans.count, spans[next].1 < due[index] { next += 1 }
        let arrival = due[index] + UInt64(delay[index])
        if next < spans.count, spans[next].0 <= arrival { continue }
        kept.append(delay[index])
      }
      kept.sort()
      return kept
    }
  }

  let flows: Int
  let incoming: SPSCRing<Packet>
  let outgoing: SPSCRing<Packet>
  private let log: PreemptionLog
  private let memory: UnsafeMutableRawPointer
  private let burst: UnsafeMutablePointer<Packet>
  private var free: [UInt32]
  private var random: UInt64 = 88_172_645_463_325_252
  private static let slotLength = 256

  init(
    flows: Int, incoming: SPSCRing<Packet>, outgoing: SPSCRing<Packet>, log: PreemptionLog
  ) {
    self.flows = flows
    self.log = log
    self.incoming = incoming
    self.outgoing = outgoing
    memory = .allocate(byteCount: LatencyBenchmark.buffers * Self.slotLength, alignment: 64)
    burst = .allocate(capacity: 64)
    free = (0..<UInt32(LatencyBenchmark.buffers - 1)).map { $0 }
  }

  func deallocate() {
    memory.deallocate()
    burst.deallocate()
  }

  /// - Parameter interval: ticks between frames; 0 sends as fast as buffers come back.
  mutating func send(forTicks duration: Double, interval: Double) -> Run {
    var run = Run(packetsPerTick: 0, due: [], delay: [])
    run.due.reserveCapacity(8 << 20)
    run.delay.reserveCapacity(8 << 20)
    let start = apus_tsc()
    let end = start + UInt64(duration)
    var due = Double(start)
    var underWay = 0
    while true {
      let now = apus_tsc()
      log.poll(now)
      var made = 0
      while now < end, made < 32, !free.isEmpty, interval == 0 || due <= Double(now) {
        make(made, due: interval == 0 ? now : UInt64(due))
        due += interval
        made += 1
      }
      if made > 0 { _ = incoming.push(UnsafeMutableBufferPointer(start: burst, count: made)) }
      underWay += made
      let came = outgoing.pop(into: UnsafeMutableBufferPointer(start: burst, count: 64))
      let arrival = apus_tsc()
      for index in 0..<came { take(index, arrival, &run) }
      underWay -= came
      if now >= end && underWay == 0 { break }
    }
    run.packetsPerTick = Double(run.count) / duration
    return run
  }

  private mutating func make(_ index: Int, due: UInt64) {
    guard let slot = free.popLast() else { return }
    random ^= random << 13
    random ^= random >> 7
    random ^= random << 17
    let base = memory + Int(slot) * Self.slotLength + PipelineBenchmark.headroom
    BenchmarkFrame.write(at: base, flow: Int(random >> 20) % flows)
    base.storeBytes(of: due, toByteOffset: 48, as: UInt64.self)
    (burst + index).initialize(
      to: Packet(
        base: base, length: UInt32(PipelineBenchmark.frameLength),
        headroom: UInt32(PipelineBenchmark.headroom)))
  }

  private mutating func take(_ index: Int, _ arrival: UInt64, _ run: inout Run) {
    let start = burst[index].base - Int(burst[index].headroom)
    free.append(UInt32((start - memory) / Self.slotLength))
    // A frame that was dropped has no length, and would make the figure a lie.
    precondition(burst[index].length == 114)
    let due = (start + PipelineBenchmark.headroom).load(fromByteOffset: 48, as: UInt64.self)
    run.due.append(due)
    run.delay.append(UInt32(clamping: arrival > due ? arrival - due : 0))
  }
}

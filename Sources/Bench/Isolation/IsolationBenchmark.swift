import CDataplane
import Datapath
import Glibc
import Live
import TableCompiler

/// What a guest at its contracted rate loses while another guest of the same workers attacks them.
///
/// Real live workers poll ports in memory: everything but the copy from and to a guest. Each attack
/// is compared with the same victim alone right before it. A thread takes what is left to the
/// service thread, as fast as it can, and answers none of it. Times in which something else had the
/// processor are left out and told (`stolen`): a round that took 20 microseconds, and 2 more for
/// each frame in it, was not the worker's alone.
public struct IsolationBenchmark {
  public var flows = 1_000
  public var milliseconds = 300
  public var runs = 3
  /// The victim's packets a second, over all workers.
  public var rate = 1_000_000.0

  /// Undisturbed frames of a phase that a percentile 99.9 needs; without them the run has none.
  static let leastSamples = 10_000

  public init() {}

  /// Measures one phase after another: throughput in the victim's own, and percentile 99.9 of its
  /// latency as a multiple.
  ///
  /// - Throws: `TableCompilerError` when the model cannot be compiled, which is a defect.
  public func run(workers: Int) throws(TableCompilerError) -> [BenchmarkResult] {
    let ticks = LatencyBenchmark.ticksPerMicrosecond()
    var results: [BenchmarkResult] = []
    for attack in Attack.allCases {
      var (shares, ratios, alone, attacked): ([Double], [Double], [Double], [Double]) =
        ([], [], [], [])
      var (rates, stolen): ([Double], [Double]) = ([], [])
      for _ in 0..<runs {
        let peace = try measure(workers, nil, ticks)
        let war = try measure(workers, attack, ticks)
        shares.append(100 * war.share / peace.share)
        if min(peace.latencies.total, war.latencies.total) >= Self.leastSamples {
          alone.append(peace.latencies.percentile(0.999) / ticks)
          attacked.append(war.latencies.percentile(0.999) / ticks)
          ratios.append(attacked[attacked.count - 1] / alone[alone.count - 1])
        }
        rates.append(Double(war.attacked) / Double(milliseconds) / 1_000)
        stolen.append(100 * war.stolenShare)
      }
      let parameters = [("attack", attack.rawValue), ("workers", "\(workers)")]
      func result(_ name: String, _ unit: String, _ samples: [Double]) -> BenchmarkResult {
        BenchmarkResult(name: name, unit: unit, samples: samples, parameters: parameters)
      }
      let figures = [
        result("isolation", "% of its throughput alone", shares),
        result("isolation-p99.9", "times alone", ratios),
        result("isolation-p99.9-alone", "us", alone), result("isolation-p99.9", "us", attacked),
        result("isolation-attack", "Mpps", rates), result("isolation-stolen", "%", stolen),
      ]
      // Without undisturbed frames there is no percentile to tell.
      results += figures.filter { $0.runs > 0 }
    }
    return results
  }

  private struct Phase {
    var share = 0.0
    var attacked = 0
    var stolenShare = 0.0
    var latencies = LatencyHistogram()
  }

  private func measure(
    _ workers: Int, _ attack: Attack?, _ ticks: Double
  ) throws(TableCompilerError) -> Phase {
    let bench = try LiveBenchmark(workers: workers, model: Attack.model())
    let records = UnsafeMutablePointer<VictimRecord>.allocate(capacity: workers)
    records.initialize(repeating: VictimRecord(), count: workers)
    defer {
      records.deinitialize(count: workers)
      records.deallocate()
    }
    let start = apus_tsc()
    let warm = UInt64(ticks * 150_000)
    let duration = UInt64(ticks * 1_000 * Double(milliseconds))
    let load = IsolationPorts.Load(
      interval: ticks * 1_000_000 * Double(workers) / rate, flows: flows, attack: attack,
      from: start + warm, to: start + warm + duration, gap: UInt64(ticks * 20),
      gapPerFrame: UInt64(ticks * 2))
    let length = workers * IsolationPorts.memoryLength
    let memory = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: length)
    defer { memory.deallocate() }
    let places = Places(records: records, memory: memory)
    var threads = (0..<workers).map { index in
      LiveBenchmark.thread(processor: workers == 1 ? 1 : index) {
        let ports = IsolationPorts(
          load, seed: UInt64(index) &* 7_919 &+ 77,
          memory: places.memory + index * IsolationPorts.memoryLength,
          record: places.records + index)
        var worker = LiveWorker(
          index: index, io: ports, engine: bench.engine(index, flows: 1 << 17),
          shared: bench.shared)
        worker.run()
      }
    }
    threads.append(LiveBenchmark.thread(processor: 0) { Self.serve(bench, workers) })
    while apus_tsc() < load.to + UInt64(ticks * 20_000) { usleep(5_000) }
    bench.shared.stop()
    for thread in threads { pthread_join(thread, nil) }
    return summary(bench, records, workers, duration)
  }

  /// What the workers' records say; and no packet may be unaccounted for.
  private func summary(
    _ bench: LiveBenchmark, _ records: UnsafeMutablePointer<VictimRecord>, _ workers: Int,
    _ length: UInt64
  ) -> Phase {
    func total(_ counter: LiveCounter) -> UInt64 { bench.shared.counters.total(counter) }
    precondition(
      total(.received) + total(.takenOver)
        == total(.sent) + total(.dropped) + total(.ignored) + total(.punted) + total(.handedOver))
    var (phase, offered, delivered): (Phase, Int, Int) = (Phase(), 0, 0)
    for index in 0..<workers {
      offered += records[index].offered
      delivered += records[index].delivered
      phase.attacked += records[index].attacked
      phase.stolenShare += Double(records[index].stolen) / Double(length) / Double(workers)
      phase.latencies.add(records[index].latencies)
    }
    precondition(offered > 0 && delivered <= offered)
    phase.share = Double(delivered) / Double(offered)
    return phase
  }

  private struct Places: @unchecked Sendable {
    let records: UnsafeMutablePointer<VictimRecord>
    let memory: UnsafeMutableRawPointer
  }

  /// Takes what workers leave to the service thread.
  private static func serve(_ bench: LiveBenchmark, _ workers: Int) {
    while !bench.shared.stopFlag.isSet {
      for index in 0..<workers {
        let channel = bench.shared.slowPath(worker: index)
        while unsafe channel.nextPunt() != nil { channel.finishPunt() }
      }
      usleep(50)
    }
  }
}

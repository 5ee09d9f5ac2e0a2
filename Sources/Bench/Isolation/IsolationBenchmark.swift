import CDataplane
import Datapath
import Glibc
import Live
import TableCompiler

/// What a guest at its contracted rate loses while another guest of the same workers attacks them.
///
/// Real live workers poll ports in memory: everything but the copy from and to a guest. Peace and
/// attack take turns, because the machine's own speed changes from second to second. A thread takes
/// what is left to the service thread, and answers none of it. Latency is told of all frames, as
/// the victim has it, and of those `undisturbed` by what else had the processor, which is what the
/// attack adds: a frame on its way between two calls of a port that are too far apart (`gap`), by
/// the same measure in peace and under attack, is left out there; `stolen` is that time.
public struct IsolationBenchmark {
  /// Attacks to be measured.
  public var attacks = Attack.allCases
  public var flows = 1_000
  /// Of a turn; longer than what the loop remembers of a port.
  public var milliseconds = 150
  /// Of peace, and as many of the attack, in a run.
  public var turns = 4
  public var runs = 3
  /// The victim's packets a second, over all workers.
  public var rate = 1_000_000.0

  /// Microseconds between two calls of a port that are not the worker's alone: more than this, and
  /// than so much for each frame that it judges between them.
  static let gap = (empty: 3.0, perFrame: 0.5)

  /// Frames that a percentile 99.9 needs; without them the run has none.
  static let leastSamples = 10_000

  public init() {}

  /// Measures one attack after another: the victim's throughput in what it has in peace, and
  /// percentile 99.9 of its latency as a multiple.
  ///
  /// - Throws: `TableCompilerError` when the model cannot be compiled, which is a defect.
  public func run(workers: Int) throws(TableCompilerError) -> [BenchmarkResult] {
    var results: [BenchmarkResult] = []
    for attack in attacks {
      var outcomes: [Outcome] = []
      for _ in 0..<runs { outcomes.append(try measure(workers, attack)) }
      let parameters = [("attack", attack.rawValue), ("workers", "\(workers)")]
      func add(_ name: String, _ unit: String, _ figure: (Outcome) -> Double?) {
        let samples = outcomes.compactMap(figure)
        // Without enough frames there is no percentile to tell.
        if samples.isEmpty { return }
        results.append(
          BenchmarkResult(name: name, unit: unit, samples: samples, parameters: parameters))
      }
      add("isolation", "% of its throughput in peace") {
        100 * $0.attacked.share / $0.peace.share
      }
      let kinds: [(String, KeyPath<Part, Double?>)] = [
        ("isolation-p99.9", \.delay), ("isolation-undisturbed-p99.9", \.undisturbed),
      ]
      for (name, delay) in kinds {
        add(name, "times that in peace") { outcome in
          guard let alone = outcome.peace[keyPath: delay],
            let attacked = outcome.attacked[keyPath: delay]
          else { return nil }
          return attacked / alone
        }
        add(name + "-peace", "us") { $0.peace[keyPath: delay] }
        add(name + "-attacked", "us") { $0.attacked[keyPath: delay] }
      }
      add("isolation-attack", "Mpps") { $0.rate }
      add("isolation-stolen-peace", "%") { 100 * $0.peace.stolen }
      add("isolation-stolen-attacked", "%") { 100 * $0.attacked.stolen }
    }
    return results
  }

  /// What the victim had in one kind of turns.
  private struct Part {
    /// Of its frames.
    var share = 0.0
    /// Percentile 99.9 of its latency in microseconds, of all frames; nil with too few.
    var delay: Double?
    /// The same of frames that nobody held up but the workers.
    var undisturbed: Double?
    /// Of the time.
    var stolen = 0.0
  }

  private struct Outcome {
    var peace = Part()
    var attacked = Part()
    /// Million packets a second that the attacker got rid of.
    var rate = 0.0
  }

  private func measure(_ workers: Int, _ attack: Attack) throws(TableCompilerError) -> Outcome {
    let ticks = LatencyBenchmark.ticksPerMicrosecond()
    let bench = try LiveBenchmark(workers: workers, model: Attack.model())
    let records = UnsafeMutablePointer<VictimRecord>.allocate(capacity: 2 * workers)
    records.initialize(repeating: VictimRecord(), count: 2 * workers)
    defer {
      records.deinitialize(count: 2 * workers)
      records.deallocate()
    }
    let from = apus_tsc() + UInt64(ticks * 150_000)
    let turn = UInt64(ticks * 1_000 * Double(milliseconds))
    let load = IsolationPorts.Load(
      interval: ticks * 1_000_000 * Double(workers) / rate, flows: flows, attack: attack,
      from: from, to: from + UInt64(2 * turns) * turn, turn: turn,
      gap: (UInt64(ticks * Self.gap.empty), UInt64(ticks * Self.gap.perFrame)),
      workers: workers)
    let length = workers * IsolationPorts.memoryLength
    let memory = UnsafeMutableRawPointer.allocate(byteCount: length, alignment: 64)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: length)
    defer { memory.deallocate() }
    let places = Places(records: records, memory: memory)
    var threads = (0..<workers).map { index in
      LiveBenchmark.thread(processor: workers == 1 ? 1 : index) {
        let ports = IsolationPorts(
          load, index: index, everything: places.memory, records: places.records + 2 * index)
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
    expectAllAccountedFor(bench)
    var outcome = Outcome()
    outcome.peace = summary(records, workers, 0, ticks)
    outcome.attacked = summary(records, workers, 1, ticks)
    let sent = (0..<workers).reduce(0) { $0 + records[2 * $1 + 1].attacked }
    outcome.rate = Double(sent) / Double(turns * milliseconds) / 1_000
    return outcome
  }

  private func expectAllAccountedFor(_ bench: LiveBenchmark) {
    func total(_ counter: LiveCounter) -> UInt64 { bench.shared.counters.total(counter) }
    precondition(
      total(.received) + total(.takenOver)
        == total(.sent) + total(.dropped) + total(.ignored) + total(.punted) + total(.handedOver))
  }

  /// What the workers' records say of peace (0) or attack (1).
  private func summary(
    _ records: UnsafeMutablePointer<VictimRecord>, _ workers: Int, _ kind: Int, _ ticks: Double
  ) -> Part {
    var (part, offered, delivered) = (Part(), 0, 0)
    var (latencies, undisturbed) = (LatencyHistogram(), LatencyHistogram())
    for index in 0..<workers {
      let record = records[2 * index + kind]
      offered += record.offered
      delivered += record.delivered
      part.stolen += Double(record.stolen) / ticks / 1_000
      latencies.add(record.latencies)
      undisturbed.add(record.undisturbed)
    }
    precondition(offered > 0 && delivered <= offered)
    part.stolen /= Double(turns * milliseconds * workers)
    part.share = Double(delivered) / Double(offered)
    func delay(_ latencies: LatencyHistogram) -> Double? {
      latencies.total < Self.leastSamples ? nil : latencies.percentile(0.999) / ticks
    }
    (part.delay, part.undisturbed) = (delay(latencies), delay(undisturbed))
    return part
  }

  private struct Places: @unchecked Sendable {
    let records: UnsafeMutablePointer<VictimRecord>
    let memory: UnsafeMutableRawPointer
  }

  /// Takes what workers leave to the service thread, once in a millisecond: with two workers it has
  /// its processor from one of them, and takes it away each time for some 11 microseconds.
  private static func serve(_ bench: LiveBenchmark, _ workers: Int) {
    while !bench.shared.stopFlag.isSet {
      for index in 0..<workers {
        let channel = bench.shared.slowPath(worker: index)
        while unsafe channel.nextPunt() != nil { channel.finishPunt() }
      }
      usleep(1_000)
    }
  }
}

import CDataplane
import Datapath
import Glibc
import Live
import TableCompiler

/// How much faster several workers are than one: live workers that poll a guest each, all on one
/// NIC with its allowances, and hand over what belongs to another.
///
/// Frames are made in `receive` and counted when they leave: a figure holds both. Every flow is
/// established before the clock starts.
public struct WorkersBenchmark {
  /// Where a worker's frames come from.
  public enum Spread: String, Sendable {
    /// Of flows that it owns, as a device with many queues and a matching hash would do.
    case owned
    /// Of all flows: with two workers every other frame crosses.
    case crossing
  }

  public var flows = 10_000
  public var milliseconds = 500
  public var runs = 5
  public var spread = Spread.owned

  public init() {}

  /// Measures million packets a second of one worker and of `count`.
  ///
  /// - Throws: `TableCompilerError` when the model cannot be compiled, which is a defect.
  public func run(count: Int) throws(TableCompilerError) -> [BenchmarkResult] {
    var single: [Double] = []
    var several: [Double] = []
    for _ in 0..<runs {
      single.append(try measure(workers: 1))
      several.append(try measure(workers: count))
    }
    let parameters = [("flows", "\(flows)"), ("frames", spread.rawValue)]
    let ratios = zip(several, single).map { $0 / $1 }
    return [
      BenchmarkResult(
        name: "workers", unit: "Mpps", samples: single,
        parameters: [("workers", "1")] + parameters),
      BenchmarkResult(
        name: "workers", unit: "Mpps", samples: several,
        parameters: [("workers", "\(count)")] + parameters),
      BenchmarkResult(
        name: "workers", unit: "times one", samples: ratios,
        parameters: [("workers", "\(count)")] + parameters),
    ]
  }

  private func measure(workers: Int) throws(TableCompilerError) -> Double {
    let bench = try LiveBenchmark(workers: workers)
    let counters = UnsafeMutablePointer<UInt64>.allocate(capacity: workers * 8)
    counters.initialize(repeating: 0, count: workers * 8)
    defer { counters.deallocate() }
    let owners = owners(bench)
    let sent = SentCounters(words: counters)
    let flows = flows
    let spread = spread
    let threads = (0..<workers).map { index in
      let own = spread == .owned ? owners[index] : (0..<UInt32(flows)).map { $0 }
      return LiveBenchmark.thread(processor: index) {
        let ports = GeneratorPorts(
          flows: own, seed: UInt64(index) + 7, sent: sent.words + index * 8)
        var worker = LiveWorker(
          index: index, io: ports, engine: bench.engine(index, flows: flows), shared: bench.shared)
        worker.run()
      }
    }
    // Every flow is met many times while it warms up.
    usleep(300_000)
    let before = sent.total(workers)
    let began = apus_monotonic_time()
    usleep(UInt32(milliseconds) * 1_000)
    let packets = sent.total(workers) - before
    let nanoseconds = apus_monotonic_time() - began
    bench.shared.stop()
    for thread in threads { pthread_join(thread, nil) }
    return Double(packets) * 1_000 / Double(nanoseconds)
  }

  /// The flows of each worker, found by asking an engine.
  private func owners(_ bench: LiveBenchmark) -> [[UInt32]] {
    var owners = [[UInt32]](repeating: [], count: bench.workers)
    if bench.workers == 1 { return [(0..<UInt32(flows)).map { $0 }] }
    var engine = bench.engine(0, flows: flows)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 64)
    defer { memory.deallocate() }
    let slot = UnsafeMutablePointer<Packet>.allocate(capacity: 1)
    defer { slot.deallocate() }
    for flow in 0..<flows {
      BenchmarkFrame.write(at: memory + 128, flow: flow)
      slot.initialize(
        to: Packet(
          base: memory + 128, length: UInt32(PipelineBenchmark.frameLength), headroom: 128))
      slot.pointee.nic = 0
      slot.pointee.flags = .atNIC
      slot.pointee.time = 1_000_000_000
      engine.process(UnsafeMutableBufferPointer(start: slot, count: 1), bench.compiled.tables)
      let owner = slot.pointee.verdict == .handOver ? slot.pointee.output.workerIndex ?? 0 : 0
      owners[owner].append(UInt32(flow))
    }
    return owners
  }
}

/// Words that workers count up, each on a line of its own.
private struct SentCounters: @unchecked Sendable {
  let words: UnsafeMutablePointer<UInt64>

  func total(_ workers: Int) -> UInt64 {
    (0..<workers).reduce(0) { $0 + apus_load_relaxed(words + $1 * 8) }
  }
}

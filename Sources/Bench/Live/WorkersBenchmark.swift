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
  public var runs = 5
  /// Turns of each in a run.
  public var turns = 25
  public var milliseconds = 20
  public var spread = Spread.owned

  public init() {}

  /// Measures million packets a second of one worker and of `count`.
  ///
  /// Both stand there all the time and take turns, as the speed of a machine that others use too
  /// changes within a second: a run's ratio is the median of those of neighbouring turns.
  ///
  /// - Throws: `TableCompilerError` when the model cannot be compiled, which is a defect.
  public func run(count: Int) throws(TableCompilerError) -> [BenchmarkResult] {
    let setups = [try start(workers: 1), try start(workers: count)]
    defer { for setup in setups { setup.end() } }
    // Every flow is met many times while it warms up.
    for setup in setups { _ = setup.turn(microseconds: 300_000) }
    var rates: [[Double]] = [[], []]
    var ratios: [Double] = []
    for _ in 0..<runs {
      var measured: [[Double]] = [[], []]
      for turn in 0..<turns {
        for index in turn % 2 == 0 ? [0, 1] : [1, 0] {
          measured[index].append(setups[index].turn(microseconds: UInt32(milliseconds) * 1_000))
        }
      }
      for index in 0..<2 { rates[index].append(Self.median(measured[index])) }
      // Of turns in which another process had a processor all the time there is none.
      let pairs = zip(measured[1], measured[0]).filter { $1 > 0 }.map { $0 / $1 }
      ratios.append(pairs.isEmpty ? 0 : Self.median(pairs))
    }
    let parameters = [("flows", "\(flows)"), ("frames", spread.rawValue), ("turns", "\(turns)")]
    let results = [(1, rates[0]), (count, rates[1])].map { workers, samples in
      BenchmarkResult(
        name: "workers", unit: "Mpps", samples: samples,
        parameters: [("workers", "\(workers)")] + parameters)
    }
    return results + [
      BenchmarkResult(
        name: "workers", unit: "times one", samples: ratios,
        parameters: [("workers", "\(count)")] + parameters)
    ]
  }

  private static func median(_ samples: [Double]) -> Double { samples.sorted()[samples.count / 2] }

  /// Starts workers that wait for their turn.
  ///
  /// - Parameter notedPackets: that a flow log may be behind; 0 for none.
  func start(
    workers: Int, notedPackets: Int = 0
  ) throws(TableCompilerError) -> WorkersSetup {
    let bench = try LiveBenchmark(workers: workers, notedPackets: notedPackets)
    let owners = owners(bench)
    let memories = (0..<workers).map { _ in GeneratorMemory() }
    let flows = flows
    let threads = (0..<workers).map { index in
      let own = spread == .owned ? owners[index] : (0..<UInt32(flows)).map { $0 }
      return LiveBenchmark.thread(processor: index) {
        let ports = GeneratorPorts(flows: own, seed: UInt64(index) + 7, memory: memories[index])
        var worker = LiveWorker(
          index: index, io: ports, engine: bench.engine(index, flows: flows), shared: bench.shared)
        worker.run()
      }
    }
    return WorkersSetup(bench: bench, memories: memories, threads: threads)
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

/// Workers on a processor each, which make and judge frames only when it is their turn.
struct WorkersSetup {
  let bench: LiveBenchmark
  let memories: [GeneratorMemory]
  let threads: [pthread_t]

  /// Million packets a second of a turn.
  func turn(microseconds: UInt32) -> Double {
    for memory in memories { apus_store_relaxed(memory.gate, 1) }
    // Until caches hold these workers' tables again.
    usleep(5_000)
    let before = sent()
    let began = apus_monotonic_time()
    usleep(microseconds)
    let packets = sent() - before
    let nanoseconds = apus_monotonic_time() - began
    for memory in memories { apus_store_relaxed(memory.gate, 0) }
    // Frames under way are finished, and nobody polls any more.
    usleep(1_000)
    return Double(packets) * 1_000 / Double(nanoseconds)
  }

  private func sent() -> UInt64 {
    memories.reduce(0) { $0 + apus_load_relaxed($1.sent) }
  }

  func end() {
    bench.shared.stop()
    for thread in threads { pthread_join(thread, nil) }
    for memory in memories { memory.deallocate() }
  }
}

import CDataplane
import Datapath
import Explanation
import FlowLogs
import Glibc
import Live
import LockFree
import TableCompiler
import Tables

/// What a flow log costs: a live worker with and without notes of its packets, and the thread that
/// counts the notes by flow.
public struct FlowLogBenchmark {
  public var flows = 10_000
  public var runs = 5
  /// Turns of each in a run.
  public var turns = 25
  public var milliseconds = 20

  public init() {}

  /// Measures nanoseconds a packet of a worker without a flow log, with one, and what it adds; and
  /// million packets a second that a thread counts, when it does nothing else.
  ///
  /// Both workers stand there all the time and take turns; what is added is the median of the
  /// differences of neighbouring turns.
  ///
  /// - Throws: `TableCompilerError` when the model cannot be compiled, which is a defect.
  public func run() throws(TableCompilerError) -> [BenchmarkResult] {
    var workers = WorkersBenchmark()
    workers.flows = flows
    let setups = [
      try workers.start(workers: 1), try workers.start(workers: 1, notedPackets: 1 << 14),
    ]
    let reader = NoteReader(setups[1].bench)
    for setup in setups { _ = setup.turn(microseconds: 300_000) }
    reader.reset()
    var samples: [[Double]] = [[], [], [], []]
    for _ in 0..<runs {
      var times: [[Double]] = [[], []]
      for turn in 0..<turns {
        for index in turn % 2 == 0 ? [0, 1] : [1, 0] {
          let rate = setups[index].turn(microseconds: UInt32(milliseconds) * 1_000)
          times[index].append(rate > 0 ? 1_000 / rate : 0)
        }
      }
      let pairs = zip(times[1], times[0]).filter { $0 > 0 && $1 > 0 }.map { $0 - $1 }
      for index in 0..<2 { samples[index].append(Self.median(times[index])) }
      samples[2].append(Self.median(pairs))
      samples[3].append(reader.rate)
      reader.reset()
    }
    reader.stop()
    for setup in setups { setup.end() }
    let of = ["a worker without", "a worker with", "what it adds", "counted by the thread"]
    return of.indices.map { index in
      BenchmarkResult(
        name: "flow-log", unit: index == 3 ? "Mpps" : "ns a packet", samples: samples[index],
        parameters: [("of", of[index]), ("flows", "\(flows)"), ("turns", "\(turns)")])
    }
  }

  private static func median(_ samples: [Double]) -> Double {
    samples.isEmpty ? 0 : samples.sorted()[samples.count / 2]
  }
}

/// A thread that counts notes as the daemon's does.
private final class NoteReader: @unchecked Sendable {
  /// Word 0: stop; line 1: notes, and nanoseconds that they took.
  private let words = SharedMemory(lines: 2)
  private var thread = pthread_t()

  init(_ bench: LiveBenchmark) {
    let words = words
    thread = LiveBenchmark.thread(processor: 1) {
      var table = FlowLogTable(capacity: 1 << 18, isShared: true)
      while words.line(0).load() == 0 {
        let began = apus_monotonic_time()
        var count = 0
        while count < 4_096, Self.take(bench, &table) { count += 1 }
        if count == 0 {
          usleep(100)
          continue
        }
        words.line(1).add(UInt64(count))
        words.word(SharedMemory.wordsPerLine + 1).add(apus_monotonic_time() - began)
      }
    }
  }

  private static func take(_ bench: LiveBenchmark, _ table: inout FlowLogTable) -> Bool {
    let isTaken: Void? = bench.shared.notes(worker: 0)?.take { note, frame in
      guard let base = frame.baseAddress,
        var facts = FlowFacts(frame: base, length: frame.count)
      else { return }
      facts.countSegments(of: note.segmentSize)
      let outcome = Outcome(
        verdict: note.verdict, reason: note.reason, direction: note.direction, nic: note.nic,
        rule: note.rule, output: note.output)
      table.add(facts, outcome, receiver: note.output.nicIndex ?? .none, time: note.time) { _ in }
    }
    return isTaken != nil
  }

  /// Million notes in a second of work since the last reset.
  var rate: Double {
    let time = words.word(SharedMemory.wordsPerLine + 1).load()
    return time == 0 ? 0 : Double(words.line(1).load()) * 1_000 / Double(time)
  }

  func reset() {
    words.line(1).store(0)
    words.word(SharedMemory.wordsPerLine + 1).store(0)
  }

  func stop() {
    words.line(0).store(1)
    pthread_join(thread, nil)
    words.deallocate()
  }
}

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
  /// The workers stand there all the time and take turns; what is added is the median of the
  /// differences of neighbouring turns. While a worker is measured, its notes are read by a thread
  /// that does not count them, so that their ring is not full.
  ///
  /// - Throws: `TableCompilerError` when the model cannot be compiled, which is a defect.
  public func run() throws(TableCompilerError) -> [BenchmarkResult] {
    var workers = WorkersBenchmark()
    workers.flows = flows
    let setups = [
      try workers.start(workers: 1), try workers.start(workers: 1, notedPackets: 1 << 14),
      try workers.start(workers: 1, notedPackets: 1 << 14),
    ]
    let readers = [
      NoteReader(setups[1].bench, counts: false), NoteReader(setups[2].bench, counts: true),
    ]
    for setup in setups { _ = setup.turn(microseconds: 300_000) }
    for reader in readers { reader.reset() }
    var samples = [[Double]](repeating: [], count: 5)
    for _ in 0..<runs {
      var times: [[Double]] = [[], [], []]
      for turn in 0..<turns {
        for index in turn % 2 == 0 ? [0, 1, 2] : [2, 1, 0] {
          let rate = setups[index].turn(microseconds: UInt32(milliseconds) * 1_000)
          times[index].append(rate > 0 ? 1_000 / rate : 0)
        }
      }
      let pairs = zip(times[1], times[0]).filter { $0 > 0 && $1 > 0 }.map { $0 - $1 }
      for index in 0..<2 { samples[index].append(Self.median(times[index])) }
      samples[2].append(Self.median(pairs))
      samples[3].append(readers[0].share)
      samples[4].append(readers[1].rate)
      for reader in readers { reader.reset() }
    }
    for reader in readers { reader.stop() }
    for setup in setups { setup.end() }
    let of = [
      ("a worker without", "ns a packet"), ("a worker with", "ns a packet"),
      ("what it adds", "ns a packet"), ("noted meanwhile", "%"),
      ("counted by the thread", "Mpps"),
    ]
    return of.indices.map { index in
      BenchmarkResult(
        name: "flow-log", unit: of[index].1, samples: samples[index],
        parameters: [("of", of[index].0), ("flows", "\(flows)"), ("turns", "\(turns)")])
    }
  }

  private static func median(_ samples: [Double]) -> Double {
    samples.isEmpty ? 0 : samples.sorted()[samples.count / 2]
  }
}

/// A thread that reads notes, and counts them as the daemon's does.
private final class NoteReader: @unchecked Sendable {
  /// Word 0: stop; line 1: notes, and nanoseconds of its processor that they took.
  private let words = SharedMemory(lines: 2)
  private let bench: LiveBenchmark
  private var overrun: UInt64 = 0
  private var thread = pthread_t()

  init(_ bench: LiveBenchmark, counts: Bool) {
    self.bench = bench
    let words = words
    thread = LiveBenchmark.thread(processor: 1) {
      guard let notes = bench.shared.notes(worker: 0) else { return }
      var table = FlowLogTable(capacity: 1 << 18, isShared: true)
      while words.line(0).load() == 0 {
        let began = Self.time()
        var count = 0
        while count < 4_096, counts ? Self.count(notes, &table) : notes.take({ _, _ in }) != nil {
          count += 1
        }
        if count == 0 {
          usleep(100)
          continue
        }
        words.line(1).add(UInt64(count))
        words.word(SharedMemory.wordsPerLine + 1).add(Self.time() - began)
      }
    }
  }

  /// Of this thread alone.
  private static func time() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  private static func count(_ notes: PacketNotes, _ table: inout FlowLogTable) -> Bool {
    let isTaken: Void? = notes.take { note, frame in
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

  private var notes: UInt64 { words.line(1).load() }

  /// Million notes in a second of its processor since the last reset.
  var rate: Double {
    let time = words.word(SharedMemory.wordsPerLine + 1).load()
    return time == 0 ? 0 : Double(notes) * 1_000 / Double(time)
  }

  /// Percent of the packets since the last reset for which there was room.
  var share: Double {
    let missed = (bench.shared.notes(worker: 0)?.overrun ?? 0) - overrun
    return notes == 0 ? 0 : 100 * Double(notes) / Double(notes + missed)
  }

  func reset() {
    words.line(1).store(0)
    words.word(SharedMemory.wordsPerLine + 1).store(0)
    overrun = bench.shared.notes(worker: 0)?.overrun ?? 0
  }

  func stop() {
    words.line(0).store(1)
    pthread_join(thread, nil)
    words.deallocate()
  }
}

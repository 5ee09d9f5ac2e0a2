import CapturePort
import Dispatch
import TableCompiler
import VPCModel

extension Replay {
  /// Replays captures against two rule sets at once, and tells what differs.
  ///
  /// Each rule set has a processor of its own; the outcome does not depend on how many there are.
  /// Outputs that the options name, and the result, are those of `model`.
  ///
  /// - Parameters:
  ///   - model: today's rules.
  ///   - other: tomorrow's.
  ///   - options: inputs and outputs.
  ///   - observer: told every packet as `model` judges it.
  ///   - progress: called now and then.
  /// - Returns: what `run` returns for `model`, and the differences; both with what was judged
  ///   when an input or output failed on the way.
  /// - Throws: `ReplayError` when nothing could be begun.
  /// - Complexity: one chunk of records in memory, and each flow that differs.
  public static func compare(
    model: VPCModel, against other: VPCModel, options: ReplayOptions,
    observer: (any ReplayObserver)? = nil,
    progress: (ReplayProgress) -> Void = { _ in }
  ) throws(ReplayError) -> (result: ReplayResult, comparison: Comparison) {
    try checkFiles(options)
    var run = ComparisonRun(
      today: try ReplaySession(model: model, compiled: compile(model), options: options),
      tomorrow: try ReplaySession(
        model: other, compiled: compile(other), options: options.withoutOutputs),
      models: (model, other), options)
    if let observer { run.attach(observer) }
    return run.run(progress)
  }
}

extension ReplayOptions {
  /// The same inputs, judged for nothing but their outcomes.
  fileprivate var withoutOutputs: ReplayOptions {
    var options = ReplayOptions(captures: captures)
    options.filter = filter
    options.eni = eni
    options.atNIC = atNIC
    return options
  }
}

/// One of the two engines of a comparison. Only one thread at a time has it.
private final class Judge: @unchecked Sendable {
  var session: ReplaySession

  init(_ session: consuming ReplaySession) {
    self.session = session
    self.session.outcomes = []
  }

  /// Judges all records of a chunk.
  func judge(_ chunk: RecordChunk) {
    session.outcomes?.removeAll(keepingCapacity: true)
    for index in 0..<chunk.count {
      chunk.withRecord(index) { record, number in session.judge(record, number: number) }
    }
    session.finishBurst()
  }
}

/// Reads captures chunk by chunk, and has two engines judge each.
private struct ComparisonRun: ~Copyable, CaptureReading {
  private let judges: [Judge]
  let options: ReplayOptions
  private var builder: ComparisonBuilder

  init(
    today: consuming ReplaySession, tomorrow: consuming ReplaySession,
    models: (today: VPCModel, tomorrow: VPCModel), _ options: ReplayOptions
  ) {
    builder = ComparisonBuilder(
      models: models, names: (today.names, tomorrow.names), options: options)
    judges = [Judge(today), Judge(tomorrow)]
    self.options = options
  }

  func attach(_ observer: any ReplayObserver) { judges[0].session.attach(observer) }

  mutating func run(
    _ progress: (ReplayProgress) -> Void
  ) -> (result: ReplayResult, comparison: Comparison) {
    let start = monotonicSeconds()
    let failure = readAll(progress)
    var result = judges[0].session.finish(failure, since: start)
    let other = judges[1].session.finish(nil, since: start)
    result.failure = result.failure ?? other.failure
    return (result, builder.result(other.summary))
  }

  var hasFailed: Bool { judges[0].session.outputs.haveFailed }

  mutating func read(_ index: Int, progress: (UInt64, Double?) -> Void) throws(ReplayError) {
    for judge in judges { judge.session.begin(index) }
    let path = options.captures[index]
    var reader: CaptureReader
    do { reader = try CaptureReader(path: path, filter: options.filter) } catch {
      throw .capture(error)
    }
    var chunk = RecordChunk()
    var record = CaptureRecord()
    var accepted: UInt64 = 0
    while reader.next(&record) {
      accepted += 1
      chunk.append(record, number: accepted + reader.packetsPassedOver)
      guard chunk.isFull || path == "-" && !ReplaySession.inputIsWaiting() else { continue }
      judge(chunk, file: index)
      chunk.removeAll()
      if hasFailed { break }
      progress(judges[0].session.counters.packets, reader.fractionRead)
    }
    judge(chunk, file: index)
    judges[0].session.end(warning: reader.warning)
    judges[1].session.end(warning: nil)
  }

  private mutating func judge(_ chunk: RecordChunk, file: Int) {
    if chunk.count == 0 { return }
    let judges = judges
    DispatchQueue.concurrentPerform(iterations: judges.count) { judges[$0].judge(chunk) }
    guard let today = judges[0].session.outcomes, let tomorrow = judges[1].session.outcomes else {
      return
    }
    for index in 0..<chunk.count {
      builder.compare(today[index], tomorrow[index], chunk, index, file: file)
    }
  }
}

import CapturePort
import Glibc
import TableCompiler
import VPCModel

/// Runs captures through the engine in capture time.
public enum Replay {
  /// Replays captures against a model and writes the files that the options name.
  ///
  /// Every input is opened once before an output is created, so that a wrong name costs nothing.
  ///
  /// - Parameters:
  ///   - model: from the loader.
  ///   - options: inputs and outputs.
  ///   - progress: called now and then.
  /// - Returns: the counts; with `failure` set when an input or output failed on the way.
  /// - Throws: `ReplayError` when nothing could be begun.
  public static func run(
    model: VPCModel, options: ReplayOptions, progress: (ReplayProgress) -> Void = { _ in }
  ) throws(ReplayError) -> ReplayResult {
    try OutputPaths.check(options)
    for path in options.captures where path != "-" && FileIdentity(path: path)?.isStream != true {
      do { _ = try CaptureReader(path: path, filter: options.filter) } catch {
        throw .capture(error)
      }
    }
    let compiled: CompiledTables
    do { compiled = try TableCompiler.compile(model) } catch {
      throw .refused(why: "\(error)")
    }
    var session = try ReplaySession(model: model, compiled: compiled, options: options)
    return session.run(progress)
  }
}

extension ReplaySession {
  /// Reads all captures, completes the outputs, and sums up.
  mutating func run(_ progress: (ReplayProgress) -> Void) -> ReplayResult {
    let start = monotonicSeconds()
    let sizes = options.captures.map { FileIdentity(path: $0)?.size }
    let total = sizes.contains { $0 == nil } ? nil : sizes.reduce(0.0) { $0 + ($1 ?? 0) }
    var before = 0.0
    var failure: ReplayError?
    do throws(ReplayError) {
      for index in options.captures.indices {
        let size = sizes[index] ?? 0
        try read(index) { packets, part in
          let done = part.map { before + $0 * size }
          let fraction = total.flatMap { total in done.map { total > 0 ? $0 / total : 1 } }
          progress(ReplayProgress(packets: packets, fraction: fraction))
        }
        before += size
        if outputs.haveFailed { break }
      }
    } catch {
      failure = error
    }
    failure = outputs.close() ?? failure
    var summary = ReplaySummary(counters, names)
    summary.interfaces = interfaces()
    summary.seconds = monotonicSeconds() - start
    if normaliser.cutFrames > 0 {
      warnings.append(
        "\(normaliser.cutFrames) frames of more than \(FrameNormaliser.frameCapacity) bytes were "
          + "judged by their beginning")
    }
    if let defect { failure = .defect(defect) }
    if !summary.isConserved { failure = .defect("the verdicts do not add up to the packets") }
    return ReplayResult(
      summary: summary, warnings: warnings, explanations: explanations, failure: failure)
  }

  private func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

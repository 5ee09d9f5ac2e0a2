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
  ///   - observer: told every packet.
  ///   - progress: called now and then.
  /// - Returns: the counts; with `failure` set when an input or output failed on the way.
  /// - Throws: `ReplayError` when nothing could be begun.
  public static func run(
    model: VPCModel, options: ReplayOptions, observer: (any ReplayObserver)? = nil,
    progress: (ReplayProgress) -> Void = { _ in }
  ) throws(ReplayError) -> ReplayResult {
    try checkFiles(options)
    var session = try ReplaySession(model: model, compiled: compile(model), options: options)
    if let observer { session.attach(observer) }
    return session.run(progress)
  }

  /// Opens every input once.
  static func checkFiles(_ options: ReplayOptions) throws(ReplayError) {
    try OutputPaths.check(options)
    for path in options.captures where path != "-" && FileIdentity(path: path)?.isStream != true {
      do { _ = try CaptureReader(path: path, filter: options.filter) } catch {
        throw .capture(error)
      }
    }
  }

  static func compile(_ model: VPCModel) throws(ReplayError) -> CompiledTables {
    do { return try TableCompiler.compile(model) } catch { throw .refused(why: "\(error)") }
  }
}

/// What reads captures one by one, and judges their packets.
protocol CaptureReading: ~Copyable {
  var options: ReplayOptions { get }
  /// An output can take no more.
  var hasFailed: Bool { get }

  /// Reads one capture to its end.
  ///
  /// - Parameter progress: told the packets so far, and how much of the capture was read.
  mutating func read(_ index: Int, progress: (UInt64, Double?) -> Void) throws(ReplayError)
}

extension CaptureReading where Self: ~Copyable {
  /// Reads one capture after the other.
  ///
  /// - Returns: why one could not be read; those behind it are not then.
  mutating func readAll(_ progress: (ReplayProgress) -> Void) -> ReplayError? {
    let shares = CaptureShares(options.captures)
    do throws(ReplayError) {
      for index in options.captures.indices {
        try read(index) { packets, part in
          progress(ReplayProgress(packets: packets, fraction: shares.fraction(index, part)))
        }
        if hasFailed { break }
      }
    } catch {
      return error
    }
    return nil
  }
}

extension ReplaySession: CaptureReading {
  var hasFailed: Bool { outputs.haveFailed }

  /// Reads all captures, completes the outputs, and sums up.
  mutating func run(_ progress: (ReplayProgress) -> Void) -> ReplayResult {
    let start = monotonicSeconds()
    let failure = readAll(progress)
    return finish(failure, since: start)
  }

  /// Completes the outputs, and sums up.
  ///
  /// - Parameter start: by `monotonicSeconds`.
  mutating func finish(_ earlier: ReplayError?, since start: Double) -> ReplayResult {
    var failure = outputs.close() ?? earlier
    sample()
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
}

func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// How much of all captures each of them is, by its size.
struct CaptureShares {
  private let sizes: [Double?]

  init(_ paths: [String]) { sizes = paths.map { FileIdentity(path: $0)?.size } }

  /// How much of everything was read, from 0 to 1; nil when a size is not known.
  ///
  /// - Parameter part: of the file `index`.
  func fraction(_ index: Int, _ part: Double?) -> Double? {
    guard let part, !sizes.contains(where: { $0 == nil }) else { return nil }
    let known = sizes.map { $0 ?? 0 }
    let total = known.reduce(0, +)
    return total > 0 ? (known[..<index].reduce(0, +) + part * known[index]) / total : 1
  }
}

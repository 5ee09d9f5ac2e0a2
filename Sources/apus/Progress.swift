import Glibc
import Replay

/// A line on a terminal's standard error that tells how far a replay has come.
final class Progress {
  private let isShown: Bool
  private let start: Double
  private var last: Double

  init() {
    isShown = isatty(STDERR_FILENO) == 1
    start = Self.now()
    last = start
  }

  /// Renews the line, at most ten times a second.
  func show(_ progress: ReplayProgress) {
    guard isShown, let now = isDue() else { return }
    var line = "\r\u{1B}[K\(progress.packets) packets"
    line += ", \(UInt64(Double(progress.packets) / (now - start))) packets/s"
    if let fraction = progress.fraction { line += ", \(Int(fraction * 100)) %" }
    ErrorReport.write(line)
  }

  /// Renews the line for a part of something whose size is known, or nil.
  func show(_ what: String, _ part: UInt64, of all: UInt64?) {
    guard isShown, isDue() != nil else { return }
    let share = all.map { $0 == 0 ? "" : " \(part &* 100 / $0) %" } ?? " \(part) bytes"
    ErrorReport.write("\r\u{1B}[K\(what)\(share)")
  }

  /// The time, a tenth of a second after the last one at the earliest.
  private func isDue() -> Double? {
    let now = Self.now()
    guard now - last >= 0.1 else { return nil }
    last = now
    return now
  }

  /// Removes the line.
  func clear() {
    guard isShown, last > start else { return }
    ErrorReport.write("\r\u{1B}[K")
  }

  private static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

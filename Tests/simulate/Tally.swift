import Foundation
import Simulation

/// What was simulated so far, and when that was shown last.
struct Tally {
  private(set) var seeds: UInt64 = 0
  private(set) var packets = 0
  private let isTerminal = isatty(1) == 1
  private var lastShown = Date()

  mutating func add(_ result: Simulator.Result) {
    seeds += 1
    packets += result.frames
  }

  /// Twice a second on a terminal, in one line; elsewhere a line every minute.
  mutating func show(since start: Date) {
    guard Date().timeIntervalSince(lastShown) > (isTerminal ? 0.5 : 60) else { return }
    lastShown = Date()
    let line = "\(seeds) seeds, \(packets) packets, \(Int(lastShown.timeIntervalSince(start))) s"
    print(isTerminal ? "\r\(line)" : line, terminator: isTerminal ? "" : "\n")
    fflush(nil)
  }

  /// For the last line, which takes the place of the one that was shown.
  func line(since start: Date) -> String {
    let seconds = Int(Date().timeIntervalSince(start))
    return (isTerminal ? "\r" : "") + "\(seeds) seeds, \(packets) packets, \(seconds) s"
  }
}

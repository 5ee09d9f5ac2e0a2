import Foundation

/// A stream of pings from a namespace, and the times at which answers came: seen from outside of
/// whatever answers.
final class PingGaps: Sendable {
  private let ping: BackgroundProgram

  /// Milliseconds between two pings.
  static let interval = 2.0

  /// - Parameter log: gets the program's output.
  init(from namespace: Namespace, to address: String, log: URL) throws {
    let interval = String(format: "%.3f", Self.interval / 1000)
    ping = try BackgroundProgram(
      namespace.entry + ["stdbuf", "-oL", "ping", "-D", "-n", "-i", interval, address], log: log,
      seconds: 3600)
  }

  deinit { ping.signal(SIGKILL) }

  /// The times of all answers so far, in seconds as `now`.
  var answers: [Double] {
    ping.output.split(separator: "\n").compactMap { line in
      guard line.hasPrefix("["), line.contains("bytes from"), let end = line.firstIndex(of: "]")
      else { return nil }
      return Double(line[line.index(after: line.startIndex)..<end])
    }
  }

  /// How many were sent and answered, in ping's own words; after the end.
  var statistics: String {
    ping.output.split(separator: "\n").first { $0.contains("packets transmitted") }
      .map(String.init) ?? "unknown"
  }

  /// Pings before the last answered one that have no answer, of fewer than 65,536: those that were
  /// under way at the end are not lost.
  var lost: Int {
    let numbers = ping.output.split(separator: "\n").compactMap { line -> Int? in
      guard line.contains("bytes from"), let start = line.range(of: "icmp_seq=")?.upperBound
      else { return nil }
      return Int(line[start...].prefix { $0.isNumber })
    }
    return (numbers.max() ?? 0) - Set(numbers).count
  }

  static var now: Double { Date().timeIntervalSince1970 }

  /// Whether answers have come within the last half second.
  var isAnswered: Bool { (answers.last ?? 0) > Self.now - 0.5 }

  /// Ends the stream. Returns the times of all answers.
  func end() async -> [Double] {
    ping.signal(SIGINT)
    _ = try? await Waiting.until(seconds: 10) { !self.ping.isAlive }
    return answers
  }

  /// The longest time without an answer that touches an interval, in milliseconds.
  static func gap(in times: [Double], from start: Double, to end: Double) -> Double {
    let pairs = zip(times, times.dropFirst()).filter { $1 > start && $0 < end }
    return (pairs.map { $1 - $0 }.max() ?? .infinity) * 1000
  }
}

/// Median, 99th percentile and worst of some milliseconds.
struct GapSummary: CustomStringConvertible {
  let name: String
  let sorted: [Double]

  init(_ name: String, _ gaps: [Double]) {
    self.name = name
    sorted = gaps.sorted()
  }

  /// The value that this part of all does not exceed (nearest rank).
  func percentile(_ part: Double) -> Double {
    guard !sorted.isEmpty else { return .nan }
    return sorted[max(0, Int((part * Double(sorted.count)).rounded(.up)) - 1)]
  }

  var description: String {
    func text(_ value: Double) -> String { String(format: "%.1f", value) }
    return "\(name): \(sorted.count) times, median \(text(percentile(0.5))) ms, "
      + "p99 \(text(percentile(0.99))) ms, worst \(text(percentile(1))) ms"
  }

  /// Prints the line, and adds it to the file that APUS_RESTART_FIGURES names.
  func record() throws {
    print(self)
    guard let path = ProcessInfo.processInfo.environment["APUS_RESTART_FIGURES"] else { return }
    let before = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    try (before + "\(self)\n").write(toFile: path, atomically: true, encoding: .utf8)
  }
}

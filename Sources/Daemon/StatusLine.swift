import Glibc

/// A line on a terminal's standard error that tells how the host does, renewed each second.
struct StatusLine {
  private let isShown = isatty(STDERR_FILENO) == 1
  private var last: HostSample?

  /// Renews the line.
  mutating func show(_ sample: HostSample, guests: Int) {
    guard isShown else { return }
    defer { last = sample }
    guard let last else { return }
    Self.write("\r\u{1B}[K" + Self.text(sample, since: last, guests: guests))
  }

  /// Removes the line.
  func clear() {
    if isShown, last != nil { Self.write("\r\u{1B}[K") }
  }

  /// Such as `in 1.2M/s, out 1.2M/s, drops 3/s, 120 connections, 2 of 2 guests up`.
  ///
  /// - Parameters:
  ///   - last: the sample of about a second before.
  ///   - guests: how many there are.
  static func text(_ sample: HostSample, since last: HostSample, guests: Int) -> String {
    let seconds = max(1, sample.seconds - last.seconds)
    func rate(_ count: (HostSample) -> UInt64) -> String {
      short((count(sample) &- min(count(sample), count(last))) / seconds)
    }
    let received = rate { $0.ports.reduce(0) { $0 + $1.counters.receivedPackets } }
    let sent = rate { $0.ports.reduce(0) { $0 + $1.counters.sentPackets } }
    let drops = rate(\.drops)
    return "in \(received)/s, out \(sent)/s, drops \(drops)/s, "
      + "\(sample.connections) connections, \(sample.guestsUp) of \(guests) guests up"
  }

  /// A number in three digits or so.
  static func short(_ number: UInt64) -> String {
    switch number {
    case ..<10_000: "\(number)"
    case ..<1_000_000: "\(number / 1000)k"
    default: "\(number / 1_000_000).\(number / 100_000 % 10)M"
    }
  }

  private static func write(_ text: String) {
    let bytes = Array(text.utf8)
    _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
  }
}

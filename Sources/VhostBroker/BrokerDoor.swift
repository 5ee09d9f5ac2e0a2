import CFileDescriptors
import Glibc

/// Where the data plane has guests added and removed while others are served: a socket in the run
/// directory, which only the broker's user may enter.
///
/// A connection carries one line and its answer. `add eni=ENI,socket=PATH[,listens]`, `remove ENI`,
/// or `list`, whose answer has a line as after `add` for each guest; then `ok`, or `refused: WHY`.
struct BrokerDoor {
  /// Begins with a dot, which no interface's name does.
  static func path(in runDirectory: String) -> String { "\(runDirectory)/.broker.sock" }

  /// Milliseconds that a line may take.
  private static let patience: Int64 = 1000
  private static let longestLine = 1024

  let listener: Listener
  let stop: StopSignal
  /// Does what a line says, and gives the answer.
  let answer: @Sendable (_ line: String) -> String

  /// Serves one connection after the other until the stop signal.
  func run() {
    while true {
      var waited = [
        pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      if poll(&waited, 2, -1) < 0 { continue }
      if waited[0].revents != 0 { return }
      guard let connection = listener.accept(), let line = Self.line(from: connection.raw) else {
        continue
      }
      Self.write(answer(line) + "\n", to: connection.raw)
    }
  }

  /// The line that a connection brings; nil when it does not come in time.
  private static func line(from descriptor: Int32) -> String? {
    let end = Instant.now() + patience
    var text: [UInt8] = []
    while text.count < longestLine {
      var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&waited, 1, end.remaining) > 0 else { return nil }
      var bytes = [UInt8](repeating: 0, count: longestLine)
      let count = read(descriptor, &bytes, bytes.count)
      if count <= 0 { return nil }
      text += bytes[..<count]
      if let last = text.firstIndex(of: UInt8(ascii: "\n")) {
        return String(decoding: text[..<last], as: UTF8.self)
      }
    }
    return nil
  }

  /// Writes as much as is taken at once: an answer is short, but for the list of very many guests.
  private static func write(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    let end = Instant.now() + patience
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { apus_send(descriptor, $0.baseAddress, $0.count, nil, 0) }
      if count > 0 {
        rest = rest.dropFirst(count)
        continue
      }
      var waited = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      guard errno == EAGAIN, poll(&waited, 1, end.remaining) > 0 else { return }
    }
  }
}

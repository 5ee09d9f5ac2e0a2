import Foundation

/// The conversation with `scripts/lab/guest-agent` over the Unix socket of a serial port.
///
/// A command is a line `NUMBER SECONDS BASE64`, its answer a line `answer NUMBER STATUS BYTES` and
/// that many bytes of output. One command at a time; an answer that came too late is passed over.
final class GuestAgent: @unchecked Sendable {
  // The lock guards everything below; it is held for the whole of a command.
  private let lock = NSLock()
  private var descriptor: Int32 = -1
  private var received: [UInt8] = []
  private var number = 0

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Connects, and waits for the guest to say that it is ready.
  func connect(
    to path: String, seconds: Int, while isAlive: @escaping @Sendable () -> Bool
  ) async throws {
    try await Waiting.aside { [self] in
      try lock.withLock {
        let end = ContinuousClock.now + .seconds(seconds)
        while descriptor < 0 {
          descriptor = Self.open(path)
          guard isAlive(), ContinuousClock.now < end else {
            throw LabError(description: "QEMU does not listen on \(path)")
          }
          usleep(20_000)
        }
        while true {
          guard let line = try line(before: end) else {
            throw LabError(description: "the guest's agent is not there after \(seconds) s")
          }
          if line == "ready" { return }
        }
      }
    }
  }

  func run(_ command: String, timeout: Int) async throws -> Guest.Answer {
    try await Waiting.aside { [self] in
      try lock.withLock {
        number += 1
        let text = Data(command.utf8).base64EncodedString()
        try send("\(number) \(timeout) \(text)\n")
        // The guest's clock may run slower than ours, and the machine may be busy.
        let end = ContinuousClock.now + .seconds(2 * timeout + 60)
        while true {
          guard let line = try line(before: end) else {
            throw LabError(description: "no answer from the guest to: \(command)")
          }
          let words = line.split(separator: " ")
          guard words.count == 4, words[0] == "answer", let status = Int(words[2]),
            let count = Int(words[3]), let output = try bytes(count, before: end)
          else { throw LabError(description: "not an answer: \(line)") }
          if words[1] == "\(number)" {
            return Guest.Answer(status: status, output: String(decoding: output, as: UTF8.self))
          }
        }
      }
    }
  }

  private static func open(_ path: String) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    if connected == 0 { return descriptor }
    close(descriptor)
    return -1
  }

  private func send(_ text: String) throws {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let sent = rest.withUnsafeBytes {
        Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard sent > 0 else { throw LabError(description: "the guest is gone: errno \(errno)") }
      rest = rest.dropFirst(sent)
    }
  }

  /// The next line without its end; nil when it does not come in time.
  private func line(before end: ContinuousClock.Instant) throws -> String? {
    while true {
      if let newline = received.firstIndex(of: 10) {
        let line = String(decoding: received[..<newline], as: UTF8.self)
        received.removeFirst(newline + 1)
        return line
      }
      guard try receive(before: end) else { return nil }
    }
  }

  private func bytes(_ count: Int, before end: ContinuousClock.Instant) throws -> [UInt8]? {
    while received.count < count {
      guard try receive(before: end) else { return nil }
    }
    defer { received.removeFirst(count) }
    return Array(received.prefix(count))
  }

  /// Waits for more bytes; false when none came in time.
  private func receive(before end: ContinuousClock.Instant) throws -> Bool {
    let left = end - ContinuousClock.now
    guard left > .zero else { return false }
    var event = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    let milliseconds =
      left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
    guard poll(&event, 1, Int32(clamping: milliseconds)) > 0 else { return errno == EINTR }
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { throw LabError(description: "the guest is gone") }
    received += buffer.prefix(count)
    return true
  }
}

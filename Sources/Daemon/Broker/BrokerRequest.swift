import Glibc

/// What the data plane asks a broker that runs, at the socket in its run directory.
enum BrokerRequest {
  case list
  /// A guest as `BrokerPlan.Guest.text` has it.
  case add(String)
  /// The guest of a network interface.
  case remove(String)

  struct Answer {
    var lines: [String] = []
    /// nil when the broker has done it.
    var refusal: String?
  }

  /// Milliseconds that an answer may take.
  private static let patience: Int32 = 5_000

  private var line: String {
    switch self {
    case .list: "list\n"
    case .add(let guest): "add \(guest)\n"
    case .remove(let name): "remove \(name)\n"
    }
  }

  /// Asks the broker of a run directory and waits for its answer.
  func answer(in runDirectory: String) -> Answer {
    let descriptor = Self.connect("\(runDirectory)/.broker.sock")
    guard descriptor >= 0 else {
      return Answer(refusal: "it takes no requests: \(errorText(errno))")
    }
    defer { close(descriptor) }
    let bytes = Array(line.utf8)
    guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
      return Answer(refusal: "it takes no requests: \(errorText(errno))")
    }
    var text: [UInt8] = []
    while text.count < 1 << 20 {
      var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&waited, 1, Self.patience) > 0 else { return Answer(refusal: "no answer in time") }
      var chunk = [UInt8](repeating: 0, count: 4096)
      let count = read(descriptor, &chunk, chunk.count)
      if count <= 0 { break }
      text += chunk[..<count]
    }
    var lines = String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
    guard lines.popLast() == "ok" else {
      let last = text.isEmpty ? "no answer" : String(decoding: text, as: UTF8.self)
      return Answer(refusal: last.split(separator: "\n").last.map(String.init) ?? last)
    }
    return Answer(lines: lines)
  }

  private static func connect(_ path: String) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return -1 }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let room = MemoryLayout.size(ofValue: address.sun_path) - 1
    withUnsafeMutableBytes(of: &address.sun_path) {
      $0.copyBytes(from: Array(path.utf8.prefix(room)))
    }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, size) }
    }
    if result == 0 { return descriptor }
    let reason = errno
    close(descriptor)
    errno = reason
    return -1
  }
}

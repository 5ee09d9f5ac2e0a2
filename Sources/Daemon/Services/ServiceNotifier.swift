import Glibc

/// Tells a service manager that the daemon serves (sd_notify(3)).
enum ServiceNotifier {
  /// Sends a state such as `READY=1` to the socket that NOTIFY_SOCKET names.
  ///
  /// - Returns: false when nobody wants to know, or nobody listens.
  @discardableResult
  static func send(_ state: String) -> Bool {
    guard let path = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }) else { return false }
    return send(state, to: path)
  }

  /// - Parameter path: of a datagram socket; one that begins with `@` is of the abstract namespace
  ///   (unix(7)).
  static func send(_ state: String, to path: String) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(path.utf8)
    guard let first = bytes.first, first == 0x2F || first == 0x40,
      bytes.count < MemoryLayout.size(ofValue: address.sun_path)
    else { return false }
    let isAbstract = first == 0x40
    if isAbstract { bytes[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    // An abstract name counts as far as its length says, a path to its end.
    let length = MemoryLayout<sa_family_t>.size + bytes.count + (isAbstract ? 0 : 1)
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    let message = Array(state.utf8)
    let sent = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(
          descriptor, message, message.count, Int32(MSG_NOSIGNAL), $0, socklen_t(length))
      }
    }
    return sent == message.count
  }
}

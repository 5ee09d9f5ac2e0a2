import Glibc

/// What an `errno` value means, in the system's words.
func systemMessage(_ code: Int32) -> String {
  guard let message = strerror(code) else { return "error \(code)" }
  return String(cString: message)
}

/// Waits until a non-blocking descriptor (an inherited standard stream may be one) is ready.
func waitUntilReady(_ descriptor: Int32, _ events: Int32) {
  var request = pollfd(fd: descriptor, events: Int16(truncatingIfNeeded: events), revents: 0)
  _ = poll(&request, 1, -1)
}

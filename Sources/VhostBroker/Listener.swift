import CFileDescriptors
import Glibc

/// A Unix socket that listens at a path, and takes its file away in the end.
final class Listener: Sendable {
  let path: String
  private let socket: Descriptor

  /// Listens at a path. The file of a listener that is gone is replaced, that of a live one is not.
  /// - Throws: `BrokerError.socket` when something else is there or the path cannot be used.
  init(path: String) throws(BrokerError) {
    var raw = apus_unix_listen(path, 1)
    if raw < 0 && errno == EADDRINUSE && Self.isStale(path) {
      unlink(path)
      raw = apus_unix_listen(path, 1)
    }
    guard raw >= 0 else { throw .socket(path: path, code: errno) }
    self.path = path
    socket = Descriptor(raw)
  }

  deinit { unlink(path) }

  var descriptor: Int32 { socket.raw }

  /// The next connection; nil when there is none after all.
  func accept() -> Descriptor? {
    let raw = apus_unix_accept(socket.raw)
    return raw < 0 ? nil : Descriptor(raw)
  }

  /// A socket file at which nobody listens.
  private static func isStale(_ path: String) -> Bool {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return false }
    let probe = apus_unix_connect(path)
    if probe >= 0 {
      close(probe)
      return false
    }
    let isRefused = errno == ECONNREFUSED
    errno = EADDRINUSE
    return isRefused
  }
}

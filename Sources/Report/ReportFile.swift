import Glibc
import Replay

/// The file of a page: there whole or not at all.
public enum ReportFile {
  /// Tells before a long replay that its page could not be written.
  ///
  /// - Throws: `ReplayError.cannotWrite`.
  public static func check(_ path: String) throws(ReplayError) {
    if path == "-" { return }
    var status = stat()
    if stat(path, &status) == 0 {
      if status.st_mode & S_IFMT == S_IFDIR { throw failure(path, EISDIR) }
      if status.st_mode & S_IFMT != S_IFREG { return }
    }
    if access(folder(path), W_OK | X_OK) != 0 { throw failure(path, errno) }
  }

  /// Writes a page to a temporary file beside the path, and renames it.
  ///
  /// What is no regular file, such as a pipe, is written to as it is; a link is followed.
  ///
  /// - Parameter path: `-` is standard output.
  /// - Throws: `ReplayError.cannotWrite`; a file that was there is unchanged then.
  public static func write(_ text: String, to path: String) throws(ReplayError) {
    var status = stat()
    if path == "-" { return try write(text, STDOUT_FILENO, path) }
    if stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG {
      let descriptor = open(path, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw failure(path, errno) }
      defer { close(descriptor) }
      return try write(text, descriptor, path)
    }
    let target = resolved(path)
    var template = Array("\(target).XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw failure(path, errno) }
    do throws(ReplayError) {
      try write(text, descriptor, path)
      // A replaced file keeps its mode; a new one has what the user's mask leaves.
      let mask = umask(0)
      umask(mask)
      let mode = stat(target, &status) == 0 ? status.st_mode & 0o777 : 0o666 & ~mask
      guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0, rename(template, target) == 0
      else { throw failure(path, errno) }
    } catch {
      unlink(template)
      close(descriptor)
      throw error
    }
    close(descriptor)
  }

  private static func write(
    _ text: String, _ descriptor: Int32, _ path: String
  ) throws(ReplayError) {
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count {
      let written = bytes[start...].withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      if written < 0 && errno != EINTR { throw failure(path, errno) }
      start += max(0, written)
    }
  }

  private static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  private static func folder(_ path: String) -> String {
    let path = resolved(path)
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func failure(_ path: String, _ number: Int32) -> ReplayError {
    .cannotWrite(path: path, why: strerror(number).map { String(cString: $0) } ?? "\(number)")
  }
}

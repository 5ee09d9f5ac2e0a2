import Glibc

/// The one place for a data plane in a run directory: who serves holds a lock on
/// `data-plane.lock` there, and the file tells its process id. The kernel frees it with the
/// process, however that ends.
struct DataPlaneSeat: ~Copyable {
  private let descriptor: Int32

  /// Opens the file; nobody's place is taken by that.
  ///
  /// - Parameter runDirectory: made with mode 0700 when it is not there, and the folder above it.
  /// - Throws: a directory or file that cannot be used.
  init(runDirectory: String) throws(DaemonFailure) {
    if let slash = runDirectory.lastIndex(of: "/"), slash > runDirectory.startIndex {
      mkdir(String(runDirectory[..<slash]), 0o755)
    }
    mkdir(runDirectory, 0o700)
    let path = runDirectory + "/data-plane.lock"
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw DaemonFailure(
        .resource, what: path, why: "cannot be opened: \(errorText(errno))",
        advice: "see who owns it with 'ls -ld \(runDirectory)'")
    }
  }

  /// Closing gives the lock back as well.
  deinit { close(descriptor) }

  /// Takes the place as soon as it is free.
  ///
  /// - Returns: false when it was not within the time.
  func take(milliseconds: Int) -> Bool {
    let deadline = MonotonicClock.now() + UInt64(milliseconds) * 1_000_000
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      // The gap of a hand-over ends here, so it is looked at often.
      guard MonotonicClock.now() < deadline else { return false }
      usleep(200)
    }
    let text = Array("\(getpid())\n".utf8)
    return ftruncate(descriptor, 0) == 0
      && pwrite(descriptor, text, text.count, 0) == text.count
  }

  /// The process that was the last to take the place.
  var holder: Int32? {
    var text = [UInt8](repeating: 0, count: 16)
    let count = pread(descriptor, &text, text.count, 0)
    let digits = text[..<max(0, count)].prefix { (0x30...0x39).contains($0) }
    return Int32(String(decoding: digits, as: UTF8.self)).flatMap { $0 > 0 ? $0 : nil }
  }
}

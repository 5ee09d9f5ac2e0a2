import Glibc

/// A call of the system that failed on a flow log's file.
struct FlowLogFailure: Error, Equatable {
  /// What was to be done, such as `create`.
  var what: String
  var code: Int32

  init(_ what: String, _ code: Int32) {
    self.what = what
    self.code = code
  }
}

/// The directory of flow logs: names of files, which of them are there, and what a crash left.
///
/// `flowlog_20261123T0530Z_0000.log.gz` has records of the interval that began at that minute
/// (UTC), so that the order of names is that of time. Until it is whole its name ends with `.tmp`,
/// and the process that writes it holds a lock on it (flock(2)).
final class FlowLogFolder: Sendable {
  struct File: Equatable {
    var name: String
    var bytes: Int
  }

  static let prefix = "flowlog_"
  static let unfinished = ".tmp"

  let path: String
  private let descriptor: Int32

  /// - Throws: what is no directory, a symbolic link, or writable by everybody.
  init(_ path: String) throws(DaemonFailure) {
    self.path = path
    descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else {
      let code = errno
      throw Self.failure(
        path, "cannot be opened: \(errorText(code))",
        code == ENOENT ? "make it with 'install -d -m 0750 \(path)'" : "it must be a directory")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IWOTH == 0 else {
      throw Self.failure(path, "everybody may write to it", "'chmod o-w \(path)'")
    }
    guard faccessat(descriptor, ".", W_OK | X_OK, AT_EACCESS) == 0 else {
      throw Self.failure(
        path, "cannot be written: \(errorText(errno))", "see who owns it with 'ls -ld \(path)'")
    }
  }

  deinit { Glibc.close(descriptor) }

  private static func failure(_ path: String, _ why: String, _ advice: String) -> DaemonFailure {
    DaemonFailure(.resource, what: "flow log \(path)", why: why, advice: advice)
  }

  // MARK: Names

  /// - Parameters:
  ///   - start: nanoseconds since 1970 of the interval's beginning.
  ///   - number: of the file among those of its interval.
  static func name(start: UInt64, number: Int, isCompressed: Bool) -> String {
    var seconds = time_t(start / 1_000_000_000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    let date =
      digits(Int(parts.tm_year) + 1_900, 4) + digits(Int(parts.tm_mon) + 1, 2)
      + digits(Int(parts.tm_mday), 2)
    let minute = digits(Int(parts.tm_hour), 2) + digits(Int(parts.tm_min), 2)
    let suffix = isCompressed ? ".log.gz" : ".log"
    return "\(prefix)\(date)T\(minute)Z_\(digits(number, 4))\(suffix)"
  }

  private static func digits(_ number: Int, _ count: Int) -> String {
    let text = "\(number)"
    return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
  }

  /// Nanoseconds since 1970 of the minute that a name tells; nil for a name that is not ours.
  static func start(of name: String) -> UInt64? {
    let bytes = Array(name.utf8)
    // flowlog_ YYYYMMDD T HHMM Z _ NNNN .log
    guard name.hasPrefix(prefix), bytes.count >= 31, bytes[16] == 0x54, bytes[21] == 0x5A,
      bytes[22] == 0x5F
    else { return nil }
    func number(_ first: Int, _ count: Int) -> Int32? {
      let digits = bytes[first..<first + count]
      guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      return digits.reduce(0) { $0 * 10 + Int32($1 - 0x30) }
    }
    guard let year = number(8, 4), let month = number(12, 2), let day = number(14, 2),
      let hour = number(17, 2), let minute = number(19, 2), number(23, 4) != nil
    else { return nil }
    var parts = tm()
    parts.tm_year = year - 1_900
    parts.tm_mon = month - 1
    parts.tm_mday = day
    parts.tm_hour = hour
    parts.tm_min = minute
    let seconds = timegm(&parts)
    return seconds < 0 ? nil : UInt64(seconds) * 1_000_000_000
  }

  // MARK: Files

  /// Makes a file of a name that nobody has, under its unfinished name, and locks it.
  ///
  /// - Returns: its descriptor and its name when it is whole.
  func create(
    start: UInt64, isCompressed: Bool
  ) throws(FlowLogFailure) -> (descriptor: Int32, name: String) {
    for number in 0..<10_000 {
      let name = Self.name(start: start, number: number, isCompressed: isCompressed)
      if isThere(name) { continue }
      let file = openat(
        descriptor, name + Self.unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
        0o640)
      if file < 0 && errno == EEXIST { continue }
      if file < 0 { throw FlowLogFailure("create \(name)", errno) }
      // Whoever had the name before may have finished its file just now.
      guard !isThere(name), flock(file, LOCK_EX | LOCK_NB) == 0 else {
        discard(name)
        Glibc.close(file)
        continue
      }
      // The mode that the process masks does not count.
      fchmod(file, 0o640)
      return (file, name)
    }
    throw FlowLogFailure("name another file of the interval", EEXIST)
  }

  private func isThere(_ name: String) -> Bool {
    faccessat(descriptor, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0
  }

  /// Gives a whole file its name.
  func finish(_ name: String) throws(FlowLogFailure) {
    guard renameat(descriptor, name + Self.unfinished, descriptor, name) == 0 else {
      throw FlowLogFailure("rename \(name)", errno)
    }
    // The name is to outlive a loss of power; a file system without that has it all the same.
    fsync(descriptor)
  }

  /// Removes an unfinished file.
  func discard(_ name: String) { unlinkat(descriptor, name + Self.unfinished, 0) }

  /// Removes a whole file.
  func remove(_ name: String) throws(FlowLogFailure) {
    if unlinkat(descriptor, name, 0) != 0 && errno != ENOENT {
      throw FlowLogFailure("remove \(name)", errno)
    }
  }

  /// Whole files by name, oldest first.
  func files() -> [File] {
    names().filter { $0.hasSuffix(".log") || $0.hasSuffix(".log.gz") }.compactMap { name in
      var status = stat()
      guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
        status.st_mode & S_IFMT == S_IFREG
      else { return nil }
      return File(name: name, bytes: Int(status.st_size))
    }
  }

  /// Unfinished files that nobody writes any more, by the names that they would have got.
  func leftovers() -> [String] {
    names().filter { $0.hasSuffix(Self.unfinished) }.compactMap { name in
      let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
      guard file >= 0 else { return nil }
      defer { Glibc.close(file) }
      return flock(file, LOCK_EX | LOCK_NB) == 0
        ? String(name.dropLast(Self.unfinished.utf8.count)) : nil
    }
  }

  /// Names of ours, in order.
  private func names() -> [String] {
    // A descriptor of its own: a directory stream owns the one that it reads.
    let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard copy >= 0, let directory = fdopendir(copy) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { place in
        place.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if Self.start(of: name) != nil { names.append(name) }
    }
    return names.sorted()
  }
}

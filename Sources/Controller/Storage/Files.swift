import Glibc

/// Calls of the file system that the state directory needs.
enum Files {
  /// Makes a directory for its owner only; one that is there must be the owner's own.
  static func makePrivateDirectory(_ path: String) throws(StorageError) {
    let what = "the state directory \(path) cannot be used"
    if mkdir(path, 0o700) != 0 && errno != EEXIST { throw StorageError(what, errno: errno) }
    var status = stat()
    guard stat(path, &status) == 0 else { throw StorageError(what, errno: errno) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw StorageError(what, why: "it is not a directory")
    }
    guard status.st_uid == geteuid() else {
      throw StorageError(what, why: "it belongs to another user")
    }
    if chmod(path, 0o700) != 0 { throw StorageError(what, errno: errno) }
  }

  /// Flushes a file or directory to the disk.
  static func synchronize(_ path: String) throws(StorageError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw StorageError("\(path) cannot be opened", errno: errno) }
    defer { close(descriptor) }
    if fsync(descriptor) != 0 { throw StorageError("\(path) cannot be flushed", errno: errno) }
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  static func isEmpty(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_size == 0
  }

  /// Gives a file a name that says it is damaged; it stays for who wants to look at it.
  ///
  /// - Returns: the new name.
  static func moveAside(_ path: String, companions: [String]) throws(StorageError) -> String {
    var number = 1
    while exists("\(path).damaged-\(number)") { number += 1 }
    for suffix in companions where exists(path + suffix) {
      _ = rename(path + suffix, "\(path).damaged-\(number)\(suffix)")
    }
    guard rename(path, "\(path).damaged-\(number)") == 0 else {
      throw StorageError("\(path) cannot be moved aside", errno: errno)
    }
    return "\(path).damaged-\(number)"
  }

  /// The names in a directory, sorted.
  static func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { start in
        start.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Nanoseconds since 1970.
  static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

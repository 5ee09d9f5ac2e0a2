import Glibc

/// The file of a Unix socket, and the directory that it is in.
enum SocketFile {
  /// Makes the directory, only for this user, or checks that nobody else can put files there.
  static func prepareDirectory(of path: String) throws(ServerError) {
    let directory = directory(of: path)
    if mkdir(directory, 0o700) != 0 && errno != EEXIST {
      throw .socket(
        path: path, why: "\(directory) cannot be made: \(text(errno))",
        advice: "make it: install -d -m 0700 \(directory)")
    }
    var status = stat()
    guard stat(directory, &status) == 0 else {
      throw .socket(
        path: path, why: "\(directory) cannot be read: \(text(errno))", advice: "check the path")
    }
    let isOwn = status.st_uid == geteuid() || status.st_uid == 0
    guard isOwn, status.st_mode & 0o022 == 0 else {
      throw .socket(
        path: path, why: "others may write to \(directory), and so take the socket's place",
        advice: "chown \(geteuid()) \(directory) && chmod 0700 \(directory)")
    }
  }

  /// Gives a bound socket its mode and its place, instead of what is there.
  static func put(_ temporary: String, at path: String) throws(ServerError) {
    guard chmod(temporary, 0o660) == 0, rename(temporary, path) == 0 else {
      let why = text(errno)
      unlink(temporary)
      throw .socket(path: path, why: why, advice: "check the path, and whether a folder is there")
    }
  }

  /// What tells this file from a later one of the same name.
  static func identity(of path: String) -> UInt? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_ino : nil
  }

  /// Removes a socket unless another server has put its own there.
  static func remove(_ path: String, ifStill identity: UInt?) {
    if let identity, identity == Self.identity(of: path) { unlink(path) }
  }

  private static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}

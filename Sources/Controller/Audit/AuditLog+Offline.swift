import GRDB
import Glibc

/// Why an audit log cannot be checked at all.
public struct AuditUnreadable: Error, Sendable, Equatable {
  /// The file or directory.
  public var what: String
  public var why: String
  public var advice: String
}

extension AuditLog {
  /// Checks an audit log without the daemon that writes it, which may run or not. Opens files for
  /// reading only, and makes none: it may be a copy on a disk that nobody may write to.
  ///
  /// - Parameter path: a state directory; the folder of audit files in it, or a copy of that; or
  ///   one audit file, of which everything before its first record is taken as given. Only a state
  ///   directory says where the log ends.
  /// - Throws: what cannot be read.
  /// - Complexity: O(n) in the size of the log.
  public static func verify(path: String) throws(AuditUnreadable) -> AuditReport {
    let log = try AuditFiles(path)
    // Read first: what is appended meanwhile comes after it.
    let (known, unreadable) = log.store.map(StoredHead.read) ?? (nil, nil)
    var check = ChainCheck(known: known, start: log.start)
    if let unreadable {
      check.begin("state.sqlite")
      check.fail(0, "the end of the log that it knows cannot be read: \(unreadable)")
    }
    for file in log.files {
      check.begin(file)
      let path = "\(log.directory)/\(file)"
      do throws(StorageError) {
        let rest = try AuditReader.lines(of: path) { check.read($0, $1) }
        if rest > 0, file != log.files.last || !AuditFiles.isWritten(path) {
          check.fail(0, "ends with \(rest) bytes of a record that is not whole")
        }
      } catch {
        throw AuditUnreadable(
          what: error.what, why: error.why, advice: "audit files are their owner's only to read")
      }
    }
    return check.finish()
  }
}

/// The files of a log that someone names.
private struct AuditFiles {
  let directory: String
  let files: [String]
  /// The database that knows the log's end, if there is one.
  var store: String?
  /// The number of the first record: nil for that which a single file begins with.
  var start: UInt64? = 1

  init(_ path: String) throws(AuditUnreadable) {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    let advice = "name a state directory, its audit folder, or an audit file"
    guard let kind = Self.kind(path) else {
      throw AuditUnreadable(what: path, why: String(cString: strerror(errno)), advice: advice)
    }
    guard kind == S_IFDIR else {
      let slash = path.lastIndex(of: "/")
      directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
      files = [slash.map { String(path[path.index(after: $0)...]) } ?? path]
      start = files[0].wholeMatch(of: /audit-(\d{1,20})\.jsonl/).flatMap { UInt64($0.1) }
      return
    }
    let database = path + "/state.sqlite"
    let isState = Self.kind(database) != nil || Self.kind(path + "/audit") == S_IFDIR
    directory = isState ? path + "/audit" : path
    if Self.kind(database) != nil { store = database }
    guard access(path, R_OK | X_OK) == 0,
      Self.kind(directory) == nil || access(directory, R_OK | X_OK) == 0
    else {
      throw AuditUnreadable(
        what: directory, why: String(cString: strerror(errno)),
        advice: "state directories are their owner's only to read")
    }
    files = AuditReader.files(directory)
    if files.isEmpty && !isState {
      throw AuditUnreadable(what: path, why: "there is no audit log in it", advice: advice)
    }
  }

  private static func kind(_ path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
  }

  /// Whether a file whose last record is not whole gets the rest of it within a second: a daemon is
  /// writing it.
  static func isWritten(_ path: String) -> Bool {
    for _ in 0..<20 {
      usleep(50_000)
      let end = try? AuditReader.end(of: path)
      if end?.tornBytes == 0 { return true }
    }
    return false
  }
}

/// The end of an audit log as a database knows it that is not to be touched.
private enum StoredHead {
  /// - Parameter path: the database; maybe in use, or left by a process that was killed.
  static func read(_ path: String) -> (AuditHead?, unreadable: String?) {
    // A write-ahead log that is in use has an index beside it, of which SQLite reads and writes
    // nothing (`readonly_shm`). Without one, making it is what must not be: the database by itself
    // (`immutable`) then says where the log ended some changes ago.
    // https://sqlite.org/wal.html#readonly, https://sqlite.org/c3ref/open.html
    if !Files.isEmpty(path + "-wal"), Files.exists(path + "-wal"),
      let head = try? head(of: path, "mode=ro&readonly_shm=1")
    {
      return (head, nil)
    }
    do {
      return (try head(of: path, "mode=ro&immutable=1"), nil)
    } catch {
      return (nil, StorageError("", error).why)
    }
  }

  private static func head(of path: String, _ options: String) throws -> AuditHead {
    var configuration = Configuration()
    configuration.readonly = true
    // What has a meaning in an address is written as its number.
    let plain = path.utf8.map { byte in
      let isPlain =
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
        || (0x61...0x7A).contains(byte) || "/._-".utf8.contains(byte)
      let digits = String(byte, radix: 16, uppercase: true)
      return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + digits
    }.joined()
    let database = try DatabaseQueue(path: "file:\(plain)?\(options)", configuration: configuration)
    let row = try database.read {
      try Row.fetchOne($0, sql: "SELECT sequence, hash FROM audit")
    }
    guard let row, let sequence = row["sequence"] as Int64?, let hash = row["hash"] as String?
    else { throw StorageError("the end of the log", why: "it is not there") }
    return AuditHead(sequence: UInt64(max(0, sequence)), hash: hash)
  }
}

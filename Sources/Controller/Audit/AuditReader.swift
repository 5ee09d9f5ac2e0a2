import Glibc

/// Reads audit files line by line.
enum AuditReader {
  /// A record longer than this is none of ours.
  static let longestLine = 1 << 20

  /// Names of the files, in the order of their records.
  static func files(_ directory: String) -> [String] {
    Files.names(in: directory).filter { $0.hasPrefix("audit-") && $0.hasSuffix(".jsonl") }
  }

  /// Calls `body` with the bytes of each line, without its end, and its number from 1.
  ///
  /// - Returns: the bytes after the last end of a line.
  static func lines(
    of path: String, _ body: (ArraySlice<UInt8>, Int) -> Void
  ) throws(StorageError) -> Int {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw StorageError("\(path) cannot be opened", errno: errno) }
    defer { close(descriptor) }
    var chunk = [UInt8](repeating: 0, count: 1 << 18)
    var rest: [UInt8] = []
    var number = 0
    while true {
      let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw StorageError("\(path) cannot be read", errno: errno) }
      if count == 0 { return rest.count }
      rest += chunk[..<count]
      var start = rest.startIndex
      while let end = rest[start...].firstIndex(of: 0x0A) {
        number += 1
        body(rest[start..<end], number)
        start = end + 1
      }
      rest.removeSubrange(..<start)
      if rest.count > longestLine {
        throw StorageError("\(path) cannot be read", why: "line \(number + 1) is too long")
      }
    }
  }

  struct End {
    /// The last record; nil when there is none.
    var last: AuditLine?
    var wholeBytes = 0
    /// Bytes after the last whole record.
    var tornBytes = 0
  }

  /// The last record of a file.
  static func end(of path: String) throws(StorageError) -> End {
    var end = End()
    var last: [UInt8] = []
    end.tornBytes = try lines(of: path) { line, _ in
      end.wholeBytes += line.count + 1
      last = Array(line)
    }
    end.last = AuditLine(last)
    return end
  }
}

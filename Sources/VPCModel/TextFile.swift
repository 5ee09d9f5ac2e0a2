import Glibc

/// Why a file could not be read as text.
struct TextFileError: Error {
  var line: Int
  var reason: String
}

enum TextFile {
  /// Reads a whole file that must be UTF-8.
  static func read(_ path: String) throws(TextFileError) -> String {
    let bytes = try readBytes(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw TextFileError(line: lineOfDamage(bytes), reason: "is not UTF-8 text")
    }
    return text
  }

  private static func readBytes(_ path: String) throws(TextFileError) -> [UInt8] {
    guard let file = fopen(path, "r") else { throw cannotRead(errno) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      bytes.append(contentsOf: chunk[..<count])
      if count < chunk.count { break }
    }
    if ferror(file) != 0 { throw cannotRead(errno) }
    return bytes
  }

  private static func cannotRead(_ code: Int32) -> TextFileError {
    TextFileError(line: 1, reason: "cannot be read: \(String(cString: strerror(code)))")
  }

  /// The line of the first byte that is not UTF-8: there repaired text first differs from it.
  private static func lineOfDamage(_ bytes: [UInt8]) -> Int {
    var line = 1
    for (byte, repaired) in zip(bytes, String(decoding: bytes, as: UTF8.self).utf8) {
      if byte != repaired { break }
      if byte == 0x0A { line += 1 }
    }
    return line
  }
}

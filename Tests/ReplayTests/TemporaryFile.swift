import Glibc

/// A file that is removed with its object.
final class TemporaryFile {
  let path: String

  init(_ contents: [UInt8] = []) {
    var template = Array("/tmp/apus-replay-tests-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    precondition(descriptor >= 0, "the system refused a temporary file")
    let count = contents.isEmpty ? 0 : write(descriptor, contents, contents.count)
    precondition(count == contents.count)
    close(descriptor)
    path = template.withUnsafeBufferPointer { characters in
      characters.baseAddress.map { String(cString: $0) } ?? ""
    }
  }

  deinit { unlink(path) }

  /// The file's bytes as text.
  var text: String { String(decoding: Self.bytes(path), as: UTF8.self) }

  static func bytes(_ path: String) -> [UInt8] {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = read(descriptor, &piece, piece.count)
      if count <= 0 { return bytes }
      bytes += piece[..<count]
    }
  }
}

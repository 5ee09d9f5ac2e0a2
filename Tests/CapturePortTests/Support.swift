import CapturePort
import Glibc

/// A file in the temporary directory that goes away with this object.
final class TemporaryFile {
  let path: String

  init(_ bytes: [UInt8]? = nil) {
    var template = Array("/tmp/apus-capture-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    path = String(
      decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    close(descriptor)
    if let bytes { contents = bytes }
  }

  deinit { unlink(path) }

  var contents: [UInt8] {
    get { fileContents(path) ?? [] }
    set {
      let descriptor = open(path, O_WRONLY | O_TRUNC)
      defer { close(descriptor) }
      writeAll(descriptor, newValue)
    }
  }
}

func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) {
  var left = bytes[...]
  while !left.isEmpty {
    let count = left.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    guard count > 0 else { return }
    left = left.dropFirst(count)
  }
}

func fileContents(_ path: String) -> [UInt8]? {
  let descriptor = open(path, O_RDONLY)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var contents: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = read(descriptor, &piece, piece.count)
    guard count > 0 else { return contents }
    contents += piece.prefix(count)
  }
}

/// A record that outlives its reader.
struct Copied: Equatable {
  var bytes: [UInt8]
  var originalLength: Int
  var time: UInt64
  var linkType: UInt16 = 1
  var interface = 0

  init(_ record: CaptureRecord) {
    bytes = Array(record.buffer)
    originalLength = record.originalLength
    time = record.time
    linkType = record.linkType
    interface = record.interface
  }

  init(_ bytes: [UInt8], time: UInt64, originalLength: Int? = nil) {
    self.bytes = bytes
    self.originalLength = originalLength ?? bytes.count
    self.time = time
  }
}

struct Everything {
  var records: [Copied] = []
  var warning: String?
  var interfaces: [CaptureInterface] = []
  var bytesRead: UInt64 = 0
  var byteCount: UInt64?
}

func readAll(path: String, filter: String? = nil) throws(CaptureError) -> Everything {
  var reader = try CaptureReader(path: path, filter: filter)
  var everything = Everything()
  var record = CaptureRecord()
  while reader.next(&record) { everything.records.append(Copied(record)) }
  // The end is final.
  if reader.next(&record) { everything.records.append(Copied(record)) }
  everything.warning = reader.warning
  everything.interfaces = reader.interfaces
  everything.bytesRead = reader.bytesRead
  everything.byteCount = reader.byteCount
  return everything
}

func readAll(_ bytes: [UInt8], filter: String? = nil) throws(CaptureError) -> Everything {
  try readAll(TemporaryFile(bytes), filter: filter)
}

/// Keeps the file until it is read; the object alone may go after the last use of its path.
func readAll(_ file: TemporaryFile, filter: String? = nil) throws(CaptureError) -> Everything {
  defer { withExtendedLifetime(file) {} }
  return try readAll(path: file.path, filter: filter)
}

import CMemoryFile
import CapturePort
import FuzzSupport
import Glibc

extension FuzzTarget {
  /// Capture files, pcap and pcapng, also inside gzip: every byte of every record that is returned
  /// can be read, and reading ends.
  public static let capture = FuzzTarget("capture", maximumLength: 2_048) {
    let file = MemoryFile()
    return { input in
      guard file.set(input) else { return nil }
      return CaptureTarget.read(file.path)
    }
  }
}

enum CaptureTarget {
  static func read(_ path: String) -> String? {
    var reader: CaptureReader
    do { reader = try CaptureReader(path: path) } catch { return nil }
    var record = CaptureRecord()
    var sum: UInt8 = 0
    // A compressed record of a few bytes costs less than one of the input.
    for _ in 0..<100_000 {
      guard reader.next(&record) else { break }
      for byte in UnsafeRawBufferPointer(start: record.bytes, count: record.capturedLength) {
        sum ^= byte
      }
      if record.capturedLength > CaptureReader.longestPacket { return "a record too long" }
    }
    // So that reading is not left out.
    if sum == 0 && record.capturedLength < 0 { return "a negative length" }
    return nil
  }
}

/// A file in memory, for what reads files by their names.
final class MemoryFile: @unchecked Sendable {
  private let descriptor: Int32

  init() { descriptor = apus_memory_file() }

  deinit { close(descriptor) }

  var path: String { "/proc/self/fd/\(descriptor)" }

  /// Replaces the content.
  func set(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard descriptor >= 0, ftruncate(descriptor, 0) == 0 else { return false }
    return bytes.isEmpty || pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count
  }
}

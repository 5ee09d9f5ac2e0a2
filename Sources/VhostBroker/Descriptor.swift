import CFileDescriptors
import Glibc

/// An open file descriptor, closed with its last reference: nothing that drops a message, a record
/// or a session can forget one.
package final class Descriptor: Sendable {
  let raw: Int32

  /// Takes over an open descriptor.
  package init(_ raw: Int32) { self.raw = raw }

  deinit { close(raw) }

  /// An event descriptor (eventfd(2)): notifications must be nothing else, for a write to a full
  /// pipe would block its writer.
  var isEvent: Bool {
    var text = [CChar](repeating: 0, count: 64)
    let length = readlink("/proc/self/fd/\(raw)", &text, text.count)
    guard length > 0 else { return false }
    let name = text[..<length].map(UInt8.init(bitPattern:))
    return String(decoding: name, as: UTF8.self) == "anon_inode:[eventfd]"
  }

  /// The size in bytes of a regular file (memory files and files of huge pages are that); nil for
  /// anything else.
  var fileSize: UInt64? {
    var status = stat()
    guard fstat(raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return UInt64(exactly: status.st_size)
  }
}

/// Milliseconds of the monotonic clock.
struct Instant: Comparable {
  var milliseconds: Int64

  static func now() -> Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
  }

  static func < (left: Instant, right: Instant) -> Bool { left.milliseconds < right.milliseconds }

  static func + (instant: Instant, milliseconds: Int64) -> Instant {
    Instant(milliseconds: instant.milliseconds + milliseconds)
  }

  /// Until then from now, as poll(2) wants it: at least 0; rounded up, so that no loop spins.
  var remaining: Int32 {
    let left = milliseconds - Instant.now().milliseconds
    return Int32(clamping: max(0, left == 0 ? 0 : left + 1))
  }
}

/// Tells all sessions to end: readable for good once it is set.
struct StopSignal: Sendable {
  private let event: Descriptor

  /// nil when the process has no descriptors left.
  init?() {
    let raw = apus_event_open()
    if raw < 0 { return nil }
    event = Descriptor(raw)
  }

  var descriptor: Int32 { event.raw }

  func set() { _ = apus_event_signal(event.raw) }
}

import CDPDK
import Foundation
import Testing

/// Signals to guests: `eventfd_write` as rte_vhost finds it, with the kernel's own signals.
@Suite(.serialized) struct EventTests {
  /// Contexts of asynchronous operations that the process has.
  ///
  /// The file says that it has no bytes, which is believed by those who read it whole.
  private static func contexts() throws -> Int {
    let file = try #require(FileHandle(forReadingAtPath: "/proc/self/maps"))
    var text: [UInt8] = []
    while let part = try file.read(upToCount: 1 << 16), !part.isEmpty { text += part }
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
    #expect(lines.count > 10)
    return lines.count { $0.contains("[aio]") }
  }

  /// What a thread found, once it has ended.
  private final class Found: @unchecked Sendable {
    var contexts = 0
    var result: Int32 = -1
  }

  /// The system has 65,536 operations for all processes; each thread took 128 and kept them, 12 KB
  /// of memory with them, so that a host on which guests came and went had none left after hours.
  @Test func threadsThatEndLeaveNoOperationsBehind() throws {
    apus_guard_memory()
    let event = eventfd(0, O_NONBLOCK)
    try #require(event >= 0)
    defer { close(event) }
    let before = try Self.contexts()
    for _ in 0..<8 {
      let found = Found()
      let thread = Thread {
        found.result = eventfd_write(event, 1)
        found.contexts = (try? Self.contexts()) ?? 0
      }
      thread.start()
      while !thread.isFinished { usleep(1_000) }
      #expect(found.result == 0)
      #expect(found.contexts > before, "the kernel signals for the thread")
    }
    var count: eventfd_t = 0
    #expect(eventfd_read(event, &count) == 0 && count == 8)
    // A thread is finished a little before its end.
    var waits = 0
    while try Self.contexts() > before, waits < 1_000 {
      usleep(1_000)
      waits += 1
    }
    #expect(try Self.contexts() == before)
  }
}

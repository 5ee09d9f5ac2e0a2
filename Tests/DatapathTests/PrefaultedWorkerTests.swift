import Datapath
import Glibc
import Testing

/// An engine whose memory is backed before packets come.
@Suite struct PrefaultedWorkerTests {
  /// Pages of this process that are in memory, in bytes.
  private static func residentBytes() throws -> Int {
    let file = try #require(fopen("/proc/self/statm", "r"))
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 200)
    _ = try #require(fgets(&text, 200, file))
    let words = String(decoding: text.prefix { $0 != 0 }.map { UInt8($0) }, as: UTF8.self)
      .split(separator: " ")
    return try #require(Int(words[1])) * 4_096
  }

  @Test func tablesAreInMemoryAndEmpty() throws {
    let worker = Worker(
      configuration: WorkerConfiguration(flowCapacity: 1 << 18, fragmentCapacity: 1 << 14),
      nicCapacity: 8, ruleCapacity: 16)
    let before = try Self.residentBytes()
    worker.prefault()
    // An entry, its TCP state and its place in the timer wheel are more than 64 bytes.
    #expect(try Self.residentBytes() - before > 64 << 18)
    #expect(worker.flows.count == 0)
  }
}

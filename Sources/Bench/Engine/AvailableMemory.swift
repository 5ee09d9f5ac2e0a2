import Glibc

/// What the machine has left for a benchmark.
enum AvailableMemory {
  /// Memory that can be had without swapping, in bytes: `MemAvailable` of proc(5); `Int.max` where
  /// the kernel does not say.
  static func bytes() -> Int {
    guard let file = fopen("/proc/meminfo", "r") else { return .max }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
      guard text.hasPrefix("MemAvailable:") else { continue }
      let words = text.split { $0 == " " || $0 == "\n" }
      return words.count > 1 ? (Int(words[1]) ?? 0) * 1024 : .max
    }
    return .max
  }

  /// Refuses what would not fit, with an eighth of what is left kept for everybody else.
  ///
  /// - Throws: `memory`.
  static func require(_ needed: Int) throws(BenchmarkFailure) {
    let available = bytes()
    let usable = available == .max ? .max : available / 8 * 7
    if needed > usable { throw .memory(needed: needed, available: usable) }
  }
}

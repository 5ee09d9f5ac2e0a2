import Synchronization
import Tables

/// Memory for records of one kind, of which images of several generations have ranges.
///
/// Its base never moves, so that tables of every generation read through the same view, and a
/// generation that changes one part shares all others with the one before. Reserved whole and taken
/// when it is first touched.
package final class Arena<Element: BitwiseCopyable & Sendable>: Sendable {
  let what: String
  private let memory: WorkerMemory<Element>
  private let free = Mutex(FreeRanges())

  /// - Parameters:
  ///   - what: the records' name, for errors.
  ///   - capacity: records that fit.
  init(of what: String, capacity: Int) {
    self.what = what
    memory = WorkerMemory(count: capacity)
  }

  deinit { memory.deallocate() }

  /// All records; those that no range holds mean nothing.
  package var view: FlatArray<Element> {
    // SAFETY: whoever reads holds the tables, which hold the arena.
    FlatArray(base: UnsafePointer(memory.uncheckedPointer(0)), count: memory.count)
  }

  /// Takes a range for some records.
  ///
  /// - Complexity: O(free ranges).
  func reserve(_ count: Int) throws(TableCompilerError) -> Stored<Element> {
    let start = free.withLock { $0.take(count, capacity: memory.count) }
    guard let start else {
      throw .capacity(of: what, count: memory.count + count, limit: memory.count)
    }
    return Stored(arena: self, start: start, count: count)
  }

  /// Where the last record in use ends, and how many free ranges are below: these tell whether
  /// memory grows.
  var extent: (end: Int, freeRanges: Int) { free.withLock { $0.extent } }

  fileprivate func give(back range: Range<Int>) {
    if !range.isEmpty { free.withLock { $0.give(back: range) } }
  }

  /// Calls with the memory of a range that nobody reads yet.
  fileprivate func change<Result>(
    _ range: Range<Int>, _ body: (UnsafeMutableBufferPointer<Element>) -> Result
  ) -> Result {
    precondition(range.upperBound <= memory.count)
    return body(
      UnsafeMutableBufferPointer(
        start: memory.uncheckedPointer(range.lowerBound), count: range.count))
  }

  fileprivate func copy(_ range: Range<Int>, to start: Int) {
    precondition(range.upperBound <= memory.count && start + range.count <= memory.count)
    memory.uncheckedPointer(start).update(
      from: memory.uncheckedPointer(range.lowerBound), count: range.count)
  }

  fileprivate func write(_ records: [Element], at start: Int) {
    records.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress, start + source.count <= memory.count else { return }
      memory.uncheckedPointer(start).initialize(from: base, count: source.count)
    }
  }
}

/// What of an arena is not in use.
private struct FreeRanges: Sendable {
  /// Free ranges below `end`, ascending, with used records between any two.
  private var ranges: [Range<Int>] = []
  private var end = 0

  var extent: (end: Int, freeRanges: Int) { (end, ranges.count) }

  /// The start of a range that is taken now: of the smallest free one that is large enough.
  mutating func take(_ count: Int, capacity: Int) -> Int? {
    if count == 0 { return 0 }
    var best: Int?
    for (index, range) in ranges.enumerated() where range.count >= count {
      if best.map({ range.count < ranges[$0].count }) ?? true { best = index }
      if range.count == count { break }
    }
    if let best {
      let start = ranges[best].lowerBound
      let rest = start + count..<ranges[best].upperBound
      if rest.isEmpty { ranges.remove(at: best) } else { ranges[best] = rest }
      return start
    }
    guard capacity - end >= count else { return nil }
    end += count
    return end - count
  }

  mutating func give(back range: Range<Int>) {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].lowerBound < range.lowerBound { low = middle + 1 } else { high = middle }
    }
    var merged = range
    if low < ranges.count, ranges[low].lowerBound == merged.upperBound {
      merged = merged.lowerBound..<ranges[low].upperBound
      ranges.remove(at: low)
    }
    if low > 0, ranges[low - 1].upperBound == merged.lowerBound {
      low -= 1
      merged = ranges[low].lowerBound..<merged.upperBound
      ranges.remove(at: low)
    }
    if merged.upperBound == end { end = merged.lowerBound } else { ranges.insert(merged, at: low) }
  }
}

/// A range of an arena, which goes back to it with the last owner.
final class Stored<Element: BitwiseCopyable & Sendable>: Sendable {
  private let arena: Arena<Element>
  let start: Int
  let count: Int

  fileprivate init(arena: Arena<Element>, start: Int, count: Int) {
    self.arena = arena
    self.start = start
    self.count = count
  }

  deinit { arena.give(back: start..<start + count) }

  /// Writes the range's records, before anybody reads them.
  func write(_ records: [Element]) {
    precondition(records.count == count)
    arena.write(records, at: start)
  }

  /// Calls with the range's memory, before anybody reads it; it holds what was there before.
  func change<Result>(_ body: (UnsafeMutableBufferPointer<Element>) -> Result) -> Result {
    arena.change(start..<start + count, body)
  }

  /// Copies records of the same arena, before anybody reads the range.
  ///
  /// - Parameter first: the index of the first one.
  func copy(from first: Int) { arena.copy(first..<first + count, to: start) }

  var range: TableRange { TableRange(start: UInt32(start), count: UInt32(count)) }
  var byteCount: Int { count * MemoryLayout<Element>.stride }
}

import CDataplane

/// Zeroed memory that threads share, in lines of 128 bytes.
///
/// Two cache lines a line, because the processor fetches them in pairs: words that different
/// threads write stand in lines of their own.
@frozen @safe
public struct SharedMemory: @unchecked Sendable {
  /// The first byte, at the start of a line.
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int

  @inlinable public static var wordsPerLine: Int { 16 }
  @inlinable public static var bytesPerLine: Int { 128 }

  /// Reserves memory; traps when the system has no address space left, which happens at start.
  public init(byteCount: Int) {
    let bytes = max(1, byteCount)
    // SAFETY: the mapping is new and nobody else knows it.
    guard let memory = unsafe apus_map_memory(UInt64(bytes)) else {
      preconditionFailure("the system refused \(bytes) bytes of address space")
    }
    unsafe base = unsafe memory
    self.byteCount = bytes
  }

  /// Reserves lines of 16 words.
  public init(lines: Int) { self.init(byteCount: lines * Self.bytesPerLine) }

  /// Has the kernel back all of it with pages now, so that no thread waits for one later, and none
  /// of it comes to be used only after hours.
  ///
  /// - Complexity: O(n) in the bytes, about a millisecond for 10 MB.
  public func prefault() {
    // SAFETY: what the memory holds does not change.
    unsafe apus_back_memory(base, UInt64(byteCount))
  }

  /// Gives the memory back. The owner calls it once, when no thread has a view any more.
  public func deallocate() {
    // SAFETY: the owner says that no view is used any more.
    unsafe apus_unmap_memory(base, UInt64(byteCount))
  }

  /// A word by its number; traps beyond the memory.
  @inlinable @inline(__always)
  public func word(_ index: Int) -> AtomicWord {
    precondition(UInt(bitPattern: index) < UInt(bitPattern: byteCount / 8))
    // SAFETY: the index was checked, and lines are aligned.
    return unsafe AtomicWord(at: base.assumingMemoryBound(to: UInt64.self) + index)
  }

  /// The first word of a line.
  @inlinable @inline(__always)
  public func line(_ index: Int) -> AtomicWord { word(index &* Self.wordsPerLine) }
}

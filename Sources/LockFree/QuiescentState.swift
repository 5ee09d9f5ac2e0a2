import CDataplane

/// Which generation of published data each reader uses, so that a writer knows when an older one
/// is used no more.
///
/// A reader goes online before it follows a published pointer for the first time, announces once a
/// round the generation that it now follows, and goes offline when it follows none. Generations
/// grow, and begin with 2.
@frozen @safe
public struct QuiescentState: Sendable {
  @usableFromInline let memory: SharedMemory
  public let readers: Int

  private static var offlineMark: UInt64 { 0 }
  private static var onlineMark: UInt64 { 1 }
  /// Looks of some ten nanoseconds each before `waitUntilPassed` sleeps.
  private static var quickLooks: Int { 1_000 }

  public init(readers: Int) {
    self.readers = readers
    memory = SharedMemory(lines: readers)
  }

  /// Gives the memory back, when no reader is left.
  public func deallocate() { memory.deallocate() }

  // MARK: Readers

  /// From here on the writer waits for this reader.
  public func goOnline(_ reader: Int) {
    memory.line(reader).store(Self.onlineMark)
    fullFence()
  }

  /// The reader follows nothing older than `generation` any more.
  @inlinable @inline(__always) @_noLocks
  public func announce(_ reader: Int, _ generation: UInt64) {
    memory.line(reader).store(generation)
  }

  /// The reader follows nothing any more.
  public func goOffline(_ reader: Int) { memory.line(reader).store(Self.offlineMark) }

  // MARK: Writer

  /// Whether every reader that is online has announced `generation` or a later one.
  public func havePassed(_ generation: UInt64) -> Bool {
    fullFence()
    for reader in 0..<readers {
      let announced = memory.line(reader).load()
      if announced != Self.offlineMark && announced < generation { return false }
    }
    return true
  }

  /// Waits until every online reader has announced `generation`.
  ///
  /// - Parameters:
  ///   - attempts: how often to look.
  ///   - microseconds: pause between two looks.
  /// - Returns: false when some reader has not; then nothing may be freed.
  public func waitUntilPassed(
    _ generation: UInt64, attempts: Int = 10_000, microseconds: Int = 100
  ) -> Bool {
    // A worker that polls passes within a burst; one that sleeps has to be woken first.
    for _ in 0..<Self.quickLooks {
      if havePassed(generation) { return true }
      spinPause()
    }
    for _ in 0..<attempts {
      if havePassed(generation) { return true }
      apus_sleep(UInt64(max(0, microseconds)))
    }
    return havePassed(generation)
  }
}

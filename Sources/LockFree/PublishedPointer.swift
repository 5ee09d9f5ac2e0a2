/// One pointer that a writer replaces and readers follow.
///
/// Readers see the whole of what was there when it was published. When what a replaced pointer
/// led to may be freed, `QuiescentState` tells.
@frozen @safe
public struct PublishedPointer<Pointee: ~Copyable>: @unchecked Sendable {
  @usableFromInline let word: AtomicWord

  /// - Parameter word: where the pointer is kept; zero is no pointer.
  @inlinable public init(_ word: AtomicWord) { self.word = word }

  /// What was published last; nil before the first time.
  @unsafe @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func load() -> UnsafePointer<Pointee>? {
    unsafe word.loadAddress()?.assumingMemoryBound(to: Pointee.self)
  }

  /// Replaces the pointer. One thread at a time.
  ///
  /// - Returns: the replaced one, which readers may still follow.
  @unsafe @discardableResult
  public func publish(_ pointer: UnsafePointer<Pointee>?) -> UnsafePointer<Pointee>? {
    let old = unsafe load()
    word.store(UInt64(UInt(bitPattern: pointer)))
    // A reader that goes online after this fence follows the new pointer; one that was online
    // before it is seen by `QuiescentState.havePassed`.
    fullFence()
    return unsafe old
  }
}

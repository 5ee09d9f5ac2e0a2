import CDataplane

/// Which threads sleep, and how each is woken: no wake-up is lost, and none costs a system call
/// while the thread is awake.
///
/// A sleeper announces itself, then looks once more for work, then sleeps; who has work for it
/// hands it over, then asks whether it sleeps. The fences between see to it that at least one of
/// both sees the other.
@frozen @safe
public struct Sleepers: Sendable {
  @usableFromInline let memory: SharedMemory
  public let count: Int

  public init(count: Int) {
    self.count = count
    memory = SharedMemory(lines: count)
  }

  /// Gives the memory back, after every thread.
  public func deallocate() { memory.deallocate() }

  /// A new non-blocking eventfd, which its maker closes; -1 when the system refuses.
  public static func makeDescriptor() -> Int32 { apus_make_wake_descriptor() }

  /// Sets the non-blocking eventfd that ends a thread's sleep; a negative number is none, and the
  /// thread then sleeps out its time.
  public func setDescriptor(_ thread: Int, _ descriptor: Int32) {
    memory.word(thread * SharedMemory.wordsPerLine + 1).store(UInt64(max(0, Int(descriptor) + 1)))
  }

  /// The thread is about to sleep; it looks for work once more after this.
  @inlinable @inline(__always) @_noLocks
  public func announceSleep(_ thread: Int) {
    memory.line(thread).storeRelaxed(1)
    fullFence()
  }

  /// The thread is awake again.
  @inlinable @inline(__always) @_noLocks
  public func announceAwake(_ thread: Int) { memory.line(thread).storeRelaxed(0) }

  /// Wakes a thread if it sleeps. What it shall find was published before.
  @inlinable @inline(__always) @_noLocks
  public func wake(_ thread: Int) {
    fullFence()
    if memory.line(thread).loadRelaxed() != 0 { wakeSleeping(thread) }
  }

  @usableFromInline @inline(never) @_semantics("no_performance_analysis")
  func wakeSleeping(_ thread: Int) {
    let descriptor = memory.word(thread &* SharedMemory.wordsPerLine &+ 1).load()
    if descriptor != 0 { apus_wake(Int32(truncatingIfNeeded: descriptor) &- 1) }
  }
}

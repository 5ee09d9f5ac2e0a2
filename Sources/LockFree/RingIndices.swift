/// The two ends of a ring with one producer and one consumer.
///
/// Positions count up for ever; a slot's number is its position modulo the capacity. Each end has a
/// line of its own with what only it writes: its published position, how far it is itself, and its
/// last look at the other end, so that it reads the other's line only when that look is used up.
@frozen @usableFromInline @safe
struct RingIndices: @unchecked Sendable {
  @usableFromInline let memory: SharedMemory
  @usableFromInline let capacity: UInt64

  /// Bytes before the slots.
  @inlinable static var byteCount: Int { 2 * SharedMemory.bytesPerLine }

  @usableFromInline init(memory: SharedMemory, capacity: Int) {
    precondition(capacity > 0 && capacity & (capacity - 1) == 0, "a power of two")
    precondition(memory.byteCount >= Self.byteCount)
    self.memory = memory
    self.capacity = UInt64(capacity)
  }

  @inlinable @inline(__always) var tail: AtomicWord { memory.word(0) }
  @inlinable @inline(__always) var staged: AtomicWord { memory.word(1) }
  @inlinable @inline(__always) var knownHead: AtomicWord { memory.word(2) }
  @inlinable @inline(__always) var head: AtomicWord { memory.word(16) }
  @inlinable @inline(__always) var knownTail: AtomicWord { memory.word(17) }

  /// Producer: the number of the next slot to fill.
  @inlinable @inline(__always) var slotToFill: Int {
    Int(truncatingIfNeeded: staged.loadRelaxed() & (capacity &- 1))
  }

  /// Consumer: the number of the next slot to empty.
  @inlinable @inline(__always) var slotToEmpty: Int {
    Int(truncatingIfNeeded: head.loadRelaxed() & (capacity &- 1))
  }

  /// Producer: free slots, exact only when there are fewer than wanted.
  @inlinable @inline(__always) @_noLocks
  func room(wanted: UInt64) -> UInt64 {
    let mine = staged.loadRelaxed()
    let known = capacity &- (mine &- knownHead.loadRelaxed())
    if known >= wanted { return known }
    let now = head.load()
    knownHead.storeRelaxed(now)
    return capacity &- (mine &- now)
  }

  /// Consumer: filled slots, exact only when there are fewer than wanted.
  @inlinable @inline(__always) @_noLocks
  func filled(wanted: UInt64) -> UInt64 {
    let mine = head.loadRelaxed()
    let known = knownTail.loadRelaxed() &- mine
    if known >= wanted { return known }
    let now = tail.load()
    knownTail.storeRelaxed(now)
    return now &- mine
  }

  /// Producer: that many slots more are filled, and the consumer may not know yet.
  @inlinable @inline(__always) @_noLocks
  func stage(_ count: UInt64) { staged.storeRelaxed(staged.loadRelaxed() &+ count) }

  /// Producer: shows the consumer all filled slots.
  @inlinable @inline(__always) @_noLocks
  func publish() { tail.store(staged.loadRelaxed()) }

  /// Consumer: gives slots back.
  @inlinable @inline(__always) @_noLocks
  func take(_ count: UInt64) { head.store(head.loadRelaxed() &+ count) }

  /// Any thread: slots that are published and not taken, as of some moment.
  @inlinable var count: Int {
    let first = head.load()
    return Int(clamping: min(tail.load() &- first, capacity))
  }
}

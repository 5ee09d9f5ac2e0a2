/// A ring of byte slots of one size, with one producer thread and one consumer thread.
///
/// Messages are written and read in place. A handle: copies are the same ring. A full ring refuses
/// and never waits.
@frozen @safe
public struct SlotRing: @unchecked Sendable {
  @usableFromInline let indices: RingIndices
  /// Bytes of a slot, a multiple of 64; every slot begins on a cache line.
  public let slotSize: Int

  /// - Parameters:
  ///   - capacity: slots, a power of two.
  ///   - slotSize: bytes that a slot has at least.
  public init(capacity: Int, slotSize: Int) {
    let size = (slotSize + 63) / 64 * 64
    self.slotSize = size
    let memory = SharedMemory(byteCount: RingIndices.byteCount + capacity * size)
    indices = RingIndices(memory: memory, capacity: capacity)
  }

  /// Has all slots backed with memory (`SharedMemory.prefault`).
  public func prefault() { indices.memory.prefault() }

  /// Gives the memory back. Once, after both threads are done.
  public func deallocate() { indices.memory.deallocate() }

  public var capacity: Int { Int(indices.capacity) }

  /// Messages that the consumer may read, as of some moment; any thread.
  @inlinable public var count: Int { indices.count }

  /// Producer: slots that are free, at least.
  @inlinable public var room: Int {
    Int(truncatingIfNeeded: indices.room(wanted: indices.capacity))
  }

  @usableFromInline @inline(__always)
  @unsafe func slot(_ number: Int) -> UnsafeMutableRawPointer {
    unsafe indices.memory.base + RingIndices.byteCount + number &* slotSize
  }

  /// Producer: the next slot, to be filled and then committed; nil when the ring is full. The same
  /// slot until `commit`.
  @unsafe @inlinable @inline(__always) @_noLocks
  public func reserve() -> UnsafeMutableRawPointer? {
    if indices.room(wanted: 1) == 0 { return nil }
    return unsafe slot(indices.slotToFill)
  }

  /// Producer: shows the reserved slot to the consumer.
  @inlinable @inline(__always) @_noLocks
  public func commit() {
    indices.stage(1)
    indices.publish()
  }

  /// Consumer: the oldest message, nil when there is none. The same message until `release`.
  @unsafe @inlinable @inline(__always) @_noLocks
  public func front() -> UnsafeMutableRawPointer? {
    if indices.filled(wanted: 1) == 0 { return nil }
    return unsafe slot(indices.slotToEmpty)
  }

  /// Consumer: gives the slot of `front` back.
  @inlinable @inline(__always) @_noLocks
  public func release() { indices.take(1) }
}

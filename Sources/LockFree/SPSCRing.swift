/// A bounded ring with one producer thread and one consumer thread.
///
/// A handle: copies are the same ring. Elements are moved in and out. A full ring refuses and never
/// waits. Lamport's ring with cached indices, as in FastForward's and DPDK's descendants of it.
@frozen @safe
public struct SPSCRing<Element: ~Copyable>: @unchecked Sendable {
  @usableFromInline let indices: RingIndices
  @usableFromInline let slots: UnsafeMutablePointer<Element>

  /// - Parameter capacity: elements, a power of two.
  public init(capacity: Int) {
    precondition(MemoryLayout<Element>.alignment <= SharedMemory.bytesPerLine)
    let memory = SharedMemory(
      byteCount: RingIndices.byteCount + capacity * MemoryLayout<Element>.stride)
    indices = RingIndices(memory: memory, capacity: capacity)
    // SAFETY: the slots follow the indices in memory of the right size and alignment.
    unsafe slots = (memory.base + RingIndices.byteCount).bindMemory(
      to: Element.self, capacity: capacity)
  }

  /// Gives the memory back, and forgets the elements in it: the owner has taken them out. Once,
  /// after both threads are done.
  public func deallocate() { indices.memory.deallocate() }

  public var capacity: Int { Int(indices.capacity) }

  /// Elements that the consumer may take, as of some moment; any thread.
  @inlinable public var count: Int { indices.count }

  // MARK: Producer

  /// Free slots; exact when there are fewer than wanted.
  @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func room(wanted: Int) -> Int {
    Int(truncatingIfNeeded: indices.room(wanted: UInt64(truncatingIfNeeded: wanted)))
  }

  /// Moves an element into the ring; the consumer sees it after `publish`.
  ///
  /// - Parameter source: an initialised element; uninitialised when it was taken.
  /// - Returns: false when the ring is full; the element stays where it is.
  @unsafe @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func stage(_ source: UnsafeMutablePointer<Element>) -> Bool {
    if indices.room(wanted: 1) == 0 { return false }
    unsafe (slots + indices.slotToFill).moveInitialize(from: source, count: 1)
    indices.stage(1)
    return true
  }

  /// Shows the consumer what was staged.
  @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func publish() { indices.publish() }

  /// Moves elements into the ring, in order, as many as it has room for, and publishes them.
  ///
  /// - Returns: how many from the first were taken; those are uninitialised now.
  @unsafe @inlinable @_semantics("no_performance_analysis")
  public func push(_ elements: UnsafeMutableBufferPointer<Element>) -> Int {
    let wanted = UInt64(elements.count)
    let count = Int(truncatingIfNeeded: min(wanted, indices.room(wanted: wanted)))
    guard count > 0, let source = elements.baseAddress else { return 0 }
    let first = indices.slotToFill
    let untilEnd = min(count, Int(indices.capacity) &- first)
    unsafe (slots + first).moveInitialize(from: source, count: untilEnd)
    unsafe slots.moveInitialize(from: source + untilEnd, count: count &- untilEnd)
    indices.stage(UInt64(count))
    indices.publish()
    return count
  }

  // MARK: Consumer

  /// Moves the oldest elements out, as many as there are and fit.
  ///
  /// - Parameter target: uninitialised.
  /// - Returns: how many from the first are initialised now.
  @unsafe @inlinable @_semantics("no_performance_analysis")
  public func pop(into target: UnsafeMutableBufferPointer<Element>) -> Int {
    let wanted = UInt64(target.count)
    let count = Int(truncatingIfNeeded: min(wanted, indices.filled(wanted: wanted)))
    guard count > 0, let start = target.baseAddress else { return 0 }
    let first = indices.slotToEmpty
    let untilEnd = min(count, Int(indices.capacity) &- first)
    unsafe start.moveInitialize(from: slots + first, count: untilEnd)
    unsafe (start + untilEnd).moveInitialize(from: slots, count: count &- untilEnd)
    indices.take(UInt64(count))
    return count
  }
}

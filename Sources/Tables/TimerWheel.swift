/// Deadlines of numbered records in a hierarchical timing wheel (Varghese and Lauck, 1987).
///
/// Four levels of 256 slots; a tick is 2^20 ns (about 1 ms), so the wheel spans 52 days and parks
/// later deadlines in its last level. A record whose deadline moved away stays where it is and is
/// put where it belongs when its slot comes up; one whose deadline came nearer is linked anew.
public struct TimerWheel: ~Copyable {
  @usableFromInline static var shift: UInt64 { 20 }
  @usableFromInline static var end: UInt32 { .max }
  /// Set in a record's `previous` when it is the first of the slot in the other bits.
  @usableFromInline static var headMark: UInt32 { 0x8000_0000 }

  @frozen @usableFromInline struct Link: BitwiseCopyable {
    @usableFromInline var next: UInt32
    @usableFromInline var previous: UInt32

    @inlinable init(next: UInt32, previous: UInt32) {
      self.next = next
      self.previous = previous
    }
  }

  @usableFromInline let links: WorkerMemory<Link>
  @usableFromInline let heads: WorkerMemory<UInt32>
  @usableFromInline let occupied: WorkerMemory<UInt64>
  /// Every earlier tick has been worked off.
  @usableFromInline var current: UInt64 = 0

  /// A wheel for records 0 ..< `capacity`, at most 2^31.
  public init(capacity: Int) {
    precondition(capacity < Int(Self.headMark))
    links = WorkerMemory(count: capacity)
    heads = WorkerMemory(count: 1024)
    occupied = WorkerMemory(count: 16)
    for slot in 0..<1024 { heads[slot] = Self.end }
  }

  deinit {
    links.deallocate()
    heads.deallocate()
    occupied.deallocate()
  }

  /// Has all memory backed with pages (`WorkerMemory.prefault`).
  func prefault() { links.prefault() }

  /// Whether time has left the tick that the wheel stands at.
  @inlinable @inline(__always)
  public func isBehind(_ now: UInt64) -> Bool { now >> Self.shift > current }

  /// Puts a record at its deadline (nanoseconds); it must not be in the wheel.
  ///
  /// - Complexity: O(1).
  @inlinable
  @_noLocks
  public mutating func insert(_ record: UInt32, deadline: UInt64) {
    let tick = max(deadline >> Self.shift, current)
    let distance = min(tick &- current, 0xFFFF_FFFF)
    let target = current &+ distance
    let level: UInt64 =
      distance < 1 << 8 ? 0 : distance < 1 << 16 ? 1 : distance < 1 << 24 ? 2 : 3
    let slot = Int(level << 8 | (target >> (level << 3)) & 255)
    let first = heads[slot]
    links[record] = Link(next: first, previous: Self.headMark | UInt32(slot))
    if first != Self.end { links[first].previous = record }
    heads[slot] = record
    occupied[slot >> 6] |= 1 << UInt64(slot & 63)
  }

  /// Takes a record out; it must be in the wheel.
  ///
  /// - Complexity: O(1).
  @inlinable
  @_noLocks
  public mutating func remove(_ record: UInt32) {
    let link = links[record]
    if link.next != Self.end { links[link.next].previous = link.previous }
    if link.previous & Self.headMark == 0 {
      links[link.previous].next = link.next
      return
    }
    let slot = Int(link.previous & ~Self.headMark)
    heads[slot] = link.next
    if link.next == Self.end { occupied[slot >> 6] &= ~(1 << UInt64(slot & 63)) }
  }

  /// Takes out and returns a record of a tick that is over; its deadline may have moved away, in
  /// which case the caller inserts it again. nil when the wheel has caught up with `now`.
  ///
  /// - Complexity: O(1) amortised over insertions; time that passes costs nothing.
  @inlinable
  @_noLocks
  public mutating func next(before now: UInt64) -> UInt32? {
    let target = now >> Self.shift
    while true {
      if cascadePending {
        // Some records of a higher slot may still have to come down before time goes on.
        if let record = cascadeCandidate() { return record }
        cascadePending = false
      }
      if current >= target { return nil }
      let first = heads[Int(current & 255)]
      if first != Self.end {
        remove(first)
        return first
      }
      current = min(nextEvent(), target)
      cascadePending = current & 255 == 0
    }
  }

  /// The records of the current tick, newest first: the only ones that can be due but not over.
  @inlinable public var currentSlot: UInt32 { heads[Int(current & 255)] }

  /// The record after another in its slot, or nil.
  @inlinable public func following(_ record: UInt32) -> UInt32? {
    let next = links[record].next
    return next == Self.end ? nil : next
  }

  @usableFromInline var cascadePending = false

  /// At a tick that is a multiple of 256: a record of a higher slot that now comes up.
  @usableFromInline
  mutating func cascadeCandidate() -> UInt32? {
    var level: UInt64 = 3
    while level > 0 {
      if current & ((1 << (level << 3)) &- 1) == 0 {
        let slot = Int(level << 8 | (current >> (level << 3)) & 255)
        let first = heads[slot]
        if first != Self.end {
          remove(first)
          return first
        }
      }
      level &-= 1
    }
    return nil
  }

  /// The first tick after the current one at which some slot comes up.
  @usableFromInline
  func nextEvent() -> UInt64 {
    var best = UInt64.max
    var level: UInt64 = 0
    while level < 4 {
      let position = current >> (level << 3)
      if let distance = distanceToOccupied(level: Int(level), from: Int(position & 255)) {
        best = min(best, (position &+ UInt64(distance)) << (level << 3))
      }
      level &+= 1
    }
    return best
  }

  /// Slots (1 ... 256) from `start` to the next occupied one of a level, around the wheel.
  @usableFromInline
  func distanceToOccupied(level: Int, from start: Int) -> Int? {
    var distance = 1
    while distance <= 256 {
      let slot = (start &+ distance) & 255
      let word = occupied[level &* 4 &+ slot >> 6] >> UInt64(slot & 63)
      if word != 0 {
        let found = distance &+ word.trailingZeroBitCount
        return found <= 256 ? found : nil
      }
      distance &+= 64 &- (slot & 63)
    }
    return nil
  }
}

/// The tracked connections of one worker: fixed capacity, no atomics, no locks.
///
/// An index of 64-byte buckets (12 one-byte tags and 12 record numbers each) leads to records that
/// never move, so timers and caches may keep their numbers. A key has two buckets to be in; a full
/// table, or two full buckets, refuse a new connection and touch no old one.
public struct FlowTable: ~Copyable {
  @usableFromInline static var slotsPerBucket: Int { 12 }

  /// 8 tags, 4 tags, 12 record numbers: 60 of 64 bytes. A tag of zero is a free slot.
  @frozen @usableFromInline struct Bucket: BitwiseCopyable {
    @usableFromInline
    var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
  }

  public let entries: WorkerMemory<FlowEntry>
  public let tracks: WorkerMemory<TCPTrack>
  @usableFromInline let addresses: WorkerMemory<FlowAddresses>
  @usableFromInline let buckets: WorkerMemory<Bucket>
  /// Numbers of records that were used and given back, a stack.
  @usableFromInline let spare: WorkerMemory<UInt32>
  @usableFromInline var spareCount = 0
  /// Records from here on were never used.
  @usableFromInline var firstFresh: UInt32 = 0
  @usableFromInline let bucketMask: UInt64
  public let seed: UInt64
  public var wheel: TimerWheel
  /// Connections in the table.
  public private(set) var count = 0

  /// - Parameters:
  ///   - capacity: connections the table can hold.
  ///   - seed: keys the hash; secret where flows of strangers meet.
  public init(capacity: Int, seed: UInt64) {
    entries = WorkerMemory(count: capacity)
    tracks = WorkerMemory(count: capacity)
    addresses = WorkerMemory(count: capacity)
    spare = WorkerMemory(count: capacity)
    wheel = TimerWheel(capacity: capacity)
    // At most 70 % of the slots are used, so both buckets of a key are practically never full.
    var bucketCount = 1
    while bucketCount * Self.slotsPerBucket * 7 / 10 < capacity { bucketCount *= 2 }
    buckets = WorkerMemory(count: bucketCount)
    bucketMask = UInt64(bucketCount - 1)
    self.seed = seed
  }

  deinit {
    entries.deallocate()
    tracks.deallocate()
    addresses.deallocate()
    spare.deallocate()
    buckets.deallocate()
  }

  /// Has all memory backed with pages (`WorkerMemory.prefault`).
  public func prefault() {
    entries.prefault()
    tracks.prefault()
    addresses.prefault()
    spare.prefault()
    buckets.prefault()
    wheel.prefault()
  }

  // MARK: Lookup

  @inlinable @inline(__always)
  func tag(_ hash: UInt64) -> UInt64 {
    let tag = hash >> 56
    return tag == 0 ? 1 : tag
  }

  @inlinable @inline(__always)
  func firstBucket(_ hash: UInt64) -> Int { Int(hash & bucketMask) }

  @inlinable @inline(__always)
  func secondBucket(_ hash: UInt64) -> Int {
    Int((hash >> 24 ^ tag(hash) &* 0x9E37_79B1) & bucketMask)
  }

  /// Brings the bucket of a hash towards the core.
  @inlinable @inline(__always)
  @_noLocks
  public func prefetchBucket(_ hash: UInt64) {
    // SAFETY: a prefetch never faults, and the bucket's number is masked.
    // SAFETY: the bucket's number is masked.
    unsafe prefetch(buckets.uncheckedPointer(firstBucket(hash)))
  }

  /// A record that probably holds the key of `hash`, judged by its tag alone, and brought towards
  /// the core; nil when the first bucket has no such tag, and then the second bucket is on its way.
  @inlinable @inline(__always)
  @_noLocks
  public func prefetchCandidate(_ hash: UInt64) -> UInt32? {
    let bucket = firstBucket(hash)
    // SAFETY: the bucket's number is masked, and slot numbers are below 12.
    let base = unsafe UnsafeRawPointer(buckets.uncheckedPointer(bucket))
    let pattern = tag(hash) &* 0x0101_0101_0101_0101
    let low = unsafe zeroBytes(base.loadUnaligned(fromByteOffset: 0, as: UInt64.self) ^ pattern)
    let slot: Int
    if low != 0 {
      slot = low.trailingZeroBitCount >> 3
    } else {
      let high = unsafe base.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
      let matches = zeroBytes(UInt64(high) ^ (pattern & 0xFFFF_FFFF)) & 0x8080_8080
      guard matches != 0 else {
        // A new connection, mostly: the lookup that finds nothing has to read both.
        unsafe prefetch(buckets.uncheckedPointer(secondBucket(hash)))
        return nil
      }
      slot = 8 &+ (matches.trailingZeroBitCount >> 3)
    }
    let record = unsafe base.loadUnaligned(fromByteOffset: 12 &+ slot &* 4, as: UInt32.self)
    guard record < UInt32(truncatingIfNeeded: entries.count) else { return nil }
    unsafe prefetch(entries.uncheckedPointer(Int(record)))
    return record
  }

  /// One bit in bit 7 of every byte whose tag equals `tag`, slot 0 lowest, as 96 bits in 128.
  @unsafe @inlinable @inline(__always)
  func matchingTags(_ base: UnsafeRawPointer, _ tag: UInt64) -> UInt128 {
    let pattern = tag &* 0x0101_0101_0101_0101
    let low = unsafe base.loadUnaligned(fromByteOffset: 0, as: UInt64.self) ^ pattern
    let high =
      unsafe UInt64(base.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
      ^ (pattern & 0xFFFF_FFFF)
    return UInt128(zeroBytes(high) & 0x8080_8080) << 64 | UInt128(zeroBytes(low))
  }

  /// 0x80 in every zero byte of a word, exactly.
  @inlinable @inline(__always)
  func zeroBytes(_ word: UInt64) -> UInt64 {
    let low7: UInt64 = 0x7F7F_7F7F_7F7F_7F7F
    return ~((word & low7) &+ low7 | word | low7)
  }

  /// Whether a record is in use and has the key.
  @inlinable @inline(__always)
  @_noLocks
  public func holds(_ record: UInt32, _ key: FlowKey) -> Bool {
    // SAFETY: `pointer` checks the bounds.
    let entry = unsafe entries.pointer(Int(record)).pointee
    guard entry.identity == key.identity, entry.addressWord == key.addressWord,
      entry.kind != .free, entry.flags.contains(.isIPv6) == key.isIPv6
    else { return false }
    return !key.isIPv6 || hasAddresses(record, key)
  }

  /// Whether the record of an IPv6 connection has the addresses of a key.
  @inlinable
  @_noLocks
  public func hasAddresses(_ record: UInt32, _ key: FlowKey) -> Bool {
    addresses[record] == FlowAddresses(key)
  }

  /// The record of a key, or nil.
  ///
  /// Mutating only so that the table is passed by reference: by value, it is copied for the call.
  ///
  /// - Complexity: O(1): two buckets at most.
  @inlinable
  @_noLocks
  public mutating func lookup(_ key: FlowKey, hash: UInt64) -> UInt32? {
    if let record = find(key, hash: hash, in: firstBucket(hash)) { return record }
    return find(key, hash: hash, in: secondBucket(hash))
  }

  @inlinable
  mutating func find(_ key: FlowKey, hash: UInt64, in bucket: Int) -> UInt32? {
    // SAFETY: as in `prefetchCandidate`.
    let base = unsafe UnsafeRawPointer(buckets.pointer(bucket))
    var matches = unsafe matchingTags(base, tag(hash))
    while matches != 0 {
      let slot = matches.trailingZeroBitCount >> 3
      matches &= matches &- 1
      let record = unsafe base.loadUnaligned(fromByteOffset: 12 &+ slot &* 4, as: UInt32.self)
      if holds(record, key) { return record }
    }
    return nil
  }

  // MARK: Change

  /// Makes a record for a key that is not in the table; nil when there is no room.
  ///
  /// The caller fills the rest of the entry and arms its timer with `wheel.insert`.
  @_noLocks
  public mutating func insert(_ key: FlowKey, hash: UInt64, kind: FlowKind) -> UInt32? {
    guard let bucket = bucketForInsertion(hash), let slot = freeSlot(in: bucket) else { return nil }
    let record: UInt32
    if spareCount > 0 {
      spareCount &-= 1
      record = spare[spareCount]
    } else if Int(firstFresh) < entries.count {
      record = firstFresh
      firstFresh &+= 1
    } else {
      return nil
    }
    // SAFETY: the bucket's number is masked, and the slot is below 12.
    let base = unsafe UnsafeMutableRawPointer(buckets.pointer(bucket))
    unsafe base.storeBytes(
      of: UInt8(truncatingIfNeeded: tag(hash)), toByteOffset: slot, as: UInt8.self)
    unsafe base.storeBytes(of: record, toByteOffset: 12 &+ slot &* 4, as: UInt32.self)
    entries[record] = FlowEntry(
      identity: key.identity, addressWord: key.addressWord, deadline: 0, packetsOut: 0,
      packetsIn: 0, bytesOut: 0, bytesIn: 0, rule: 0, destination: 0, generation: 0, kind: kind,
      flags: key.isIPv6 ? .isIPv6 : FlowFlags(), state: 0)
    if key.isIPv6 { addresses[record] = FlowAddresses(key) }
    count &+= 1
    return record
  }

  /// Forgets a record; its timer must have been taken out.
  @_noLocks
  public mutating func remove(_ record: UInt32) {
    let hash = key(of: record).hash(seed: seed)
    if !clear(record, tag: tag(hash), in: firstBucket(hash)) {
      let cleared = clear(record, tag: tag(hash), in: secondBucket(hash))
      precondition(cleared)
    }
    entries[record].kind = .free
    spare[spareCount] = record
    spareCount &+= 1
    count &-= 1
  }

  /// The key of a record in use.
  @_noLocks
  public func key(of record: UInt32) -> FlowKey {
    let entry = entries[record]
    var key = FlowKey()
    key.identity = entry.identity
    if entry.flags.contains(.isIPv6) {
      let full = addresses[record]
      key.isIPv6 = true
      key.localHigh = full.localHigh
      key.localLow = full.localLow
      key.remoteHigh = full.remoteHigh
      key.remoteLow = full.remoteLow
    } else {
      key.localLow = entry.addressWord >> 32
      key.remoteLow = entry.addressWord & 0xFFFF_FFFF
    }
    key.seal()
    return key
  }

  /// Records below this number may be in use: the bound of a walk over all of them.
  public var highWater: UInt32 { firstFresh }

  /// Whether a key with this hash would find a record and a slot.
  @_noLocks
  public func hasRoom(_ hash: UInt64) -> Bool {
    count < entries.count && bucketForInsertion(hash) != nil
  }

  /// The bucket that a new key goes to: the first, which lookups ask first, while it has room to
  /// spare; the emptier of the two after that, so that both are practically never full.
  private func bucketForInsertion(_ hash: UInt64) -> Int? {
    let first = firstBucket(hash)
    let free = freeSlots(in: first)
    if free > 4 { return first }
    let second = secondBucket(hash)
    let freeInSecond = freeSlots(in: second)
    if free == 0 && freeInSecond == 0 { return nil }
    return freeInSecond > free ? second : first
  }

  private func freeSlots(in bucket: Int) -> Int {
    // SAFETY: the bucket's number is masked.
    unsafe matchingTags(UnsafeRawPointer(buckets.pointer(bucket)), 0).nonzeroBitCount
  }

  private func freeSlot(in bucket: Int) -> Int? {
    // SAFETY: the bucket's number is masked.
    let matches = unsafe matchingTags(UnsafeRawPointer(buckets.pointer(bucket)), 0)
    return matches == 0 ? nil : matches.trailingZeroBitCount >> 3
  }

  private mutating func clear(_ record: UInt32, tag: UInt64, in bucket: Int) -> Bool {
    // SAFETY: the bucket's number is masked, and slots are below 12.
    let base = unsafe UnsafeMutableRawPointer(buckets.pointer(bucket))
    var matches = unsafe matchingTags(UnsafeRawPointer(base), tag)
    while matches != 0 {
      let slot = matches.trailingZeroBitCount >> 3
      matches &= matches &- 1
      if unsafe base.loadUnaligned(fromByteOffset: 12 &+ slot &* 4, as: UInt32.self) == record {
        unsafe base.storeBytes(of: 0, toByteOffset: slot, as: UInt8.self)
        return true
      }
    }
    return false
  }
}

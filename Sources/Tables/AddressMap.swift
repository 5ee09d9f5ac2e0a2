import Wire

/// A slot of an `AddressMap` for IPv4 keys; empty when its value is `none`.
@frozen public struct AddressSlotV4: BitwiseCopyable, Sendable {
  /// Scope in the upper half, address in the lower.
  public var key: UInt64 = 0
  public var value: TableIndex = .none
  /// Makes the size 16 explicit, so that four slots are one cache line.
  public var padding: UInt32 = 0

  @inlinable public init() {}
}

/// A slot of an `AddressMap` for IPv6 keys; empty when its value is `none`.
@frozen public struct AddressSlotV6: BitwiseCopyable, Sendable {
  public var high: UInt64 = 0
  public var low: UInt64 = 0
  public var scope: UInt32 = 0
  public var value: TableIndex = .none

  @inlinable public init() {}
}

/// A read-only map from (scope, address) to a number: open addressing with linear probing.
///
/// Keys hash to a bucket of `slotsPerBucket` slots and stand in the first free slot from there on.
/// Every run of used slots ends with an empty one before the array does, so a probe needs no wrap.
/// The compiler chose the seed such that no probe is longer than `longestProbe` slots.
@frozen public struct AddressMap: Sendable {
  /// Slots between two places where probes begin. Four IPv4 slots are one cache line.
  @inlinable public static var slotsPerBucket: Int { 4 }
  /// Most slots that a lookup reads.
  @inlinable public static var longestProbe: Int { 64 }

  @usableFromInline let seed: UInt64
  @usableFromInline let v4Buckets: UInt64
  @usableFromInline let v6Buckets: UInt64
  @usableFromInline let v4: FlatArray<AddressSlotV4>
  @usableFromInline let v6: FlatArray<AddressSlotV6>

  /// A map without keys.
  @inlinable public init() {
    seed = 0
    v4Buckets = 0
    v6Buckets = 0
    v4 = FlatArray()
    v6 = FlatArray()
  }

  /// A map over the arrays that the compiler built; a count of buckets is zero for no slots.
  @inlinable public init(
    seed: UInt64, v4Buckets: Int, v4: FlatArray<AddressSlotV4>, v6Buckets: Int,
    v6: FlatArray<AddressSlotV6>
  ) {
    self.seed = seed
    self.v4Buckets = UInt64(v4Buckets)
    self.v6Buckets = UInt64(v6Buckets)
    self.v4 = v4
    self.v6 = v6
  }

  /// The value of a key, or `none`.
  ///
  /// - Complexity: constant; one cache line is read in most cases.
  @inlinable
  public func lookup(scope: UInt32, _ address: IPAddress) -> TableIndex {
    if address.family == .v4 {
      guard v4Buckets != 0 else { return .none }
      let key = AddressMap.key(scope: scope, address)
      var slot = AddressMap.firstSlot(AddressMap.hash(key, seed: seed), buckets: v4Buckets)
      while true {
        let entry = v4[slot]
        if entry.value == .none || entry.key == key { return entry.value }
        slot = slot &+ 1
      }
    }
    guard v6Buckets != 0 else { return .none }
    let hash = AddressMap.hash(scope: scope, high: address.high, low: address.low, seed: seed)
    var slot = AddressMap.firstSlot(hash, buckets: v6Buckets)
    while true {
      let entry = v6[slot]
      if entry.value == .none { return .none }
      if entry.low == address.low && entry.high == address.high && entry.scope == scope {
        return entry.value
      }
      slot = slot &+ 1
    }
  }

  /// The memory that a lookup reads first, or nil when the map has no key of the family.
  @unsafe @inlinable
  public func prefetchAddress(scope: UInt32, _ address: IPAddress) -> UnsafeRawPointer? {
    if address.family == .v4 {
      guard v4Buckets != 0 else { return nil }
      let key = AddressMap.key(scope: scope, address)
      let slot = AddressMap.firstSlot(AddressMap.hash(key, seed: seed), buckets: v4Buckets)
      return unsafe UnsafeRawPointer(v4.pointer(slot))
    }
    guard v6Buckets != 0 else { return nil }
    let hash = AddressMap.hash(scope: scope, high: address.high, low: address.low, seed: seed)
    let slot = AddressMap.firstSlot(hash, buckets: v6Buckets)
    return unsafe UnsafeRawPointer(v6.pointer(slot))
  }

  /// Scope and IPv4 address in one number.
  @inlinable @inline(__always)
  public static func key(scope: UInt32, _ address: IPAddress) -> UInt64 {
    UInt64(scope) &<< 32 | address.low & 0xFFFF_FFFF
  }

  /// The hash of an IPv4 key: two rounds of multiply and fold.
  @inlinable @inline(__always)
  public static func hash(_ key: UInt64, seed: UInt64) -> UInt64 {
    fold(fold(key ^ seed, 0x9E37_79B9_7F4A_7C15) ^ seed, 0xD6E8_FEB8_6659_FD93)
  }

  /// The hash of an IPv6 key: three rounds of multiply and fold.
  @inlinable @inline(__always)
  public static func hash(scope: UInt32, high: UInt64, low: UInt64, seed: UInt64) -> UInt64 {
    let first = fold(high ^ seed, 0x9E37_79B9_7F4A_7C15)
    let second = fold(first ^ low, 0xD6E8_FEB8_6659_FD93)
    return fold(second ^ UInt64(scope) ^ seed, 0xA076_1D64_78BD_642F)
  }

  /// The slot where the probe of a hash begins: the hash as a fraction of the buckets.
  @inlinable @inline(__always)
  public static func firstSlot(_ hash: UInt64, buckets: UInt64) -> Int {
    let bucket = hash.multipliedFullWidth(by: buckets).high
    return Int(truncatingIfNeeded: bucket) &* slotsPerBucket
  }

  @inlinable @inline(__always)
  static func fold(_ value: UInt64, _ factor: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: factor)
    return product.high ^ product.low
  }
}

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
/// Keys hash to a bucket of `slotsPerBucket` slots. They stand in the order of their hashes, each
/// in the first free slot from its bucket on, so that displacement is spread evenly and its maximum
/// is small: a lookup reads at most that many slots. There are always as many; none wraps round.
@frozen public struct AddressMap: Sendable {
  /// Slots between two places where probes begin. Four IPv4 slots are one cache line.
  @inlinable public static var slotsPerBucket: Int { 4 }

  /// The size of one family's slots.
  @frozen public struct Extent: BitwiseCopyable, Sendable {
    /// Zero when there is no key of the family.
    public var buckets: UInt64 = 0
    /// Slots that a lookup may have to read from the start of a bucket.
    public var longestProbe: Int = 0

    @inlinable public init() {}
  }

  @usableFromInline let seed: UInt64
  @usableFromInline let v4Extent: Extent
  @usableFromInline let v6Extent: Extent
  @usableFromInline let v4: FlatArray<AddressSlotV4>
  @usableFromInline let v6: FlatArray<AddressSlotV6>

  /// A map without keys.
  @inlinable public init() {
    seed = 0
    v4Extent = Extent()
    v6Extent = Extent()
    v4 = FlatArray()
    v6 = FlatArray()
  }

  /// A map over the arrays that the compiler built.
  @inlinable public init(
    seed: UInt64, v4: FlatArray<AddressSlotV4>, extent v4Extent: Extent,
    v6: FlatArray<AddressSlotV6>, extent v6Extent: Extent
  ) {
    self.seed = seed
    self.v4Extent = v4Extent
    self.v6Extent = v6Extent
    self.v4 = v4
    self.v6 = v6
  }

  /// The value of a key, or `none`.
  ///
  /// - Complexity: constant; one cache line is read in most cases.
  @inlinable
  @_noLocks
  public func lookup(scope: UInt32, _ address: IPAddress) -> TableIndex {
    if address.family == .v4 {
      guard v4Extent.buckets != 0 else { return .none }
      let key = AddressMap.key(scope: scope, address)
      var slot = AddressMap.firstSlot(AddressMap.hash(key, seed: seed), v4Extent)
      let end = slot &+ v4Extent.longestProbe
      while slot < end {
        let entry = v4[slot]
        if entry.value == .none || entry.key == key { return entry.value }
        slot = slot &+ 1
      }
      return .none
    }
    guard v6Extent.buckets != 0 else { return .none }
    let hash = AddressMap.hash(scope: scope, high: address.high, low: address.low, seed: seed)
    var slot = AddressMap.firstSlot(hash, v6Extent)
    let end = slot &+ v6Extent.longestProbe
    while slot < end {
      let entry = v6[slot]
      if entry.value == .none { return .none }
      if entry.low == address.low && entry.high == address.high && entry.scope == scope {
        return entry.value
      }
      slot = slot &+ 1
    }
    return .none
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
  public static func firstSlot(_ hash: UInt64, _ extent: Extent) -> Int {
    let bucket = hash.multipliedFullWidth(by: extent.buckets).high
    return Int(truncatingIfNeeded: bucket) &* slotsPerBucket
  }

  @inlinable @inline(__always)
  static func fold(_ value: UInt64, _ factor: UInt64) -> UInt64 {
    let product = value.multipliedFullWidth(by: factor)
    return product.high ^ product.low
  }
}

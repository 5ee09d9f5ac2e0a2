/// Where one trie of a `PrefixTrieSet` begins.
@frozen public struct PrefixTrieRecord: BitwiseCopyable, Sendable {
  /// The leading bits that all prefixes but the one of length zero have in common, left-aligned.
  public var sharedHigh: UInt64 = 0
  public var sharedLow: UInt64 = 0
  /// Ones for the bits of `sharedHigh` and `sharedLow` that count.
  public var maskHigh: UInt64 = 0
  public var maskLow: UInt64 = 0
  /// The value of addresses without the shared bits: that of the prefix of length zero, or none.
  public var outside: TableIndex = .none
  /// What the addresses with the shared bits lead to; unused when there is a direct table.
  public var root = PrefixLink.nothing
  /// Index of the first entry of the direct table, or none.
  public var direct: UInt32 = .none
  /// 32 or 128.
  public var addressBits: UInt8 = 32
  /// How many leading bits are shared; the blocks begin after them.
  public var sharedBits: UInt8 = 0

  @inlinable public init() {}
}

/// Longest prefix match for many tries of both families that stand in one image.
///
/// Bits that all prefixes share are compared at once, a large trie begins with a direct table, and
/// a `PrefixBlock` decides the next eight or 32 bits. So a lookup costs at most 16 blocks for IPv6
/// and four for IPv4, mostly one or two.
@frozen public struct PrefixTrieSet: Sendable {
  /// The bits that index a direct table.
  @inlinable public static var directBits: UInt64 { 16 }
  @inlinable public static var directCount: Int { 1 &<< 16 }

  @usableFromInline let tries: FlatArray<PrefixTrieRecord>
  @usableFromInline let direct: FlatArray<PrefixLink>
  @usableFromInline let blocks: PrefixBlocks

  /// A set without tries.
  @inlinable public init() {
    tries = FlatArray()
    direct = FlatArray()
    blocks = PrefixBlocks(FlatArray())
  }

  /// A set over the arrays that the compiler built.
  ///
  /// - Parameter lines: the memory of all blocks.
  @inlinable public init(
    tries: FlatArray<PrefixTrieRecord>, direct: FlatArray<PrefixLink>,
    lines: FlatArray<PrefixLine>
  ) {
    self.tries = tries
    self.direct = direct
    blocks = PrefixBlocks(lines)
  }

  /// The value of the longest prefix that holds an address.
  ///
  /// - Parameters:
  ///   - trie: a trie of this set; `none` holds no prefix.
  ///   - high: the upper half of an IPv6 address in host byte order, 0 for IPv4.
  ///   - low: the lower half, or the 32 bits of an IPv4 address.
  /// - Returns: the value, or `none`.
  @inlinable
  @_noLocks
  public func lookup(_ trie: TableIndex, high: UInt64, low: UInt64) -> TableIndex {
    guard trie != .none else { return .none }
    let record = tries[trie]
    // Left-aligned, so that the next bits are always the top ones.
    var upper = record.addressBits == 32 ? low &<< 32 : high
    var lower = record.addressBits == 32 ? 0 : low
    guard
      (upper ^ record.sharedHigh) & record.maskHigh | (lower ^ record.sharedLow) & record.maskLow
        == 0
    else { return record.outside }
    PrefixTrieSet.shift(&upper, &lower, by: UInt64(record.sharedBits))
    var entry = record.root
    if record.direct != .none {
      entry = direct[record.direct &+ PrefixTrieSet.directSlot(upper)]
      PrefixTrieSet.shift(&upper, &lower, by: PrefixTrieSet.directBits)
    }
    while entry.isBlock { entry = blocks.decide(entry, &upper, &lower) }
    return entry.value
  }

  /// The entry of a direct table that the next bits lead to.
  @inlinable @inline(__always)
  static func directSlot(_ upper: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: upper &>> (64 &- directBits))
  }

  /// Moves a 128-bit number left by 0 to 127 bits.
  @inlinable @inline(__always)
  static func shift(_ upper: inout UInt64, _ lower: inout UInt64, by count: UInt64) {
    if count >= 64 {
      upper = lower
      lower = 0
    }
    let rest = count & 63
    // Two shifts, because one by 64 would be one by zero.
    upper = upper &<< rest | (lower &>> 1) &>> (63 &- rest)
    lower = lower &<< rest
  }
}

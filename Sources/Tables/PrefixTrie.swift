/// A node of a prefix trie: 64 slots, one for each value of the next six bits of an address.
///
/// The structure is that of Poptrie (Asai and Ohara, SIGCOMM 2015): two bitmaps and the population
/// count replace 64 pointers.
@frozen public struct PrefixTrieNode: BitwiseCopyable, Sendable {
  /// Bit per slot: the slot leads to another node.
  public var children: UInt64 = 0
  /// Bit per slot without child: a new value begins here; the slots after it share that value.
  public var leaves: UInt64 = 0
  /// Index of the node of the first child; the others follow.
  public var firstChild: UInt32 = 0
  /// Index of the value of the first run of leaves; the others follow.
  public var firstLeaf: UInt32 = 0

  @inlinable public init() {}
}

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
  /// Index of the root node; unused when there is a direct table.
  public var root: UInt32 = 0
  /// Index of the first entry of the direct table, or none.
  public var direct: UInt32 = .none
  /// 32 or 128.
  public var addressBits: UInt8 = 32
  /// How many leading bits are shared; the nodes begin after them.
  public var sharedBits: UInt8 = 0
  /// The bits that index the direct table: 16 or 18.
  public var directBits: UInt8 = 0

  @inlinable public init() {}
}

/// Longest prefix match for many tries of both families that stand in one image.
///
/// A lookup costs at most 22 dependent loads for IPv6 and 6 for IPv4, mostly far fewer: bits that
/// all prefixes share are compared at once, and a large trie begins with a direct table.
@frozen public struct PrefixTrieSet: Sendable {
  /// Set in an entry of a direct table that is the index of a node and not a value.
  @inlinable public static var nodeFlag: UInt32 { 0x8000_0000 }
  /// The entry of a direct table that stands for "no value"; values are smaller.
  @inlinable public static var emptyEntry: UInt32 { 0x7FFF_FFFF }

  @usableFromInline let tries: FlatArray<PrefixTrieRecord>
  @usableFromInline let nodes: FlatArray<PrefixTrieNode>
  @usableFromInline let values: FlatArray<UInt32>
  @usableFromInline let direct: FlatArray<UInt32>

  /// A set without tries.
  @inlinable public init() {
    tries = FlatArray()
    nodes = FlatArray()
    values = FlatArray()
    direct = FlatArray()
  }

  /// A set over the arrays that the compiler built.
  @inlinable public init(
    tries: FlatArray<PrefixTrieRecord>, nodes: FlatArray<PrefixTrieNode>,
    values: FlatArray<UInt32>, direct: FlatArray<UInt32>
  ) {
    self.tries = tries
    self.nodes = nodes
    self.values = values
    self.direct = direct
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
    // Left-aligned, so that the next six bits are always the top ones.
    var upper = record.addressBits == 32 ? low &<< 32 : high
    var lower = record.addressBits == 32 ? 0 : low
    guard
      (upper ^ record.sharedHigh) & record.maskHigh | (lower ^ record.sharedLow) & record.maskLow
        == 0
    else { return record.outside }
    PrefixTrieSet.shift(&upper, &lower, by: UInt64(record.sharedBits))
    var index = record.root
    if record.direct != .none {
      let bits = UInt64(record.directBits)
      let entry = direct[record.direct &+ UInt32(truncatingIfNeeded: upper &>> (64 &- bits))]
      guard entry & PrefixTrieSet.nodeFlag != 0 else {
        return entry == PrefixTrieSet.emptyEntry ? .none : entry
      }
      index = entry & ~PrefixTrieSet.nodeFlag
      PrefixTrieSet.shift(&upper, &lower, by: bits)
    }
    while true {
      let node = nodes[index]
      let slot = upper &>> 58
      // Ones up to and with the slot: for slot 63 the shift leaves zero, less one all ones.
      let upToSlot = (2 &<< slot) &- 1
      guard node.children &>> slot & 1 != 0 else {
        let rank = UInt32(truncatingIfNeeded: (node.leaves & upToSlot).nonzeroBitCount)
        return values[node.firstLeaf &+ rank &- 1]
      }
      let rank = UInt32(truncatingIfNeeded: (node.children & upToSlot).nonzeroBitCount)
      index = node.firstChild &+ rank &- 1
      PrefixTrieSet.shift(&upper, &lower, by: 6)
    }
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

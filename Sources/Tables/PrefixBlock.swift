import CDataplane

/// What bits of an address lead to: a value, no value, or a block that looks at more bits.
@frozen public struct PrefixLink: BitwiseCopyable, Sendable, Equatable {
  /// A value below `valueLimit`; `valueLimit` for no value; or, with `blockFlag`, the kind and the
  /// first line of a block.
  public var bits: UInt32

  @inlinable public init(bits: UInt32) { self.bits = bits }

  /// - Parameter value: below `valueLimit`, or `none`.
  @inlinable public init(value: TableIndex) {
    bits = value == .none ? PrefixLink.valueLimit : value
  }

  /// - Parameter line: below `lineLimit`.
  @inlinable public init(_ kind: PrefixBlockKind, line: UInt32) {
    bits = PrefixLink.blockFlag | UInt32(kind.rawValue) &<< 28 | line
  }

  @inlinable public static var nothing: PrefixLink { PrefixLink(bits: valueLimit) }
  @inlinable public static var valueLimit: UInt32 { 0x7FFF_FFFF }
  @inlinable public static var lineLimit: UInt32 { 1 &<< 28 }
  @usableFromInline static var blockFlag: UInt32 { 0x8000_0000 }

  @inlinable @inline(__always)
  public var isBlock: Bool { bits & PrefixLink.blockFlag != 0 }

  /// The value, or `none`; meaningless for a block.
  @inlinable @inline(__always)
  public var value: TableIndex {
    // The limit and one has the block's flag, which makes it `none`; no other value reaches it.
    bits | (bits &+ 1) & PrefixLink.blockFlag
  }

  /// The kind of a block.
  @inlinable @inline(__always)
  public var kind: PrefixBlockKind { PrefixBlockKind(rawValue: bits &>> 28 & 7) }

  /// The first line of a block.
  @inlinable @inline(__always)
  public var line: UInt32 { bits & (PrefixLink.lineLimit &- 1) }
}

/// How a block is laid out.
@frozen public struct PrefixBlockKind: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline let rawValue: UInt32

  @inlinable init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Eight bits; a run is a byte.
  @inlinable public static var bytes: PrefixBlockKind { PrefixBlockKind(rawValue: 0) }
  /// Eight bits; a run is a link.
  @inlinable public static var slots: PrefixBlockKind { PrefixBlockKind(rawValue: 1) }
  /// 32 bits; up to 8, 16 or 32 runs.
  @inlinable public static var keys8: PrefixBlockKind { PrefixBlockKind(rawValue: 4) }
  @inlinable public static var keys16: PrefixBlockKind { PrefixBlockKind(rawValue: 5) }
  @inlinable public static var keys32: PrefixBlockKind { PrefixBlockKind(rawValue: 6) }

  @inlinable @inline(__always)
  public var hasKeys: Bool { rawValue & 4 != 0 }

  /// The runs that a block of keys has room for.
  @inlinable @inline(__always)
  public var keyCount: UInt32 { 8 &<< (rawValue & 3) }
}

/// A cache line of a block.
@frozen public struct PrefixLine: BitwiseCopyable, Sendable {
  public var words = SIMD16<UInt32>()

  @inlinable public init() {}

  @inlinable public static var wordCount: Int { 16 }
}

/// The blocks of prefix tries: consecutive cache lines, each a step of a lookup.
///
/// What the next bits of an address lead to is a sequence of runs. A block of **keys** has, of each
/// run but the last, the last 32 bits that belong to it, ascending, the rest all ones, and then an
/// link for each run: how many keys are below the address's bits is which of them counts (a node of
/// a search tree with many keys, as Kim et al., FAST, SIGMOD 2010, compare them). A block of
/// **slots** has a bit for each value of the next eight bits, set where a run begins, and then an
/// link for each run, or a byte when all are values near each other (Degermark et al.,
/// Small Forwarding Tables for Fast Routing Lookups, SIGCOMM 1997).
@frozen public struct PrefixBlocks: Sendable {
  @usableFromInline let lines: FlatArray<PrefixLine>

  @inlinable public init(_ lines: FlatArray<PrefixLine>) { self.lines = lines }

  /// Words of a block of slots: 256 bits, runs before each quarter of them as bytes, the value that
  /// the byte zero means, and the link that `otherByte` means.
  @inlinable public static var countsWord: UInt32 { 8 }
  @inlinable public static var baseWord: UInt32 { 9 }
  @inlinable public static var otherWord: UInt32 { 10 }
  @inlinable public static var runsWord: UInt32 { 11 }
  /// The byte of a run that has not a value near the others.
  @inlinable public static var otherByte: UInt32 { 255 }

  /// Looks at the next bits of an address, which are shifted out.
  @inlinable @inline(__always)
  func decide(
    _ block: PrefixLink, _ upper: inout UInt64, _ lower: inout UInt64
  ) -> PrefixLink {
    let kind = block.kind
    let line = block.line
    if kind.hasKeys {
      let rank = keysBelow(UInt32(truncatingIfNeeded: upper &>> 32), kind, line)
      (upper, lower) = (upper &<< 32 | lower &>> 32, lower &<< 32)
      return PrefixLink(bits: word(line, kind.keyCount &+ rank))
    }
    let slot = upper &>> 56
    (upper, lower) = (upper &<< 8 | lower &>> 56, lower &<< 8)
    let rank = runsBefore(slot, line)
    if kind == .slots { return PrefixLink(bits: word(line, PrefixBlocks.runsWord &+ rank)) }
    let byte = self.byte(line, 4 &* PrefixBlocks.runsWord &+ rank)
    let near = word(line, PrefixBlocks.baseWord) &+ byte
    // Arithmetic, because a comparison becomes a branch that nobody can predict: all ones for the
    // other byte, which is the last one.
    let isOther = 0 &- (byte &+ 1) &>> 8
    return PrefixLink(bits: near ^ (near ^ word(line, PrefixBlocks.otherWord)) & isOther)
  }

  /// The run that a slot is in, from zero: the first slot begins one.
  @inlinable @inline(__always)
  func runsBefore(_ slot: UInt64, _ line: UInt32) -> UInt32 {
    let quarter = slot &>> 6
    // Ones up to and with the slot: for slot 63 the shift leaves zero, less one all ones.
    let upToSlot = (2 &<< (slot & 63)) &- 1
    // SAFETY: `pointer` checks the line's number, and four quarters are 32 of its 64 bytes.
    let bits = unsafe UnsafeRawPointer(lines.pointer(Int(line))).load(
      fromByteOffset: Int(8 &* quarter), as: UInt64.self)
    let before = word(line, PrefixBlocks.countsWord) &>> UInt32(8 &* quarter) & 255
    return before &+ UInt32(truncatingIfNeeded: (bits & upToSlot).nonzeroBitCount) &- 1
  }

  /// How many keys of a block are below a number.
  @inlinable @inline(__always)
  func keysBelow(_ number: UInt32, _ kind: PrefixBlockKind, _ line: UInt32) -> UInt32 {
    // Arithmetic, because nobody can predict which of a trie's many small blocks have eight keys.
    let hasMore = 0 &- (kind.rawValue | kind.rawValue &>> 1) & 1
    let below =
      keysBelow(number, ofEightFrom: 0, line)
      &+ keysBelow(number, ofEightFrom: 8, line) & hasMore
    if kind != .keys32 { return below }
    return below &+ keysBelow(number, ofEightFrom: 16, line)
      &+ keysBelow(number, ofEightFrom: 24, line)
  }

  @inlinable @inline(__always) @_semantics("no_performance_analysis")
  func keysBelow(_ number: UInt32, ofEightFrom word: Int, _ line: UInt32) -> UInt32 {
    // SAFETY: `pointer` checks the number of the line that has the eight keys, half of it.
    let keys = unsafe UnsafeRawPointer(lines.pointer(Int(line) &+ word &>> 4))
    return unsafe apus_keys_below_8(keys + 4 * (word & 15), number)
  }

  /// A word of the block that begins with a line.
  @inlinable @inline(__always)
  public func word(_ line: UInt32, _ index: UInt32) -> UInt32 {
    // SAFETY: `pointer` checks the number of the line that has the word.
    unsafe UnsafeRawPointer(lines.pointer(Int(line &+ index &>> 4))).load(
      fromByteOffset: Int(4 &* (index & 15)), as: UInt32.self)
  }

  /// A byte of the block that begins with a line.
  @inlinable @inline(__always)
  public func byte(_ line: UInt32, _ index: UInt32) -> UInt32 {
    // SAFETY: `pointer` checks the number of the line that has the byte.
    let byte = unsafe UnsafeRawPointer(lines.pointer(Int(line &+ index &>> 6))).load(
      fromByteOffset: Int(index & 63), as: UInt8.self)
    return UInt32(byte)
  }

  /// Brings what most lookups read of a block towards the core.
  @inlinable @inline(__always)
  func prefetchBlock(_ block: PrefixLink) {
    // SAFETY: `pointer` checks the number of the first line, and a prefetch never faults.
    let start = unsafe UnsafeRawPointer(lines.pointer(Int(block.line)))
    unsafe prefetch(start)
    if block.kind != .keys8 { unsafe prefetch(start + 64) }
    if block.kind == .keys32 { unsafe prefetch(start + 128) }
  }
}

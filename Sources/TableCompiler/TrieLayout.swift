import Tables
import Wire

/// Something with a prefix whose address is left-aligned in 128 bits.
protocol PrefixEntry {
  var high: UInt64 { get }
  var low: UInt64 { get }
  var length: Int { get }
}

extension PrefixEntry {
  /// `count` bits of the address from bit `offset` on; zeros beyond its end.
  func bits(_ offset: Int, _ count: Int) -> Int {
    let upper = offset >= 64 ? low << (offset - 64) : high << offset | low >> (64 - offset)
    return Int(truncatingIfNeeded: upper >> (64 - count))
  }
}

/// How a trie begins: which leading bits its prefixes share, and whether a direct table follows.
struct TrieLayout {
  /// Prefixes from which on a trie begins with a table that 16 or 18 bits index. The tables take
  /// 256 KiB and 1 MiB, so a prefix never pays more than 128 bytes for its share.
  static let directThresholds: [(prefixes: Int, bits: Int)] = [(65_536, 18), (2_048, 16)]

  /// All but indices.
  private(set) var record = PrefixTrieRecord()
  /// Whether the first entry is the prefix of length zero.
  let hasOutside: Bool
  /// Whether an entry is just the shared bits; it follows the prefix of length zero.
  private(set) var hasShared = false
  /// Bits that index the direct table; 0 without one.
  private(set) var directBits = 0

  /// The leading bits that are compared at once.
  var depth: Int { Int(record.sharedBits) }
  /// Where the entries begin that the nodes or the direct table know.
  var first: Int { (hasOutside ? 1 : 0) + (hasShared ? 1 : 0) }

  /// - Parameters:
  ///   - entries: ascending, at least one.
  ///   - previous: the layout before, whose shared bits are kept where they are shared still.
  /// - Complexity: O(entries).
  init<Entry: PrefixEntry>(
    _ entries: [Entry], _ family: IPFamily, after previous: PrefixTrieRecord? = nil
  ) {
    record.addressBits = UInt8(family.bitWidth)
    hasOutside = entries[0].length == 0
    share(entries[(hasOutside ? 1 : 0)...], after: previous)
    let next = hasOutside ? 1 : 0
    hasShared = next < entries.count && entries[next].length == depth
    let rest = entries.count - first
    directBits = Self.directThresholds.first { rest >= $0.prefixes }?.bits ?? 0
    record.directBits = UInt8(directBits)
  }

  /// Notes the leading bits that all entries share.
  private mutating func share<Entry: PrefixEntry>(
    _ entries: ArraySlice<Entry>, after previous: PrefixTrieRecord?
  ) {
    guard let first = entries.first, let last = entries.last else { return }
    var shared = (first.high ^ last.high).leadingZeroBitCount
    if shared == 64 { shared += (first.low ^ last.low).leadingZeroBitCount }
    // At most 127, the largest shift that the lookup knows.
    shared = min(shared, 127)
    for entry in entries { shared = min(shared, entry.length) }
    if let previous, previous.sharedBits <= shared,
      first.high & previous.maskHigh == previous.sharedHigh,
      first.low & previous.maskLow == previous.sharedLow
    {
      shared = Int(previous.sharedBits)
    }
    let mask = IPPrefix.mask(family: .v6, length: shared)
    record.maskHigh = mask.high
    record.maskLow = mask.low
    record.sharedHigh = first.high & mask.high
    record.sharedLow = first.low & mask.low
    record.sharedBits = UInt8(shared)
  }
}

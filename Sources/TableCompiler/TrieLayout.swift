import Tables
import Wire

/// Something with a prefix whose address is left-aligned in 128 bits.
protocol PrefixEntry {
  var high: UInt64 { get }
  var low: UInt64 { get }
  var length: Int { get }
}

/// How a trie begins: which leading bits its prefixes share, and whether a direct table follows.
struct TrieLayout {
  /// Prefixes from which on a trie begins with a direct table. It takes 256 KiB, so a prefix never
  /// pays more than 128 bytes for its share.
  static let directThreshold = 2_048

  /// All but indices.
  private(set) var record = PrefixTrieRecord()
  /// Whether the first entry is the prefix of length zero.
  let hasOutside: Bool
  /// Whether an entry is just the shared bits; it follows the prefix of length zero.
  private(set) var hasShared = false
  let hasDirect: Bool

  /// The leading bits that are compared at once.
  var depth: Int { Int(record.sharedBits) }
  /// Where the entries begin that the blocks or the direct table know.
  var first: Int { (hasOutside ? 1 : 0) + (hasShared ? 1 : 0) }

  /// - Parameters:
  ///   - entries: ascending, at least one.
  ///   - previous: the layout before, whose shared bits are kept where they are shared still.
  /// - Complexity: O(entries).
  init<Entry: PrefixEntry>(
    _ entries: [Entry], _ family: IPFamily, after previous: PrefixTrieRecord? = nil
  ) {
    let next = entries[0].length == 0 ? 1 : 0
    hasOutside = next == 1
    hasDirect = entries.count - next > Self.directThreshold
    record.addressBits = UInt8(family.bitWidth)
    share(entries[next...], after: previous)
    hasShared = next < entries.count && entries[next].length == depth
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

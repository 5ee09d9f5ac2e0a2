import Tables
import Wire

/// Builds the tries of a `PrefixTrieSet`, one after the other, into one image.
struct PrefixTrieBuilder {
  private(set) var tries: [PrefixTrieRecord] = []
  private(set) var direct: [PrefixLink] = []
  /// Blocks are numbered as the writer numbers them, until they have a place.
  var blocks = PrefixBlockWriter()

  /// A prefix with its address left-aligned in 128 bits.
  struct Entry: PrefixEntry {
    var high: UInt64
    var low: UInt64
    var length: Int
    var value: UInt32

    init(_ prefix: IPPrefix, _ value: UInt32) {
      let address = prefix.address
      high = address.family == .v4 ? address.low << 32 : address.high
      low = address.family == .v4 ? 0 : address.low
      length = prefix.length
      self.value = value
    }

    /// The prefix of something else.
    init(_ other: some PrefixEntry, _ value: UInt32) {
      high = other.high
      low = other.low
      length = other.length
      self.value = value
    }

    init(_ pair: FlatRules.Pair, _ value: UInt32) {
      high = pair.high
      low = pair.low
      length = Int(pair.length)
      self.value = value
    }

    /// An enclosing prefix comes before those it encloses.
    static func < (a: Entry, b: Entry) -> Bool {
      if a.high != b.high { return a.high < b.high }
      if a.low != b.low { return a.low < b.low }
      return a.length < b.length
    }
  }

  /// Adds a trie.
  ///
  /// - Parameters:
  ///   - prefixes: of one family, each at most once, in any order.
  /// - Returns: the trie's index, or `none` when there is no prefix.
  /// - Complexity: O(n log n) in the prefixes.
  mutating func add(
    _ prefixes: [(prefix: IPPrefix, value: UInt32)]
  ) throws(TableCompilerError) -> TableIndex {
    guard let family = prefixes.first?.prefix.family else { return .none }
    var entries = prefixes.map { Entry($0.prefix, $0.value) }
    entries.sort(by: <)
    return try add(sorted: entries, family)
  }

  /// Adds a trie of entries that are sorted already.
  ///
  /// - Complexity: O(n) in the entries.
  mutating func add(
    sorted entries: [Entry], _ family: IPFamily
  ) throws(TableCompilerError) -> TableIndex {
    if entries.isEmpty { return .none }
    let layout = TrieLayout(entries, family)
    var record = layout.record
    if layout.hasOutside { record.outside = entries[0].value }
    let inherited = layout.hasShared ? entries[layout.first - 1].value : record.outside
    let shared = PrefixSpan(record)
    let runs = PrefixRun.runs(entries[layout.first...], in: shared, inherited: inherited)
    runs.withUnsafeBufferPointer { runs in
      if layout.hasDirect {
        record.direct = UInt32(direct.count)
        appendTable(blocks.divide(runs[...], in: shared, bits: Int(PrefixTrieSet.directBits)))
      } else {
        record.root = blocks.add(runs[...], in: shared)
      }
    }
    try checkCapacity()
    tries.append(record)
    return UInt32(tries.count - 1)
  }

  private mutating func appendTable(_ steps: [PrefixStep]) {
    for (index, step) in steps.enumerated() {
      let end = index + 1 < steps.count ? Int(steps[index + 1].first) : PrefixTrieSet.directCount
      direct.append(contentsOf: repeatElement(step.link, count: end - Int(step.first)))
    }
  }

  /// The finished image.
  func finish(in memory: ImageMemory) -> PrefixTrieSet {
    let place = PrefixBlockWriter.Place(line: 0)
    return PrefixTrieSet(
      tries: memory.store(
        tries.map { record in
          var record = record
          record.root = record.root.moved(place)
          return record
        }),
      direct: memory.store(direct.map { $0.moved(place) }),
      lines: memory.store(blocks.placed(place))
    )
  }

  private func checkCapacity() throws(TableCompilerError) {
    try TableCompilerError.check(
      blocks.lineCount, of: "cache lines of prefix tries",
      limit: Int(PrefixBlockWriter.firstLine))
    try TableCompilerError.check(
      direct.count, of: "entries of direct tables", limit: Int(PrefixLink.valueLimit))
  }
}

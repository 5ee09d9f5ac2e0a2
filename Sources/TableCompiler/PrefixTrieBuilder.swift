import Tables
import Wire

/// Builds the tries of a `PrefixTrieSet`, one after the other, into one image.
struct PrefixTrieBuilder {
  private(set) var tries: [PrefixTrieRecord] = []
  var nodes: [PrefixTrieNode] = []
  private(set) var values: [UInt32] = []
  private(set) var direct: [UInt32] = []

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
    entries.withUnsafeBufferPointer { entries in
      let rest = entries[layout.first...]
      if layout.directBits > 0 {
        record.direct = addDirect(
          rest, depth: layout.depth, bits: layout.directBits, inherited: inherited)
      } else {
        record.root = addNode(rest, depth: layout.depth, inherited: inherited)
      }
    }
    try checkCapacity()
    tries.append(record)
    return UInt32(tries.count - 1)
  }

  /// The finished image.
  func finish(in memory: ImageMemory) -> PrefixTrieSet {
    PrefixTrieSet(
      tries: memory.store(tries), nodes: memory.store(nodes), values: memory.store(values),
      direct: memory.store(direct))
  }

  private func checkCapacity() throws(TableCompilerError) {
    let limit = Int(PrefixTrieSet.emptyEntry)
    try TableCompilerError.check(nodes.count, of: "nodes of prefix tries", limit: limit)
    try TableCompilerError.check(values.count, of: "values of prefix tries", limit: limit)
    try TableCompilerError.check(direct.count, of: "entries of direct tables", limit: limit)
  }

  /// Sorted entries, all of one trie.
  typealias Entries = Slice<UnsafeBufferPointer<Entry>>

  /// A slot that longer entries divide, and where these end.
  struct Child {
    var slot: UInt32
    var start: Int
    var end: Int
  }

  /// Appends a direct table for the `bits` bits from `depth` on, and the nodes below it.
  private mutating func addDirect(
    _ entries: Entries, depth: Int, bits: Int, inherited: UInt32
  ) -> UInt32 {
    let start = direct.count
    var children: [Child] = []
    direct.append(contentsOf: repeatElement(inherited, count: 1 << bits))
    direct.withUnsafeMutableBufferPointer { direct in
      let slots = UnsafeMutableBufferPointer(rebasing: direct[start...])
      Self.expand(entries, depth: depth, bits: bits, into: slots) { children.append($0) }
    }
    for slot in direct[start...].indices where direct[slot] == .none {
      direct[slot] = PrefixTrieSet.emptyEntry
    }
    for child in children {
      let slot = start + Int(child.slot)
      let value = direct[slot] == PrefixTrieSet.emptyEntry ? .none : direct[slot]
      let below = entries.base[child.start..<child.end]
      direct[slot] =
        addNode(below, depth: depth + bits, inherited: value) | PrefixTrieSet.nodeFlag
    }
    return UInt32(start)
  }

  /// Appends a node for the six bits from `depth` on, and the nodes below it.
  ///
  /// - Returns: its index.
  mutating func addNode(_ entries: Entries, depth: Int, inherited: UInt32) -> UInt32 {
    let node = nodes.count
    nodes.append(PrefixTrieNode())
    fill(node: node, entries, depth: depth, inherited: inherited)
    return UInt32(node)
  }

  /// Fills a node for the six bits from `depth` on, and the nodes below it.
  mutating func fill(node: Int, _ entries: Entries, depth: Int, inherited: UInt32) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { slots in
      withUnsafeTemporaryAllocation(of: Child.self, capacity: 64) { children in
        slots.initialize(repeating: inherited)
        var childCount = 0
        var record = PrefixTrieNode()
        Self.expand(entries, depth: depth, bits: 6, into: slots) { child in
          children.initializeElement(at: childCount, to: child)
          childCount += 1
          record.children |= 1 << UInt64(child.slot)
        }
        record.firstChild = UInt32(truncatingIfNeeded: nodes.count)
        record.firstLeaf = UInt32(truncatingIfNeeded: values.count)
        record.leaves = appendLeaves(slots, besides: record.children)
        nodes[node] = record
        let firstChild = nodes.count
        nodes.append(contentsOf: repeatElement(PrefixTrieNode(), count: childCount))
        for index in 0..<childCount {
          let child = children[index]
          fill(
            node: firstChild + index, entries.base[child.start..<child.end], depth: depth + 6,
            inherited: slots[Int(child.slot)])
        }
      }
    }
  }

  /// Appends the value of each run of equal slots that are no children.
  ///
  /// - Returns: a bit for each slot where a run begins.
  mutating func appendLeaves(
    _ slots: UnsafeMutableBufferPointer<UInt32>, besides children: UInt64
  ) -> UInt64 {
    var leaves: UInt64 = 0
    var rest = ~children
    var previous: UInt32?
    while rest != 0 {
      let slot = rest.trailingZeroBitCount
      rest &= rest &- 1
      if slots[slot] == previous { continue }
      leaves |= 1 << UInt64(slot)
      values.append(slots[slot])
      previous = slots[slot]
    }
    return leaves
  }

  /// Spreads entries over the slots that the `bits` bits from `depth` on make.
  ///
  /// - Parameters:
  ///   - entries: sorted; all longer than `depth`, with equal bits before it.
  ///   - slots: filled with what the entries inherit; takes the value of each slot by the entries
  ///     that end here.
  ///   - divide: called for each slot that longer entries divide, in order.
  static func expand(
    _ entries: Entries, depth: Int, bits: Int, into slots: UnsafeMutableBufferPointer<UInt32>,
    _ divide: (Child) -> Void
  ) {
    let base = entries.base
    var index = entries.startIndex
    while index < entries.endIndex {
      let slot = base[index].bits(depth, bits)
      let start = index
      let length = base[index].length
      index += 1
      if length <= depth + bits {
        // Enclosing prefixes came first, so writing over them is right.
        let value = base[start].value
        for covered in slot..<slot + 1 << (depth + bits - length) { slots[covered] = value }
        continue
      }
      while index < entries.endIndex && base[index].bits(depth, bits) == slot { index += 1 }
      divide(Child(slot: UInt32(slot), start: start, end: index))
    }
  }
}

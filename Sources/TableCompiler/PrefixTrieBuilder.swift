import Tables
import Wire

/// Builds the tries of a `PrefixTrieSet`, one after the other, into one image.
struct PrefixTrieBuilder {
  /// Prefixes from which on a trie begins with a table that 16 or 18 bits index. The tables take
  /// 256 KiB and 1 MiB, so a prefix never pays more than 128 bytes for its share.
  static let directThresholds: [(prefixes: Int, bits: Int)] = [(65_536, 18), (2_048, 16)]

  private(set) var tries: [PrefixTrieRecord] = []
  private(set) var nodes: [PrefixTrieNode] = []
  private(set) var values: [UInt32] = []
  private(set) var direct: [UInt32] = []

  /// A prefix with its address left-aligned in 128 bits.
  private struct Entry {
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

    /// `count` bits of the address from bit `offset` on; zeros beyond its end.
    func bits(_ offset: Int, _ count: Int) -> Int {
      let upper = offset >= 64 ? low << (offset - 64) : high << offset | low >> (64 - offset)
      return Int(truncatingIfNeeded: upper >> (64 - count))
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
    // An enclosing prefix comes before those it encloses.
    entries.sort { ($0.high, $0.low, $0.length) < ($1.high, $1.low, $1.length) }
    var record = PrefixTrieRecord()
    record.addressBits = UInt8(family.bitWidth)
    var first = 0
    if entries[0].length == 0 {
      record.outside = entries[0].value
      first = 1
    }
    let shared = share(entries[first...], in: &record)
    var inherited = record.outside
    if first < entries.count && entries[first].length == shared {
      inherited = entries[first].value
      first += 1
    }
    let rest = entries[first...]
    if let table = Self.directThresholds.first(where: { rest.count >= $0.prefixes }) {
      record.directBits = UInt8(table.bits)
      record.direct = addDirect(rest, depth: shared, bits: table.bits, inherited: inherited)
    } else {
      record.root = UInt32(nodes.count)
      nodes.append(PrefixTrieNode())
      fill(node: Int(record.root), rest, depth: shared, inherited: inherited)
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

  /// Notes the leading bits that all entries share, and returns their count.
  private func share(_ entries: ArraySlice<Entry>, in record: inout PrefixTrieRecord) -> Int {
    guard let first = entries.first, let last = entries.last else { return 0 }
    var shared = (first.high ^ last.high).leadingZeroBitCount
    if shared == 64 { shared += (first.low ^ last.low).leadingZeroBitCount }
    // At most 127, the largest shift that the lookup knows.
    shared = min(shared, 127)
    for entry in entries { shared = min(shared, entry.length) }
    let mask = IPPrefix.mask(family: .v6, length: shared)
    record.maskHigh = mask.high
    record.maskLow = mask.low
    record.sharedHigh = first.high & mask.high
    record.sharedLow = first.low & mask.low
    record.sharedBits = UInt8(shared)
    return shared
  }

  /// Appends a direct table for the `bits` bits from `depth` on, and the nodes below it.
  private mutating func addDirect(
    _ entries: ArraySlice<Entry>, depth: Int, bits: Int, inherited: UInt32
  ) -> UInt32 {
    let start = direct.count
    let (slots, children) = expand(entries, depth: depth, bits: bits, inherited: inherited)
    direct.append(contentsOf: slots.map { $0 == .none ? PrefixTrieSet.emptyEntry : $0 })
    for child in children {
      let node = nodes.count
      nodes.append(PrefixTrieNode())
      direct[start + child.slot] = UInt32(node) | PrefixTrieSet.nodeFlag
      fill(node: node, child.entries, depth: depth + bits, inherited: slots[child.slot])
    }
    return UInt32(start)
  }

  /// Fills a node for the six bits from `depth` on, and the nodes below it.
  private mutating func fill(
    node: Int, _ entries: ArraySlice<Entry>, depth: Int, inherited: UInt32
  ) {
    let (slots, children) = expand(entries, depth: depth, bits: 6, inherited: inherited)
    var record = PrefixTrieNode()
    record.firstChild = UInt32(truncatingIfNeeded: nodes.count)
    record.firstLeaf = UInt32(truncatingIfNeeded: values.count)
    for child in children { record.children |= 1 << UInt64(child.slot) }
    var previous: UInt32?
    for (slot, value) in slots.enumerated()
    where record.children >> UInt64(slot) & 1 == 0 && value != previous {
      record.leaves |= 1 << UInt64(slot)
      values.append(value)
      previous = value
    }
    nodes[node] = record
    let firstChild = nodes.count
    nodes.append(contentsOf: repeatElement(PrefixTrieNode(), count: children.count))
    for (index, child) in children.enumerated() {
      fill(
        node: firstChild + index, child.entries, depth: depth + 6, inherited: slots[child.slot])
    }
  }

  /// Spreads entries over the slots that the `bits` bits from `depth` on make.
  ///
  /// - Parameter entries: sorted; all longer than `depth`, with equal bits before it.
  /// - Returns: the value of each slot by the entries that end here, and for each slot that longer
  ///   entries divide, these entries.
  private func expand(
    _ entries: ArraySlice<Entry>, depth: Int, bits: Int, inherited: UInt32
  ) -> (slots: [UInt32], children: [(slot: Int, entries: ArraySlice<Entry>)]) {
    var slots = [UInt32](repeating: inherited, count: 1 << bits)
    var children: [(slot: Int, entries: ArraySlice<Entry>)] = []
    var index = entries.startIndex
    while index < entries.endIndex {
      let entry = entries[index]
      let slot = entry.bits(depth, bits)
      let start = index
      index += 1
      if entry.length <= depth + bits {
        // Enclosing prefixes came first, so writing over them is right.
        for covered in slot..<slot + 1 << (depth + bits - entry.length) {
          slots[covered] = entry.value
        }
        continue
      }
      while index < entries.endIndex && entries[index].bits(depth, bits) == slot { index += 1 }
      children.append((slot, entries[start..<index]))
    }
    return (slots, children)
  }
}

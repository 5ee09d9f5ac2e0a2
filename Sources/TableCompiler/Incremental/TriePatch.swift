import Tables

/// What a trie in the arenas becomes when the values of some prefixes change: the nodes on the way
/// to these are made anew, and lead to all others where they stand.
///
/// The trie before stays as it is, and what of it the new one leads to has to stay with it. The
/// direct table, if there is one, is copied.
struct TriePatch: Sendable {
  typealias Entry = PrefixTrieBuilder.Entry

  /// Prefixes that change, and all that is in them.
  struct Changes {
    /// Ascending.
    private(set) var entries: [Entry] = []
    /// The entries of each prefix that changes, itself first; none is in another.
    private(set) var spans: [Range<Int>] = []

    /// Whether a prefix is in the last one that was added.
    func covers(_ prefix: some PrefixEntry) -> Bool {
      spans.last.map { entries[$0.lowerBound].encloses(prefix) } ?? false
    }

    /// Adds a prefix after all others.
    ///
    /// - Parameters:
    ///   - prefix: with the value of its addresses that no longer prefix has, now.
    ///   - inner: the longer prefixes in it, ascending.
    mutating func add(_ prefix: Entry, inner: [Entry]) {
      let start = entries.count
      entries.append(prefix)
      entries += inner
      spans.append(start..<entries.count)
    }
  }

  /// What tries that follow may lead to as well.
  struct Nodes: Sendable {
    let nodes: Stored<PrefixTrieNode>
    let values: Stored<UInt32>

    var byteCount: Int { nodes.byteCount + values.byteCount }
  }

  private(set) var record: PrefixTrieRecord
  let nodes: Nodes
  /// What tries that follow have one of their own of.
  let direct: Stored<UInt32>?

  /// - Parameters:
  ///   - record: of the trie before.
  ///   - changes: with values as readers get them.
  /// - Returns: nil when the trie has to begin in another way: a prefix does not begin with the
  ///   bits that all had in common, or is no longer than these.
  /// - Complexity: O(64 d + c), d nodes on the way to the changes, and c entries of these; and the
  ///   size of the direct table.
  init?(
    _ record: PrefixTrieRecord, _ changes: Changes, in arenas: TableArenas
  ) throws(TableCompilerError) {
    for span in changes.spans where !record.isAround(changes.entries[span.lowerBound]) {
      return nil
    }
    self.record = record
    var writer = NodeWriter(changes, nodes: arenas.nodes.view, values: arenas.values.view)
    if record.directBits == 0 {
      direct = nil
      writer.addRoot(record)
    } else {
      let table = try arenas.direct.reserve(1 << Int(record.directBits))
      table.copy(from: Int(record.direct))
      table.change { slots in
        writer.patch(slots, depth: Int(record.sharedBits), bits: Int(record.directBits))
      }
      direct = table
      self.record.direct = UInt32(table.start)
    }
    let nodes = try arenas.nodes.reserve(writer.builder.nodes.count)
    let values = try arenas.values.reserve(writer.builder.values.count)
    nodes.write(writer.placed(nodes: UInt32(nodes.start), values: UInt32(values.start)))
    values.write(writer.builder.values)
    self.nodes = Nodes(nodes: nodes, values: values)
    let first = UInt32(nodes.start)
    if let direct {
      direct.change { slots in
        for (slot, node) in writer.roots { slots[slot] = (node + first) | PrefixTrieSet.nodeFlag }
      }
    } else {
      self.record.root = first
    }
  }
}

extension PrefixTrieRecord {
  /// Whether a prefix begins with the shared bits and is longer than these.
  fileprivate func isAround(_ prefix: PrefixTrieBuilder.Entry) -> Bool {
    prefix.length > Int(sharedBits) && prefix.high & maskHigh == sharedHigh
      && prefix.low & maskLow == sharedLow
  }
}

/// Writes the nodes of a patch: numbered from zero, but for what they lead to in the arenas.
private struct NodeWriter {
  private let changes: TriePatch.Changes
  private let knownNodes: FlatArray<PrefixTrieNode>
  private let knownValues: FlatArray<UInt32>
  private(set) var builder = PrefixTrieBuilder()
  /// New nodes that are copies, and lead to nodes and values in the arenas.
  private var copies: [Int] = []
  /// Slots of the direct table that lead to new nodes.
  private(set) var roots: [(slot: Int, node: UInt32)] = []

  init(
    _ changes: TriePatch.Changes, nodes: FlatArray<PrefixTrieNode>, values: FlatArray<UInt32>
  ) {
    self.changes = changes
    (knownNodes, knownValues) = (nodes, values)
  }

  /// The nodes with indices in the arenas.
  func placed(nodes first: UInt32, values firstValue: UInt32) -> [PrefixTrieNode] {
    var placed = builder.nodes
    var copied = [Bool](repeating: false, count: placed.count)
    for index in copies { copied[index] = true }
    for index in placed.indices where !copied[index] {
      placed[index].firstChild &+= first
      placed[index].firstLeaf &+= firstValue
    }
    return placed
  }

  /// The root of a trie without a direct table: new node zero.
  mutating func addRoot(_ record: PrefixTrieRecord) {
    builder.nodes.append(PrefixTrieNode())
    patch(0, knownNodes[record.root], depth: Int(record.sharedBits), changes.spans[...])
  }

  // MARK: Slots

  /// What becomes of a slot that leads to a node.
  private enum Child {
    case known(PrefixTrieNode)
    /// All of it is in one prefix that changes.
    case new(Range<Int>)
    /// Nothing was there before.
    case first(ArraySlice<Range<Int>>)
    case changed(PrefixTrieNode, ArraySlice<Range<Int>>)
  }

  /// The spans from one on that are in the same slot, all longer than what the slot tells.
  private func spans(
    _ rest: ArraySlice<Range<Int>>, inSlotOfFirst depth: Int, _ bits: Int
  ) -> (slot: Int, spans: ArraySlice<Range<Int>>) {
    let slot = changes.entries[rest[rest.startIndex].lowerBound].bits(depth, bits)
    return (slot, rest.prefix { changes.entries[$0.lowerBound].bits(depth, bits) == slot })
  }

  /// Spreads a prefix over its slots, of which it is all that counts now.
  private func spread(
    _ span: Range<Int>, depth: Int, bits: Int, over slots: UnsafeMutableBufferPointer<UInt32>,
    _ divide: (PrefixTrieBuilder.Child) -> Void
  ) {
    changes.entries.withUnsafeBufferPointer {
      PrefixTrieBuilder.expand($0[span], depth: depth, bits: bits, into: slots, divide)
    }
  }

  private func slots(of span: Range<Int>, depth: Int, bits: Int) -> Range<Int> {
    let entry = changes.entries[span.lowerBound]
    let first = entry.bits(depth, bits)
    return first..<first + 1 << (depth + bits - entry.length)
  }

  private mutating func fill(
    _ node: Int, _ spans: Range<Int>, depth: Int, inherited: UInt32
  ) {
    let entries = changes.entries
    entries.withUnsafeBufferPointer {
      builder.fill(node: node, $0[spans], depth: depth, inherited: inherited)
    }
  }

  // MARK: The direct table

  /// Changes a copy of a direct table; `roots` of it are to be written when nodes have places.
  mutating func patch(_ slots: UnsafeMutableBufferPointer<UInt32>, depth: Int, bits: Int) {
    var rest = changes.spans[...]
    while let span = rest.first {
      if changes.entries[span.lowerBound].length <= depth + bits {
        rest = rest.dropFirst()
        var divided: [PrefixTrieBuilder.Child] = []
        spread(span, depth: depth, bits: bits, over: slots) { divided.append($0) }
        for child in divided {
          let node = addNode()
          roots.append((Int(child.slot), UInt32(node)))
          fill(
            node, child.start..<child.end, depth: depth + bits, inherited: slots[Int(child.slot)])
        }
        for slot in self.slots(of: span, depth: depth, bits: bits) where slots[slot] == .none {
          slots[slot] = PrefixTrieSet.emptyEntry
        }
        continue
      }
      let (slot, inside) = spans(rest, inSlotOfFirst: depth, bits)
      rest = rest.dropFirst(inside.count)
      let (node, entry) = (addNode(), slots[slot])
      roots.append((slot, UInt32(node)))
      if entry & PrefixTrieSet.nodeFlag != 0 {
        let known = knownNodes[entry & ~PrefixTrieSet.nodeFlag]
        patch(node, known, depth: depth + bits, inside)
      } else {
        let inherited = entry == PrefixTrieSet.emptyEntry ? .none : entry
        fill(node, Self.all(inside), depth: depth + bits, inherited: inherited)
      }
    }
  }

  private mutating func addNode() -> Int {
    builder.nodes.append(PrefixTrieNode())
    return builder.nodes.count - 1
  }

  /// Entries of spans that follow each other.
  private static func all(_ spans: ArraySlice<Range<Int>>) -> Range<Int> {
    guard let first = spans.first, let last = spans.last else { return 0..<0 }
    return first.lowerBound..<last.upperBound
  }

  // MARK: Nodes

  /// Makes a new node what a known one becomes.
  private mutating func patch(
    _ node: Int, _ known: PrefixTrieNode, depth: Int, _ spans: ArraySlice<Range<Int>>
  ) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { slots in
      slots.initialize(repeating: .none)
      var children = read(known, into: slots)
      var rest = spans
      while let span = rest.first {
        if changes.entries[span.lowerBound].length <= depth + 6 {
          rest = rest.dropFirst()
          for slot in self.slots(of: span, depth: depth, bits: 6) { children[slot] = nil }
          spread(span, depth: depth, bits: 6, over: slots) {
            children[Int($0.slot)] = .new($0.start..<$0.end)
          }
          continue
        }
        let (slot, inside) = self.spans(rest, inSlotOfFirst: depth, 6)
        rest = rest.dropFirst(inside.count)
        if case .known(let below) = children[slot] {
          children[slot] = .changed(below, inside)
        } else {
          children[slot] = .first(inside)
        }
      }
      write(node, slots, children, depth: depth)
    }
  }

  /// The values of a node's slots, and its children.
  private func read(
    _ known: PrefixTrieNode, into slots: UnsafeMutableBufferPointer<UInt32>
  ) -> [Child?] {
    var children = [Child?](repeating: nil, count: 64)
    var (child, leaf, value) = (known.firstChild, known.firstLeaf, UInt32.none)
    for slot in 0..<64 {
      let bit = UInt64(1) << UInt64(slot)
      if known.children & bit != 0 {
        children[slot] = .known(knownNodes[child])
        child += 1
        continue
      }
      if known.leaves & bit != 0 {
        value = knownValues[leaf]
        leaf += 1
      }
      slots[slot] = value
    }
    return children
  }

  private mutating func write(
    _ node: Int, _ slots: UnsafeMutableBufferPointer<UInt32>, _ children: [Child?], depth: Int
  ) {
    var record = PrefixTrieNode()
    for slot in 0..<64 where children[slot] != nil { record.children |= 1 << UInt64(slot) }
    let first = builder.nodes.count
    record.firstChild = UInt32(truncatingIfNeeded: first)
    record.firstLeaf = UInt32(truncatingIfNeeded: builder.values.count)
    record.leaves = builder.appendLeaves(slots, besides: record.children)
    builder.nodes[node] = record
    builder.nodes.append(
      contentsOf: repeatElement(PrefixTrieNode(), count: record.children.nonzeroBitCount))
    var next = first
    for slot in 0..<64 {
      guard let child = children[slot] else { continue }
      switch child {
      case .known(let below):
        builder.nodes[next] = below
        copies.append(next)
      case .new(let entries):
        fill(next, entries, depth: depth + 6, inherited: slots[slot])
      case .first(let spans):
        fill(next, Self.all(spans), depth: depth + 6, inherited: slots[slot])
      case .changed(let below, let spans):
        patch(next, below, depth: depth + 6, spans)
      }
      next += 1
    }
  }
}

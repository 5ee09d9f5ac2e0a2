import Tables

/// Prefix tries in the arenas.
struct TrieImage: Sendable {
  private let tries: Stored<PrefixTrieRecord>
  private let nodes: Stored<PrefixTrieNode>
  private let values: Stored<UInt32>
  private let direct: Stored<UInt32>

  /// Copies tries to the arenas.
  ///
  /// - Parameters:
  ///   - builder: numbers everything from zero.
  ///   - base: what is added to each value that is not `none`.
  init(
    _ builder: PrefixTrieBuilder, adding base: Int, in arenas: TableArenas
  ) throws(TableCompilerError) {
    tries = try arenas.tries.reserve(builder.tries.count)
    nodes = try arenas.nodes.reserve(builder.nodes.count)
    values = try arenas.values.reserve(builder.values.count)
    direct = try arenas.direct.reserve(builder.direct.count)
    let firstNode = UInt32(nodes.start)
    let firstValue = UInt32(values.start)
    let firstDirect = UInt32(direct.start)
    let base = UInt32(base)
    tries.write(
      builder.tries.map { record in
        var record = record
        if record.outside != .none { record.outside += base }
        if record.direct == .none { record.root += firstNode } else { record.direct += firstDirect }
        return record
      })
    nodes.write(
      builder.nodes.map { node in
        var node = node
        node.firstChild &+= firstNode
        node.firstLeaf &+= firstValue
        return node
      })
    values.write(builder.values.map { $0 == .none ? $0 : $0 + base })
    direct.write(
      builder.direct.map { entry in
        if entry & PrefixTrieSet.nodeFlag != 0 { return entry + firstNode }
        return entry == PrefixTrieSet.emptyEntry ? entry : entry + base
      })
  }

  /// The index in the arena of a trie that the builder numbered.
  func index(_ trie: TableIndex) -> TableIndex {
    trie == .none ? .none : trie + UInt32(tries.start)
  }

  /// Without direct tables.
  var nodeBytes: Int { nodes.byteCount + values.byteCount }

  var byteCount: Int {
    tries.byteCount + nodes.byteCount + values.byteCount + direct.byteCount
  }
}

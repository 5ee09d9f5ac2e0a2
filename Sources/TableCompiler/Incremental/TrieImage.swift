import Tables

/// Prefix tries in the arenas.
struct TrieImage: Sendable {
  private let tries: Stored<PrefixTrieRecord>
  private let direct: Stored<PrefixLink>
  private let lines: Stored<PrefixLine>

  /// Copies tries to the arenas.
  ///
  /// - Parameters:
  ///   - builder: numbers everything from zero.
  ///   - base: what is added to each value that is not `none`.
  init(
    _ builder: PrefixTrieBuilder, adding base: Int, in arenas: TableArenas
  ) throws(TableCompilerError) {
    tries = try arenas.tries.reserve(builder.tries.count)
    direct = try arenas.direct.reserve(builder.direct.count)
    lines = try arenas.lines.reserve(builder.blocks.lineCount)
    let place = PrefixBlockWriter.Place(line: UInt32(lines.start), values: UInt32(base))
    let firstDirect = UInt32(direct.start)
    tries.write(
      builder.tries.map { record in
        var record = record
        if record.outside != .none { record.outside += place.values }
        record.root = record.root.moved(place)
        if record.direct != .none { record.direct += firstDirect }
        return record
      })
    direct.write(builder.direct.map { $0.moved(place) })
    lines.write(builder.blocks.placed(place))
  }

  /// The index in the arena of a trie that the builder numbered.
  func index(_ trie: TableIndex) -> TableIndex {
    trie == .none ? .none : trie + UInt32(tries.start)
  }

  /// Without direct tables.
  var blockBytes: Int { lines.byteCount }

  var byteCount: Int { tries.byteCount + direct.byteCount + lines.byteCount }
}

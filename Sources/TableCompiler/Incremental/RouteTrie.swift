import Tables
import VPCModel
import Wire

/// The routes of a table and family in the arenas, with the trie that finds them.
///
/// A generation changes what is different from the one before: it adds the records of new routes
/// and a patch of the trie. When patches have become about as large as what they change, or the
/// trie has to begin in another way, all is made anew.
package struct RouteTrie: Sendable {
  /// The index of the trie in its arena.
  package let index: TableIndex
  let claims: SortedPieces<RouteClaim>
  private let memory: RouteMemory

  /// - Parameter claims: at least one; their places in the arena are set here.
  /// - Complexity: O(n).
  package init(_ claims: SortedPieces<RouteClaim>, _ family: IPFamily, in arenas: TableArenas)
    throws(TableCompilerError)
  {
    var all = claims.all
    let records = try Self.store(&all, in: arenas)
    var entries: [PrefixTrieBuilder.Entry] = []
    entries.reserveCapacity(all.count)
    for index in all.indices where index == 0 || !all[index].hasPrefix(of: all[index - 1]) {
      entries.append(PrefixTrieBuilder.Entry(all[index], all[index].index))
    }
    var builder = PrefixTrieBuilder()
    let trie = try builder.add(sorted: entries, family)
    let image = try TrieImage(builder, adding: 0, in: arenas)
    index = image.index(trie)
    self.claims = SortedPieces(all)
    memory = RouteMemory(image, records)
  }

  private init(index: TableIndex, _ claims: SortedPieces<RouteClaim>, _ memory: RouteMemory) {
    (self.index, self.claims, self.memory) = (index, claims, memory)
  }

  /// The trie without some claims and with others.
  ///
  /// - Parameter added: ascending, as `removed`; of several at a place the new one counts.
  /// - Returns: nil when nothing is left.
  /// - Complexity: O(c log n + p) for c changes, p pieces of claims, and the prefixes within those
  ///   that change; the direct table is copied.
  package func replacing(
    _ removed: [RouteClaim], with added: [RouteClaim], _ family: IPFamily, in arenas: TableArenas
  ) throws(TableCompilerError) -> RouteTrie? {
    var added = added
    let records = try Self.store(&added, in: arenas)
    var after = claims
    after.replace(removed, with: added)
    if after.isEmpty { return nil }
    let changes = changes(removed, added, to: after)
    let isSmall = 2 * changes.entries.count <= after.count + 128
    guard isSmall, memory.hasRoomForPatches,
      let patch = try TriePatch(arenas.tries.view[index], changes, in: arenas)
    else { return try RouteTrie(after, family, in: arenas) }
    let stored = try arenas.tries.reserve(1)
    stored.write([patch.record])
    return RouteTrie(
      index: UInt32(stored.start), after, memory.adding(patch, stored, records))
  }

  /// Prefixes that others have than before.
  private func changes(
    _ removed: [RouteClaim], _ added: [RouteClaim], to after: SortedPieces<RouteClaim>
  ) -> TriePatch.Changes {
    var changes = TriePatch.Changes()
    // As few as have changed, so sorting them costs little.
    for claim in (removed + added).sorted() where !changes.covers(claim) {
      let holder = after.holder(of: claim)
      if holder?.index == claims.holder(of: claim)?.index { continue }
      let value = (holder ?? after.holder(around: claim))?.index ?? .none
      var inner: [PrefixTrieBuilder.Entry] = []
      after.forEachHolder(within: claim) { inner.append(PrefixTrieBuilder.Entry($0, $0.index)) }
      changes.add(PrefixTrieBuilder.Entry(claim, value), inner: inner)
    }
    return changes
  }

  private static func store(
    _ claims: inout [RouteClaim], in arenas: TableArenas
  ) throws(TableCompilerError) -> Stored<RouteRecord> {
    let stored = try arenas.routes.reserve(claims.count)
    for index in claims.indices { claims[index].index = UInt32(stored.start + index) }
    stored.write(claims.map(\.record))
    return stored
  }

  var byteCount: Int { memory.byteCount }

  /// Room that a trie takes at most, for arenas that are made for one generation.
  ///
  /// - Complexity: O(n).
  static func bound(_ claims: [RouteClaim]) -> ArenaSizes {
    if claims.isEmpty { return ArenaSizes() }
    // A block for each eight bits of a route at most, of at most its largest header and two thirds
    // of a line that is not full; and runs, which begin at both ends of a route and after a block.
    let blocks = claims.reduce(1) { $0 + $1.length / 8 + 1 }
    return ArenaSizes(
      routes: claims.count, tries: 1, lines: 3 * blocks + (blocks + claims.count) / 8,
      direct: claims.count > TrieLayout.directThreshold ? PrefixTrieSet.directCount : 0)
  }
}

/// The memory that a table's routes stand in: what was made at once, and what patches have added.
private struct RouteMemory: Sendable {
  private struct Patch: Sendable {
    let lines: Stored<PrefixLine>
    let records: Stored<RouteRecord>

    var byteCount: Int { lines.byteCount + records.byteCount }
  }

  /// Bytes of the control side that a patch takes besides.
  private static let patchOverhead = 256

  private let image: TrieImage
  private let records: Stored<RouteRecord>
  private var patches = SharedList<Patch>()
  private var patchBytes = 0
  /// Of the last patch.
  private var trie: Stored<PrefixTrieRecord>?
  private var direct: Stored<PrefixLink>?

  init(_ image: TrieImage, _ records: Stored<RouteRecord>) {
    (self.image, self.records) = (image, records)
  }

  private var wholeBytes: Int { image.byteCount + records.byteCount }

  var hasRoomForPatches: Bool {
    patchBytes + Self.patchOverhead * patches.count
      <= (image.blockBytes + records.byteCount) / 2 + 16_384
  }

  func adding(
    _ patch: TriePatch, _ trie: Stored<PrefixTrieRecord>, _ records: Stored<RouteRecord>
  ) -> RouteMemory {
    var memory = self
    let added = Patch(lines: patch.lines, records: records)
    memory.patches.append(added)
    memory.patchBytes += added.byteCount
    memory.trie = trie
    memory.direct = patch.direct
    return memory
  }

  var byteCount: Int {
    wholeBytes + patchBytes + (trie?.byteCount ?? 0) + (direct?.byteCount ?? 0)
  }
}

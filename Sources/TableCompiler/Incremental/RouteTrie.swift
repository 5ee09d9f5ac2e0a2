import Tables
import Wire

/// The routes of a table and family in the arenas, with the trie that finds them.
///
/// A large trie begins with a direct table. Routes that are longer than that stand in pieces, each
/// with its nodes. A generation makes anew only the pieces that are not the same, and the direct
/// table, and shares all others with the one before.
struct RouteTrie: Sendable {
  /// The index of the trie in its arena.
  let index: TableIndex
  /// Routes that are not longer than the direct table knows; of a trie without one, all.
  let heads: [RoutePiece]
  /// Those that are longer.
  let pieces: [RoutePiece]
  private let record: PrefixTrieRecord
  private let stored: Stored<PrefixTrieRecord>
  private let direct: Stored<UInt32>?

  /// - Parameters:
  ///   - routes: ascending, each prefix once.
  ///   - previous: the trie before.
  /// - Returns: nil when there is no route.
  /// - Complexity: O(routes) to compare, and to build those of other pieces than before.
  init?(
    _ routes: [PlacedRoute], _ family: IPFamily, in arenas: TableArenas, after previous: RouteTrie?
  ) throws(TableCompilerError) {
    if routes.isEmpty { return nil }
    let layout = TrieLayout(routes, family, after: previous?.record)
    let known = previous.flatMap { $0.hasLayout(layout) ? $0 : nil }
    var record = layout.record
    if layout.directBits == 0 {
      if let known, known.heads.count == 1, known.heads[0].routes == routes {
        self = known
        return
      }
      let whole = try RoutePiece(all: routes, layout, in: arenas)
      record.root = whole.roots[0]
      (heads, pieces, direct) = ([whole], [], nil)
    } else {
      let (short, long) = Self.split(routes, layout)
      let heads = try Self.heads(short, after: known?.heads ?? [], in: arenas)
      var table = Self.table(of: short, heads, layout)
      let slots = Self.slots(of: long, layout)
      let cuts = PieceCut.cuts(long, slots, table, after: known?.pieces ?? [])
      let pieces = try cuts.map { cut throws(TableCompilerError) in
        if let piece = cut.known, piece.isOf(cut) { return piece }
        return try RoutePiece(cut, layout, in: arenas)
      }
      if let known, known.heads.elementsEqual(heads, by: ===),
        known.pieces.elementsEqual(pieces, by: ===)
      {
        self = known
        return
      }
      (self.heads, self.pieces) = (heads, pieces)
      Self.finish(&table, pieces)
      let stored = try arenas.direct.reserve(table.count)
      stored.write(table)
      record.direct = UInt32(stored.start)
      direct = stored
    }
    if layout.hasOutside { record.outside = heads[0].firstRoute }
    self.record = record
    stored = try arenas.tries.reserve(1)
    stored.write([record])
    index = UInt32(stored.start)
  }

  /// Whether the trie begins as one of a layout would.
  private func hasLayout(_ layout: TrieLayout) -> Bool {
    record.addressBits == layout.record.addressBits && record.directBits == layout.record.directBits
      && record.sharedBits == layout.record.sharedBits
      && record.sharedHigh == layout.record.sharedHigh
      && record.sharedLow == layout.record.sharedLow
  }

  var byteCount: Int {
    stored.byteCount + (direct?.byteCount ?? 0)
      + (heads + pieces).reduce(0) { $0 + $1.byteCount }
  }

  // MARK: The direct table

  /// Routes that end in the direct table or before it, and those that are longer.
  private static func split(
    _ routes: [PlacedRoute], _ layout: TrieLayout
  ) -> (short: [PlacedRoute], long: [PlacedRoute]) {
    let end = layout.depth + layout.directBits
    var (short, long): ([PlacedRoute], [PlacedRoute]) = ([], [])
    long.reserveCapacity(routes.count)
    for route in routes {
      if route.length <= end { short.append(route) } else { long.append(route) }
    }
    return (short, long)
  }

  /// Short routes in pieces, so that the others keep their indices when one changes: those that
  /// longer routes inherit stand among them.
  private static func heads(
    _ short: [PlacedRoute], after previous: [RoutePiece], in arenas: TableArenas
  ) throws(TableCompilerError) -> [RoutePiece] {
    let known = previous.count > 8 + 4 * short.count / PieceCut.size ? [] : previous
    var heads: [RoutePiece] = []
    var next = 0
    for index in 0..<max(1, known.count) {
      let start = next
      if index + 1 < known.count {
        let end = known[index + 1].routes[0]
        while next < short.count, short[next].isBefore(end) { next += 1 }
      } else {
        next = short.count
      }
      if index < known.count, known[index].routes.elementsEqual(short[start..<next]) {
        heads.append(known[index])
        continue
      }
      let size = next - start > 2 * PieceCut.size ? PieceCut.size : 2 * PieceCut.size
      for first in stride(from: start, to: next, by: size) {
        heads.append(
          try RoutePiece(head: Array(short[first..<min(next, first + size)]), in: arenas))
      }
    }
    return heads
  }

  /// The route of each slot, or none, as far as the short ones tell.
  private static func table(
    of short: [PlacedRoute], _ heads: [RoutePiece], _ layout: TrieLayout
  ) -> [UInt32] {
    let bits = layout.directBits
    let places = heads.flatMap { head in head.routes.indices.map { head.firstRoute + UInt32($0) } }
    let inherited = layout.first > 0 ? places[layout.first - 1] : .none
    var table = [UInt32](repeating: inherited, count: 1 << bits)
    // Enclosing prefixes come first, so writing over them is right.
    for index in short.indices.dropFirst(layout.first) {
      let slot = short[index].bits(layout.depth, bits)
      let end = slot + 1 << (layout.depth + bits - short[index].length)
      for covered in slot..<end { table[covered] = places[index] }
    }
    return table
  }

  /// The slots that long routes divide.
  private static func slots(of long: [PlacedRoute], _ layout: TrieLayout) -> [PieceCut.Slot] {
    var slots: [PieceCut.Slot] = []
    var start = 0
    while start < long.count {
      let slot = long[start].bits(layout.depth, layout.directBits)
      var end = start + 1
      while end < long.count, long[end].bits(layout.depth, layout.directBits) == slot { end += 1 }
      slots.append(PieceCut.Slot(slot: slot, routes: start..<end))
      start = end
    }
    return slots
  }

  /// Writes a table as readers expect it.
  private static func finish(_ table: inout [UInt32], _ pieces: [RoutePiece]) {
    for slot in table.indices where table[slot] == .none { table[slot] = PrefixTrieSet.emptyEntry }
    for piece in pieces {
      for (child, root) in zip(piece.children, piece.roots) {
        table[child.slot] = root | PrefixTrieSet.nodeFlag
      }
    }
  }

  /// Room that a trie takes at most, for arenas that are made for one generation.
  ///
  /// - Complexity: O(routes).
  static func bound(_ pairs: [FlatRules.Pair]) -> ArenaSizes {
    if pairs.isEmpty { return ArenaSizes() }
    let nodes = pairs.reduce(1) { $0 + Int($1.length) / 6 + 1 }
    let direct = TrieLayout.directThresholds.first { pairs.count >= $0.prefixes }
    // A run of leaves begins at the first slot, after a child, and at both ends of a route.
    return ArenaSizes(
      routes: pairs.count, tries: 1, nodes: nodes, values: 2 * (nodes + pairs.count),
      direct: direct.map { 1 << $0.bits } ?? 0)
  }
}

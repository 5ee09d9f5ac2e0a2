import Tables
import Wire

/// A route and its prefix, left-aligned in 128 bits.
struct PlacedRoute: PrefixEntry, Sendable, Equatable {
  var high: UInt64
  var low: UInt64
  var length: Int
  var record: RouteRecord

  init(_ pair: FlatRules.Pair, _ record: RouteRecord) {
    high = pair.high
    low = pair.low
    length = Int(pair.length)
    self.record = record
  }

  /// Enclosing prefixes come before those that they enclose.
  func isBefore(_ other: PlacedRoute) -> Bool {
    if high != other.high { return high < other.high }
    return low != other.low ? low < other.low : length < other.length
  }
}

/// Some routes of a trie in the arenas, and the nodes that lead to them: shared by all generations
/// in which they are the same.
final class RoutePiece: Sendable {
  /// A slot of the direct table that leads to nodes of the piece.
  struct Child: Sendable, Equatable {
    var slot: Int
    /// The index of the route of what no longer prefix covers, or none.
    var inherited: UInt32
  }

  let routes: [PlacedRoute]
  let children: [Child]
  /// Slots of the direct table from here on, to the next piece's, are the piece's.
  let firstSlot: Int
  /// The node of each child; of a whole trie, its root.
  let roots: [UInt32]
  private let records: Stored<RouteRecord>
  private let nodes: Stored<PrefixTrieNode>
  private let values: Stored<UInt32>

  /// Routes without nodes: the direct table leads to them.
  init(head routes: [PlacedRoute], in arenas: TableArenas) throws(TableCompilerError) {
    self.routes = routes
    (children, firstSlot, roots) = ([], 0, [])
    records = try Self.store(routes, in: arenas)
    nodes = try arenas.nodes.reserve(0)
    values = try arenas.values.reserve(0)
  }

  /// A whole trie without a direct table.
  init(
    all routes: [PlacedRoute], _ layout: TrieLayout, in arenas: TableArenas
  ) throws(TableCompilerError) {
    self.routes = routes
    (children, firstSlot) = ([], 0)
    records = try Self.store(routes, in: arenas)
    let first = UInt32(records.start)
    let inherited = layout.first > 0 ? first + UInt32(layout.first - 1) : .none
    var builder = PrefixTrieBuilder()
    let root = Self.entries(routes, from: first).withUnsafeBufferPointer { entries in
      builder.addNode(entries[layout.first...], depth: layout.depth, inherited: inherited)
    }
    (nodes, values) = try Self.store(builder, in: arenas)
    roots = [root + UInt32(nodes.start)]
  }

  /// The routes below some slots of a direct table.
  init(_ cut: PieceCut, _ layout: TrieLayout, in arenas: TableArenas) throws(TableCompilerError) {
    routes = Array(cut.routes)
    children = cut.children
    firstSlot = cut.firstSlot
    records = try Self.store(routes, in: arenas)
    let entries = Self.entries(routes, from: UInt32(records.start))
    var builder = PrefixTrieBuilder()
    var roots: [UInt32] = []
    entries.withUnsafeBufferPointer { entries in
      for (child, slot) in zip(cut.children, cut.slots) {
        let start = slot.routes.lowerBound - cut.routes.startIndex
        roots.append(
          builder.addNode(
            entries[start..<start + slot.routes.count], depth: layout.depth + layout.directBits,
            inherited: child.inherited))
      }
    }
    (nodes, values) = try Self.store(builder, in: arenas)
    let first = UInt32(nodes.start)
    self.roots = roots.map { $0 + first }
  }

  /// The index of the first of the routes.
  var firstRoute: UInt32 { UInt32(records.start) }

  var byteCount: Int { records.byteCount + nodes.byteCount + values.byteCount }

  /// Whether the piece is what would be made of a cut.
  func isOf(_ cut: PieceCut) -> Bool {
    children == cut.children && routes.elementsEqual(cut.routes)
  }

  private static func entries(
    _ routes: [PlacedRoute], from first: UInt32
  ) -> [PrefixTrieBuilder.Entry] {
    routes.indices.map { PrefixTrieBuilder.Entry(routes[$0], first + UInt32($0)) }
  }

  private static func store(
    _ routes: [PlacedRoute], in arenas: TableArenas
  ) throws(TableCompilerError) -> Stored<RouteRecord> {
    let stored = try arenas.routes.reserve(routes.count)
    stored.write(routes.map(\.record))
    return stored
  }

  /// Nodes and values, of which the builder numbered the first zero.
  private static func store(
    _ builder: PrefixTrieBuilder, in arenas: TableArenas
  ) throws(TableCompilerError) -> (Stored<PrefixTrieNode>, Stored<UInt32>) {
    let nodes = try arenas.nodes.reserve(builder.nodes.count)
    let values = try arenas.values.reserve(builder.values.count)
    let (firstNode, firstValue) = (UInt32(nodes.start), UInt32(values.start))
    nodes.write(
      builder.nodes.map { node in
        var node = node
        node.firstChild &+= firstNode
        node.firstLeaf &+= firstValue
        return node
      })
    values.write(builder.values)
    return (nodes, values)
  }
}

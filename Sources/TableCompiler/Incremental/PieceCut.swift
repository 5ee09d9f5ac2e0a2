import Tables

/// What of a direct table's slots one piece has.
struct PieceCut {
  /// A slot that longer routes divide, and which they are.
  struct Slot {
    var slot: Int
    var routes: Range<Int>
  }

  /// Routes that a piece begins with, and has at most twice as many of, but for those of one slot.
  static let size = 256

  let firstSlot: Int
  let slots: ArraySlice<Slot>
  let routes: ArraySlice<PlacedRoute>
  let children: [RoutePiece.Child]
  /// The piece that had these slots before.
  let known: RoutePiece?

  private init(
    from firstSlot: Int, _ slots: ArraySlice<Slot>, of routes: [PlacedRoute],
    _ direct: [UInt32], known: RoutePiece?
  ) {
    self.firstSlot = firstSlot
    self.slots = slots
    let start = slots.first?.routes.lowerBound ?? 0
    self.routes = routes[start..<(slots.last?.routes.upperBound ?? start)]
    children = slots.map { RoutePiece.Child(slot: $0.slot, inherited: direct[$0.slot]) }
    self.known = known
  }

  /// Cuts slots into pieces: where they were cut before, as long as pieces have about their size.
  ///
  /// - Parameters:
  ///   - routes: ascending, all longer than the direct table knows.
  ///   - slots: ascending, with the routes of each.
  ///   - direct: what each slot has without these routes.
  /// - Complexity: O(slots).
  static func cuts(
    _ routes: [PlacedRoute], _ slots: [Slot], _ direct: [UInt32], after previous: [RoutePiece]
  ) -> [PieceCut] {
    // Many small pieces are left when most routes went.
    let known = previous.count > 8 + 4 * routes.count / size ? [] : previous
    var cuts: [PieceCut] = []
    var next = 0
    for index in 0..<max(1, known.count) {
      let end = index + 1 < known.count ? known[index + 1].firstSlot : .max
      let start = next
      while next < slots.count, slots[next].slot < end { next += 1 }
      if start == next { continue }
      let piece = known.isEmpty ? nil : known[index]
      let count = slots[next - 1].routes.upperBound - slots[start].routes.lowerBound
      if let piece, count <= 2 * size || next == start + 1 {
        cuts.append(
          PieceCut(from: piece.firstSlot, slots[start..<next], of: routes, direct, known: piece))
      } else {
        divide(slots[start..<next], of: routes, direct, from: piece?.firstSlot ?? 0, into: &cuts)
      }
    }
    return cuts
  }

  private static func divide(
    _ slots: ArraySlice<Slot>, of routes: [PlacedRoute], _ direct: [UInt32], from firstSlot: Int,
    into cuts: inout [PieceCut]
  ) {
    var (start, first) = (slots.startIndex, firstSlot)
    while start < slots.endIndex {
      var end = start + 1
      let limit = slots[start].routes.lowerBound + size
      while end < slots.endIndex, slots[end].routes.upperBound <= limit { end += 1 }
      cuts.append(PieceCut(from: first, slots[start..<end], of: routes, direct, known: nil))
      start = end
      if start < slots.endIndex { first = slots[start].slot }
    }
  }
}

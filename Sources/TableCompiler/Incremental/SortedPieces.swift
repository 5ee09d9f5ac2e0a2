/// Ascending elements, each at most once, in pieces that copies share: replacing a few of a hundred
/// thousand copies some hundred.
///
/// Two elements are the same to this list when neither is before the other.
package struct SortedPieces<Element: Comparable & Sendable>: Sendable {
  /// Elements that a piece begins with; it has at most twice as many.
  static var size: Int { 256 }

  /// Where an element stands; `piece` is the number of pieces behind the last one.
  struct Position {
    var piece: Int
    var offset: Int
  }

  /// None is empty.
  private var pieces: [[Element]] = []
  private(set) var count = 0

  /// - Parameter elements: ascending, each once.
  package init(_ elements: [Element] = []) {
    count = elements.count
    pieces = stride(from: 0, to: elements.count, by: Self.size).map {
      Array(elements[$0..<min($0 + Self.size, elements.count)])
    }
  }

  var isEmpty: Bool { pieces.isEmpty }

  /// All elements, in one array.
  ///
  /// - Complexity: O(n).
  var all: [Element] { pieces.flatMap { $0 } }

  func element(at position: Position) -> Element? {
    position.piece < pieces.count ? pieces[position.piece][position.offset] : nil
  }

  /// The element before a position.
  func element(before position: Position) -> Element? {
    if position.offset > 0 { return pieces[position.piece][position.offset - 1] }
    return position.piece > 0 ? pieces[position.piece - 1].last : nil
  }

  func position(after position: Position) -> Position {
    let next = Position(piece: position.piece, offset: position.offset + 1)
    return next.offset < pieces[position.piece].count
      ? next : Position(piece: position.piece + 1, offset: 0)
  }

  /// Where the first element stands that is not below something.
  ///
  /// - Parameter isBelow: true of all elements up to some place, and of none from there on.
  /// - Complexity: O(log n).
  func first(notBelow isBelow: (Element) -> Bool) -> Position {
    var (low, high) = (0, pieces.count)
    while low < high {
      let middle = (low + high) / 2
      if isBelow(pieces[middle][pieces[middle].count - 1]) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    guard low < pieces.count else { return Position(piece: low, offset: 0) }
    let piece = pieces[low]
    var (start, end) = (0, piece.count - 1)
    while start < end {
      let middle = (start + end) / 2
      if isBelow(piece[middle]) { start = middle + 1 } else { end = middle }
    }
    return Position(piece: low, offset: start)
  }

  /// Takes some elements out and puts others in.
  ///
  /// - Parameters:
  ///   - removed: ascending; what is not there is skipped.
  ///   - added: ascending; one that is the same as a removed one takes its place.
  /// - Complexity: O(p + c log p), p pieces and c changes; only pieces with changes are made anew.
  mutating func replace(_ removed: [Element], with added: [Element]) {
    if removed.isEmpty && added.isEmpty { return }
    var result: [[Element]] = []
    result.reserveCapacity(pieces.count + 1)
    var (nextRemoved, nextAdded, kept) = (removed[...], added[...], 0)
    while let first = Self.least(nextRemoved.first, nextAdded.first) {
      let place = place(of: first, from: kept)
      result += pieces[kept..<min(place, pieces.count)]
      kept = min(place + 1, pieces.count)
      let end = kept < pieces.count ? pieces[kept][0] : nil
      let (gone, more) = (Self.take(&nextRemoved, below: end), Self.take(&nextAdded, below: end))
      let old = place < pieces.count ? pieces[place] : []
      Self.append(Self.merge(old, without: gone, with: more), to: &result)
    }
    result += pieces[kept...]
    pieces = result
    count = pieces.reduce(0) { $0 + $1.count }
    // Many small pieces are left when most elements went.
    if pieces.count > 8 + 4 * count / Self.size { self = SortedPieces(all) }
  }

  private static func least(_ a: Element?, _ b: Element?) -> Element? {
    guard let a else { return b }
    guard let b else { return a }
    return b < a ? b : a
  }

  /// The last piece, from some one on, that does not begin after an element.
  private func place(of element: Element, from first: Int) -> Int {
    var (low, high) = (first, pieces.count)
    while low < high {
      let middle = (low + high) / 2
      if pieces[middle][0] > element { high = middle } else { low = middle + 1 }
    }
    return max(first, low - 1)
  }

  private static func take(
    _ elements: inout ArraySlice<Element>, below end: Element?
  ) -> ArraySlice<Element> {
    guard let end else {
      defer { elements = [] }
      return elements
    }
    let taken = elements.prefix { $0 < end }
    elements = elements[taken.endIndex...]
    return taken
  }

  private static func merge(
    _ old: [Element], without removed: ArraySlice<Element>, with added: ArraySlice<Element>
  ) -> [Element] {
    var merged: [Element] = []
    merged.reserveCapacity(old.count + added.count)
    var (gone, more) = (removed.startIndex, added.startIndex)
    for element in old {
      while gone < removed.endIndex, removed[gone] < element { gone += 1 }
      if gone < removed.endIndex, !(element < removed[gone]) { continue }
      while more < added.endIndex, added[more] < element {
        merged.append(added[more])
        more += 1
      }
      merged.append(element)
    }
    merged += added[more...]
    return merged
  }

  private static func append(_ elements: [Element], to pieces: inout [[Element]]) {
    if elements.isEmpty { return }
    guard elements.count > 2 * size else { return pieces.append(elements) }
    for start in stride(from: 0, to: elements.count, by: size) {
      pieces.append(Array(elements[start..<min(start + size, elements.count)]))
    }
  }
}

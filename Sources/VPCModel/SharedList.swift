/// A list whose copies share what is the same in them: changing an element of a million copies some
/// hundred, and what is different between two lists is found without looking at the rest.
///
/// Elements stand in pieces, arrays of at most `pieceSize`; a copy of the list has the same ones.
public struct SharedList<Element: Sendable>: Sendable {
  static var pieceSize: Int { 512 }

  private var pieces: [[Element]] = []
  /// The index of each piece's first element.
  private var starts: [Int] = []
  public private(set) var count = 0

  public init() {}

  public init(_ elements: some Sequence<Element>) { append(contentsOf: elements) }

  /// The piece that holds an element, and where it is there.
  ///
  /// - Complexity: O(log n).
  private func place(_ index: Int) -> (piece: Int, offset: Int) {
    precondition(index >= 0 && index < count)
    // Right at once as long as nothing was removed.
    let guess = index / Self.pieceSize
    if guess < starts.count {
      let offset = index - starts[guess]
      if offset >= 0 && offset < pieces[guess].count { return (guess, offset) }
    }
    var low = 0
    var high = starts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= index { low = middle } else { high = middle }
    }
    return (low, index - starts[low])
  }

  private mutating func countPieces(from first: Int) {
    starts.removeLast(starts.count - first)
    var next = first == 0 ? 0 : starts[first - 1] + pieces[first - 1].count
    for piece in pieces[first...] {
      starts.append(next)
      next += piece.count
    }
    count = next
  }
}

extension SharedList: RandomAccessCollection, MutableCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { count }

  public subscript(index: Int) -> Element {
    get {
      let (piece, offset) = place(index)
      return pieces[piece][offset]
    }
    _modify {
      let (piece, offset) = place(index)
      yield &pieces[piece][offset]
    }
  }

  public struct Iterator: IteratorProtocol {
    fileprivate var pieces: [[Element]].Iterator
    fileprivate var piece: [Element].Iterator

    public mutating func next() -> Element? {
      while true {
        if let element = piece.next() { return element }
        guard let following = pieces.next() else { return nil }
        piece = following.makeIterator()
      }
    }
  }

  public func makeIterator() -> Iterator {
    Iterator(pieces: pieces.makeIterator(), piece: [].makeIterator())
  }
}

extension SharedList: RangeReplaceableCollection {
  public mutating func append(_ element: Element) {
    if let last = pieces.indices.last, pieces[last].count < Self.pieceSize {
      pieces[last].append(element)
    } else {
      starts.append(count)
      pieces.append([element])
    }
    count += 1
  }

  public mutating func append(contentsOf elements: some Sequence<Element>) {
    for element in elements { append(element) }
  }

  /// - Complexity: O(n); only pieces in which something is replaced become others.
  public mutating func replaceSubrange(
    _ range: Range<Int>, with elements: some Collection<Element>
  ) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    if range.isEmpty && range.lowerBound == count {
      append(contentsOf: elements)
      return
    }
    let first = place(range.lowerBound)
    let last = range.isEmpty ? first : place(range.upperBound - 1)
    let end = range.isEmpty ? last.offset : last.offset + 1
    var changed = Array(pieces[first.piece][..<first.offset])
    changed += elements
    changed += pieces[last.piece][end...]
    let replacement = stride(from: 0, to: changed.count, by: Self.pieceSize).map {
      Array(changed[$0..<Swift.min($0 + Self.pieceSize, changed.count)])
    }
    pieces.replaceSubrange(first.piece...last.piece, with: replacement)
    starts.removeAll()
    countPieces(from: 0)
  }

  /// - Complexity: O(n); pieces of which nothing is removed stay as they are.
  public mutating func removeAll(where isRemoved: (Element) throws -> Bool) rethrows {
    var kept: [[Element]] = []
    kept.reserveCapacity(pieces.count)
    for piece in pieces {
      var rest: [Element]?
      for (index, element) in piece.enumerated() {
        if try isRemoved(element) {
          if rest == nil { rest = Array(piece[..<index]) }
        } else {
          rest?.append(element)
        }
      }
      let result = rest ?? piece
      if !result.isEmpty { kept.append(result) }
    }
    pieces = kept
    starts.removeAll()
    countPieces(from: 0)
  }
}

extension SharedList: ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: Element...) { self.init(elements) }
}

extension SharedList: Equatable where Element: Equatable {
  /// - Complexity: O(n), but constant for a piece that both share.
  public static func == (a: SharedList, b: SharedList) -> Bool {
    guard a.count == b.count else { return false }
    return a.starts == b.starts ? a.pieces == b.pieces : a.elementsEqual(b)
  }
}

extension SharedList {
  /// What an earlier list has, and this one has not, and the other way round.
  ///
  /// Elements that stand beside changed ones may be in both, and so are those that have moved.
  ///
  /// - Complexity: O(p + c): p pieces of either list, and c elements of those that are not shared.
  public func changes(since before: SharedList) -> (removed: [Element], added: [Element]) {
    let most = Swift.min(pieces.count, before.pieces.count)
    var start = 0
    while start < most, Self.isShared(pieces[start], before.pieces[start]) { start += 1 }
    var end = 0
    while end < most - start,
      Self.isShared(pieces[pieces.count - 1 - end], before.pieces[before.pieces.count - 1 - end])
    {
      end += 1
    }
    let old = before.pieces[start..<before.pieces.count - end]
    let new = pieces[start..<pieces.count - end]
    let (olds, news) = (Set(old.map(Self.identity)), Set(new.map(Self.identity)))
    return (
      old.filter { !news.contains(Self.identity($0)) }.flatMap { $0 },
      new.filter { !olds.contains(Self.identity($0)) }.flatMap { $0 }
    )
  }

  private static func isShared(_ a: [Element], _ b: [Element]) -> Bool {
    identity(a) == identity(b)
  }

  private static func identity(_ piece: [Element]) -> UnsafeRawPointer? {
    piece.withUnsafeBufferPointer { UnsafeRawPointer($0.baseAddress) }
  }
}

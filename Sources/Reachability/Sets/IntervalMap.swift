/// A function of the unsigned numbers of a type that is constant on intervals.
///
/// The representation is canonical: maps are equal if and only if they have the same value
/// everywhere. So a set is a map to `Bool`, and a set in several dimensions is a map to maps.
/// Values that occur often are stored once.
public struct IntervalMap<
  Bound: FixedWidthInteger & UnsignedInteger & Sendable, Value: Hashable & Sendable
>: Hashable, Sendable {
  /// First number of each interval, ascending from zero; an interval ends where the next begins.
  private var starts: [Bound]
  /// Of each interval the index of its value; neighbours differ.
  private var cells: [UInt32]
  /// The distinct values, in the order in which they occur first.
  public private(set) var values: [Value]

  /// The map that has one value everywhere.
  public init(_ value: Value) {
    starts = [0]
    cells = [0]
    values = [value]
  }

  /// The map that has a value in one interval and another one outside it.
  public init(_ range: ClosedRange<Bound>, _ value: Value, outside: Value) {
    self.init(outside)
    if value == outside { return }
    var builder = Builder()
    if range.lowerBound > 0 { builder.append(0, outside) }
    builder.append(range.lowerBound, value)
    if range.upperBound < .max { builder.append(range.upperBound + 1, outside) }
    self = builder.map
  }

  private init(starts: [Bound], cells: [UInt32], values: [Value]) {
    self.starts = starts
    self.cells = cells
    self.values = values
  }

  /// How many intervals there are.
  public var count: Int { starts.count }

  // MARK: Reading

  /// The value at a number.
  ///
  /// - Complexity: O(log n).
  public func value(at number: Bound) -> Value {
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= number { low = middle } else { high = middle }
    }
    return values[Int(cells[low])]
  }

  /// Every interval with its value, ascending.
  public var intervals: [(range: ClosedRange<Bound>, value: Value)] {
    starts.indices.map { (range($0), values[Int(cells[$0])]) }
  }

  /// The intervals that have the value with an index in `values`, ascending.
  public func ranges(ofValue index: Int) -> [ClosedRange<Bound>] {
    starts.indices.filter { cells[$0] == UInt32(index) }.map(range)
  }

  /// The intervals whose values fulfil a condition, joined where they touch.
  public func ranges(where condition: (Value) -> Bool) -> [ClosedRange<Bound>] {
    map(condition).trueRanges
  }

  private func range(_ index: Int) -> ClosedRange<Bound> {
    starts[index]...(index + 1 < starts.count ? starts[index + 1] - 1 : .max)
  }

  // MARK: Algebra

  /// The map of a function of the values; each distinct value is asked once.
  ///
  /// - Complexity: O(n).
  public func map<Result>(_ transform: (Value) -> Result) -> IntervalMap<Bound, Result> {
    let results = values.map(transform)
    var builder = IntervalMap<Bound, Result>.Builder()
    let numbers = results.map { builder.number(of: $0) }
    for index in starts.indices {
      builder.append(starts[index], number: numbers[Int(cells[index])])
    }
    return builder.map
  }

  /// The map of a function of the values of two maps; each pair of distinct values is asked once.
  ///
  /// - Complexity: O(n + m), and the function for the pairs that occur.
  public func combined<Other, Result>(
    with other: IntervalMap<Bound, Other>, _ operation: (Value, Other) -> Result
  ) -> IntervalMap<Bound, Result> {
    var builder = IntervalMap<Bound, Result>.Builder()
    var known: [UInt64: UInt32] = [:]
    var (i, j) = (0, 0)
    while true {
      let pair = UInt64(cells[i]) << 32 | UInt64(other.cells[j])
      let number =
        known[pair]
        ?? builder.number(of: operation(values[Int(cells[i])], other.values[Int(other.cells[j])]))
      known[pair] = number
      builder.append(max(starts[i], other.starts[j]), number: number)
      let (next, otherNext) = (i + 1 < count, j + 1 < other.count)
      if !next && !otherNext { return builder.map }
      if next && otherNext && starts[i + 1] == other.starts[j + 1] {
        i += 1
        j += 1
      } else if next && (!otherNext || starts[i + 1] < other.starts[j + 1]) {
        i += 1
      } else {
        j += 1
      }
    }
  }

  /// Several maps joined by an associative operation, in their order.
  ///
  /// - Complexity: O(n log k) in the intervals of k maps, as long as joining adds none.
  public static func merged(
    _ maps: [IntervalMap], empty: Value, _ operation: (Value, Value) -> Value
  ) -> IntervalMap {
    var layer = maps
    if layer.isEmpty { return IntervalMap(empty) }
    while layer.count > 1 {
      var next: [IntervalMap] = []
      next.reserveCapacity((layer.count + 1) / 2)
      for index in stride(from: 0, to: layer.count, by: 2) {
        next.append(
          index + 1 < layer.count
            ? layer[index].combined(with: layer[index + 1], operation) : layer[index])
      }
      layer = next
    }
    return layer[0]
  }

  /// Intervals with their values, of which the later ones cover the earlier ones.
  ///
  /// - Complexity: O(n log n).
  public static func painted(
    _ layers: [(ClosedRange<Bound>, Value)], over ground: Value
  ) -> IntervalMap {
    let maps = layers.map { IntervalMap<Bound, Value?>($0.0, $0.1, outside: nil) }
    return IntervalMap<Bound, Value?>.merged(maps, empty: nil) { $1 ?? $0 }.map { $0 ?? ground }
  }

  // MARK: Building

  /// Appends intervals in ascending order and keeps the representation canonical.
  struct Builder {
    private var starts: [Bound] = []
    private var cells: [UInt32] = []
    /// Values by number; numbers are given out in any order.
    private var known: [Value] = []
    private var numbers: [Value: UInt32] = [:]

    mutating func number(of value: Value) -> UInt32 {
      if let number = numbers[value] { return number }
      let number = UInt32(known.count)
      numbers[value] = number
      known.append(value)
      return number
    }

    mutating func append(_ start: Bound, number: UInt32) {
      if cells.last == number { return }
      starts.append(start)
      cells.append(number)
    }

    mutating func append(_ start: Bound, _ value: Value) {
      append(start, number: number(of: value))
    }

    /// The map, with its values numbered as they occur.
    var map: IntervalMap {
      var places = [UInt32?](repeating: nil, count: known.count)
      var values: [Value] = []
      let cells = cells.map { number in
        if let place = places[Int(number)] { return place }
        let place = UInt32(values.count)
        places[Int(number)] = place
        values.append(known[Int(number)])
        return place
      }
      return IntervalMap(starts: starts, cells: cells, values: values)
    }
  }
}

// MARK: Sets

extension IntervalMap where Value == Bool {
  public static var empty: IntervalMap { IntervalMap(false) }
  public static var everything: IntervalMap { IntervalMap(true) }

  /// The set of the numbers in some intervals.
  public init(_ ranges: some Sequence<ClosedRange<Bound>>) {
    let maps = ranges.map { IntervalMap($0, true, outside: false) }
    self = .merged(maps, empty: false) { $0 || $1 }
  }

  public var isEmpty: Bool { values == [false] }
  public var isEverything: Bool { values == [true] }

  public func union(_ other: IntervalMap) -> IntervalMap { combined(with: other) { $0 || $1 } }
  public func intersection(_ other: IntervalMap) -> IntervalMap {
    combined(with: other) { $0 && $1 }
  }
  public func subtracting(_ other: IntervalMap) -> IntervalMap {
    combined(with: other) { $0 && !$1 }
  }

  /// The set's intervals, ascending, with a gap between any two.
  public var trueRanges: [ClosedRange<Bound>] {
    guard let index = values.firstIndex(of: true) else { return [] }
    return ranges(ofValue: index)
  }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
public struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// A number of `range`; the slight bias of a remainder does not matter here.
  public mutating func number(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.upperBound - range.lowerBound + 1))
  }

  /// True once in `count` times on average.
  public mutating func one(in count: Int) -> Bool { next() % UInt64(count) == 0 }

  /// An element, or `fallback` of an empty array.
  public mutating func pick<T>(_ elements: [T], else fallback: T) -> T {
    elements.isEmpty ? fallback : elements[number(0...elements.count - 1)]
  }

  public mutating func pick(_ elements: [Int]) -> Int { pick(elements, else: 0) }

  public mutating func octets(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}

/// Numbers that look random and are the same every time (xorshift64, Marsaglia 2003).
struct BenchmarkRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64 = 0x1234_5678_9ABC_DEF0) { state = seed | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  /// A number below a bound; its bias does not matter here.
  mutating func below(_ bound: Int) -> Int { Int((next() >> 16) % UInt64(bound)) }
}

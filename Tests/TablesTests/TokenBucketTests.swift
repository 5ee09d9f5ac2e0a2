import Tables
import TestPackets
import Testing

/// A bucket in arithmetic that cannot overflow: the level counts parts of a token, `nanoseconds`
/// parts each.
private struct ExactBucket {
  let tokens: UInt128
  let nanoseconds: UInt128
  let depth: UInt128
  var level: UInt128
  var time: UInt64 = 0

  init(tokens: UInt64, nanoseconds: UInt64, depth: UInt64) {
    self.tokens = UInt128(tokens)
    self.nanoseconds = UInt128(nanoseconds)
    self.depth = UInt128(depth) * UInt128(nanoseconds)
    level = self.depth
  }

  mutating func admits(_ cost: UInt64, at now: UInt64) -> Bool {
    level = min(depth, level + UInt128(now - time) * tokens)
    time = now
    return UInt128(cost) * nanoseconds <= level
  }

  mutating func charge(_ cost: UInt64) { level -= UInt128(cost) * nanoseconds }
}

@Suite struct TokenBucketTests {
  struct Rate: Sendable, CustomTestStringConvertible {
    var tokens: UInt64
    var nanoseconds: UInt64
    var depth: UInt64
    var testDescription: String { "\(tokens) in \(nanoseconds) ns, depth \(depth)" }
  }

  static let second: UInt64 = 1_000_000_000

  static let rates: [Rate] = [
    Rate(tokens: 1, nanoseconds: second, depth: 1), Rate(tokens: 7, nanoseconds: second, depth: 7),
    Rate(tokens: 1024, nanoseconds: second, depth: 1024),
    Rate(tokens: 999_983, nanoseconds: second, depth: 999_983),
    Rate(tokens: 1_000_000, nanoseconds: 8 * second, depth: 125_000),
    Rate(tokens: 999_999_937, nanoseconds: 8 * second, depth: 124_999_992),
    Rate(tokens: 5_000_000_000, nanoseconds: 8 * second, depth: 2_000_000),
    Rate(tokens: 100_000_000_000, nanoseconds: 8 * second, depth: 12_500_000_000),
    Rate(tokens: 400_000_000_000, nanoseconds: 8 * second, depth: 50_000_000_000),
    Rate(tokens: 8_001, nanoseconds: 8 * second, depth: 1_500),
  ]

  @Test(arguments: rates) func `every answer is exact`(_ rate: Rate) {
    var random = SplitMix64(seed: rate.tokens)
    let settings = BucketSettings(
      tokens: rate.tokens, perNanoseconds: rate.nanoseconds, depth: rate.depth)
    var bucket = TokenBucket()
    var exact = ExactBucket(tokens: rate.tokens, nanoseconds: rate.nanoseconds, depth: rate.depth)
    var now: UInt64 = 1_700_000_000_000_000_000
    var (admitted, refused) = (0, 0)
    for _ in 0..<20_000 {
      // About what the price of a packet takes to refill, give or take; now and then a pause.
      let cost = 1 + random.next() % max(1, min(rate.depth, 9_000))
      let pause = UInt64(UInt128(cost) * UInt128(rate.nanoseconds) / UInt128(rate.tokens))
      now += random.next() % 500 == 0 ? random.next() >> 20 : random.next() % (pause + 2)
      let answer = bucket.admits(cost, now: now, settings)
      #expect(answer == exact.admits(cost, at: now))
      if answer { admitted += 1 } else { refused += 1 }
      // Another limit may refuse what this one admits.
      if answer && random.next() % 8 != 0 {
        bucket.charge(cost, settings)
        exact.charge(cost)
      }
    }
    #expect(admitted > 100)
    // A bucket deeper than all of this traffic never runs dry.
    #expect(refused > 100 || rate.depth > 100_000_000)
  }

  @Test func `exactly what is there is admitted, to the nanosecond`() {
    let settings = BucketSettings(tokens: 3, perNanoseconds: Self.second, depth: 3)
    var bucket = TokenBucket()
    let start: UInt64 = 5
    for _ in 0..<3 {
      let admits = bucket.admits(1, now: start, settings)
      #expect(admits)
      bucket.charge(1, settings)
    }
    // A third of a second is no whole number of nanoseconds.
    let early = bucket.admits(1, now: start + 333_333_333, settings)
    let late = bucket.admits(1, now: start + 333_333_334, settings)
    #expect(!early && late)
  }

  @Test func `a second's worth is exact where it ends within a token`() {
    // 12,662 bits a second, in bytes: after 1,474 of them 870 bits are left, and 138 come in 11 ms.
    let settings = BucketSettings(tokens: 12_662, perNanoseconds: 8 * Self.second)
    var bucket = TokenBucket()
    let first = bucket.take(1_474, now: 5, settings)
    let early = bucket.take(126, now: 5 + 10_898_752, settings)
    let right = bucket.take(126, now: 5 + 10_898_753, settings)
    #expect(first && !early && right)
    let whole = BucketSettings(tokens: 8, perNanoseconds: 8 * Self.second)
    #expect(whole == BucketSettings(tokens: 8, perNanoseconds: 8 * Self.second, depth: 1))
  }

  @Test func `unlimited admits everything and pays nothing`() {
    var bucket = TokenBucket()
    let settings = BucketSettings()
    #expect(settings.isUnlimited)
    let admits = bucket.admits(.max, now: 1, settings)
    #expect(admits)
  }

  @Test func `a rate of nothing admits nothing`() {
    let settings = BucketSettings(tokens: 0, perNanoseconds: 1, depth: 0)
    var bucket = TokenBucket()
    let admits = bucket.admits(1, now: 1 << 60, settings)
    #expect(!admits && !settings.isUnlimited)
  }

  @Test func `prices that overflow are refused`() {
    let settings = BucketSettings(tokens: 7, perNanoseconds: Self.second, depth: 7)
    var bucket = TokenBucket()
    let admits = bucket.admits(.max, now: 1, settings)
    #expect(!admits)
  }

  @Test func `a long pause fills the bucket and no more`() {
    let settings = BucketSettings(tokens: 10, perNanoseconds: Self.second, depth: 10)
    var bucket = TokenBucket()
    _ = bucket.admits(1, now: 1, settings)
    bucket.charge(10, settings)
    let ten = bucket.admits(10, now: .max, settings)
    let eleven = bucket.admits(11, now: .max, settings)
    #expect(ten && !eleven)
  }

  @Test func `rounded rates are off by less than a billionth`() {
    // High rates with deep buckets: parts would not fit 63 bits.
    for tokens in [100_000_000_007, 399_999_999_979, 25_000_000_009] as [UInt64] {
      let settings = BucketSettings(
        tokens: tokens, perNanoseconds: 8 * Self.second, depth: tokens / 8)
      let exact = Double(tokens) / Double(8 * Self.second)
      let rounded = Double(settings.perNanosecond) / Double(settings.scale)
      #expect(abs(rounded / exact - 1) < 1e-9)
      #expect(settings.capacity / settings.scale == tokens / 8)
    }
  }
}

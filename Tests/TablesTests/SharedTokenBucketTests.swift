import Tables
import TestPackets
import Testing

/// The bucket that several workers charge: for one worker it is `TokenBucket`.
@Suite struct SharedTokenBucketTests {
  static let start: UInt64 = 1_700_000_000_000_000_000

  private static func with(_ body: (UnsafeMutablePointer<SharedTokenBucket>) -> Void) {
    let memory = WorkerMemory<SharedTokenBucket>(count: 1)
    defer { memory.deallocate() }
    body(memory.pointer(0))
  }

  @Test func `it admits what a bucket of one worker admits`() {
    let settings = BucketSettings(
      tokens: 999_983, perNanoseconds: 1_000_000_000, depth: 5_000)
    Self.with { shared in
      var own = TokenBucket()
      var random = SplitMix64(seed: 11)
      var now = Self.start
      var outcomes = [0, 0]
      for _ in 0..<20_000 {
        now += UInt64.random(in: 0...300_000, using: &random)
        let cost = UInt64.random(in: 1...400, using: &random)
        let admitted = own.take(cost, now: now, settings)
        #expect(shared.take(cost, now: now, settings) == admitted)
        outcomes[admitted ? 1 : 0] += 1
      }
      #expect(outcomes[0] > 1_000 && outcomes[1] > 1_000)
    }
  }

  @Test func `a clock that is behind refills nothing and takes nothing back`() {
    let settings = BucketSettings(tokens: 1, perNanoseconds: 1_000, depth: 10)
    Self.with { shared in
      #expect(shared.take(10, now: Self.start, settings))
      #expect(!shared.take(1, now: Self.start - 5_000, settings))
      #expect(!shared.take(1, now: Self.start + 999, settings))
      #expect(shared.take(1, now: Self.start + 1_000, settings))
    }
  }

  @Test func `what is given back can be taken again, and never more than the depth`() {
    let settings = BucketSettings(tokens: 1, perNanoseconds: 1_000_000_000, depth: 10)
    Self.with { shared in
      #expect(shared.take(10, now: Self.start, settings))
      shared.giveBack(4, settings)
      #expect(!shared.take(5, now: Self.start, settings))
      #expect(shared.take(4, now: Self.start, settings))
      shared.giveBack(100, settings)
      #expect(shared.take(10, now: Self.start, settings))
      #expect(!shared.take(1, now: Self.start, settings))
      shared.fill()
      #expect(shared.take(10, now: Self.start, settings))
    }
  }

  @Test func `an unlimited bucket keeps no account`() {
    let unlimited = BucketSettings()
    let settings = BucketSettings(tokens: 1, perNanoseconds: 1_000_000_000, depth: 10)
    Self.with { shared in
      #expect(shared.take(.max, now: Self.start, unlimited))
      shared.giveBack(.max, unlimited)
      #expect(shared.take(10, now: Self.start, settings))
      #expect(!shared.take(1, now: Self.start, settings))
    }
  }

  /// Settings may change under a bucket that is nearly empty.
  @Test func `a smaller bucket in its place is empty at most`() {
    let large = BucketSettings(tokens: 1, perNanoseconds: 1_000, depth: 1_000)
    let small = BucketSettings(tokens: 1, perNanoseconds: 1_000, depth: 10)
    Self.with { shared in
      #expect(shared.take(1_000, now: Self.start, large))
      #expect(!shared.take(1, now: Self.start, small))
      #expect(shared.take(1, now: Self.start + 1_000, small))
    }
  }
}

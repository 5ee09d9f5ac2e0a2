import CDataplane

/// Times lookups of a fixed trace, over and over, and proves that each of them was made.
struct LookupTiming {
  /// Questions of a trace: too many for branches to be learnt, few enough for the second cache.
  static let traceLength = 1 << 16

  var runs: Int
  var lookupsPerRun: Int
  /// Questions at the end of the trace that are left out, for tests that this is noticed.
  var omitted = 0

  /// Runs a lookup for the questions of a trace.
  ///
  /// Timed is the loop over the trace with the lookup and one multiplication that joins its answer
  /// with those before; lookups do not wait for each other. What the answers should be is not
  /// timed.
  ///
  /// - Parameter answer: the lookup, by the question's place in the trace.
  /// - Returns: cycles a lookup, and the digest of one pass.
  /// - Throws: `unproven` when a pass had other answers than the lookups one by one.
  @inline(__always)
  func measure(
    count: Int, _ answer: (Int) -> UInt32
  ) throws(BenchmarkFailure) -> (samples: CycleSamples, digest: UInt64) {
    try measure(
      count: count, like: answer,
      pass: { asked, digest in
        for index in 0..<asked { digest = Self.join(digest, answer(index)) }
      })
  }

  /// The same for lookups in bursts.
  ///
  /// - Parameters:
  ///   - answer: the lookup alone, which says what the answers are.
  ///   - pass: asks so many questions from the first, and joins their answers in order.
  @inline(__always)
  func measure(
    count: Int, like answer: (Int) -> UInt32, pass: (Int, inout UInt64) -> Void
  ) throws(BenchmarkFailure) -> (samples: CycleSamples, digest: UInt64) {
    var expected: UInt64 = 0
    for index in 0..<count { expected = Self.join(expected, answer(index)) }
    var samples = CycleSamples(unit: "lookup")
    let passes = max(1, lookupsPerRun / count)
    let asked = count - omitted
    for _ in 0..<runs {
      var cycles: UInt64 = 0
      for _ in 0..<passes {
        var digest: UInt64 = 0
        let begin = apus_tsc()
        pass(asked, &digest)
        cycles += apus_tsc() - begin
        try BenchmarkFailure.check(digest == expected, "a pass over the trace has other answers")
      }
      samples.add(cycles: cycles, count: passes * count)
    }
    return (samples, expected)
  }

  @inline(__always)
  static func join(_ digest: UInt64, _ answer: UInt32) -> UInt64 {
    digest &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(answer) &+ 1
  }
}

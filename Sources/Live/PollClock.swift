import CDataplane

/// The time stamp counter as nanoseconds of CLOCK_MONOTONIC: read by every round of every worker.
///
/// Calibrated once and then copied, so that all workers have the same time. x86-64 processors with
/// an invariant time stamp counter, as all of the last decade have, count alike on all cores.
@frozen public struct PollClock: BitwiseCopyable, Sendable {
  @usableFromInline let startTicks: UInt64
  @usableFromInline let startTime: UInt64
  /// Nanoseconds in 2^32 ticks.
  @usableFromInline let scale: UInt64

  /// Measures the counter for some milliseconds.
  public static func calibrated(microseconds: Int = 20_000) -> PollClock {
    let first = sample()
    apus_sleep(UInt64(max(1_000, microseconds)))
    let last = sample()
    let ticks = max(1, last.ticks &- first.ticks)
    let (high, low) = (last.time &- first.time).multipliedFullWidth(by: 1 << 32)
    let scale = high < ticks ? ticks.dividingFullWidth((high, low)).quotient : 1 << 32
    return PollClock(startTicks: last.ticks, startTime: last.time, scale: scale)
  }

  /// A clock that stands at zero, for who gives workers their time with `LiveWorker.setTime`.
  package static var stopped: PollClock {
    PollClock(startTicks: .max, startTime: 0, scale: 0)
  }

  /// Both clocks at one moment: of several readings the one that took least.
  private static func sample() -> (ticks: UInt64, time: UInt64) {
    var best: (ticks: UInt64, time: UInt64) = (0, 0)
    var shortest = UInt64.max
    for _ in 0..<16 {
      let before = apus_tsc()
      let time = apus_monotonic_time()
      let after = apus_tsc()
      if after &- before < shortest {
        shortest = after &- before
        best = (before &+ shortest / 2, time)
      }
    }
    return best
  }

  /// Nanoseconds of CLOCK_MONOTONIC.
  @inlinable @inline(__always) @_semantics("no_performance_analysis")
  public func now() -> UInt64 {
    let ticks = apus_tsc()
    // A core whose counter is a little behind the calibrating one's must not wrap around.
    let passed = ticks > startTicks ? ticks &- startTicks : 0
    let product = passed.multipliedFullWidth(by: scale)
    return startTime &+ (product.high << 32 | product.low >> 32)
  }
}

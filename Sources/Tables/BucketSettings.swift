/// The exact arithmetic of one token bucket: its level is counted in parts of a token so small that
/// every refill is a whole number of them, so no rounding ever adds up.
///
/// A level of `cost * scale` pays for `cost` tokens (bytes, packets or connections). Every
/// nanosecond adds `perNanosecond` parts, up to `capacity` parts.
@frozen public struct BucketSettings: BitwiseCopyable, Sendable, Equatable {
  /// Parts a nanosecond; zero means unlimited.
  public var perNanosecond: UInt64 = 0
  /// Parts in one token.
  public var scale: UInt64 = 1
  /// Parts in a full bucket.
  public var capacity: UInt64 = 0
  /// Nanoseconds after which an empty bucket is full.
  public var fillTime: UInt64 = 0

  @inlinable public init() {}

  /// A bucket that gains `tokens` every `nanoseconds` and holds at most `depth` tokens; without a
  /// depth, what it gains in a second, to the part of a token.
  ///
  /// The rate is reduced to lowest terms. Only where the depth times the denominator does not fit
  /// 63 bits is it rounded, by half a part a nanosecond at most: nothing for any rate and depth
  /// that a network has, much for a few bits a second with gigabytes of depth.
  public init(tokens: UInt64, perNanoseconds nanoseconds: UInt64, depth given: UInt64? = nil) {
    let second: UInt64 = 1_000_000_000
    let depth = given ?? UInt64(clamping: UInt128(tokens) * UInt128(second) / UInt128(nanoseconds))
    var (numerator, denominator) = (tokens, nanoseconds)
    var (a, b) = (tokens, nanoseconds)
    while b != 0 { (a, b) = (b, a % b) }
    if a > 1 {
      numerator /= a
      denominator /= a
    }
    let largest = (UInt64.max >> 1) / max(1, depth)
    let isRounded = denominator > largest
    if isRounded {
      // The finest part that the depth leaves room for, and the nearest rate in it.
      let exact = UInt128(numerator) * UInt128(largest) + UInt128(denominator / 2)
      numerator = UInt64(exact / UInt128(denominator))
      denominator = max(1, largest)
    }
    perNanosecond = max(1, numerator)
    scale = denominator
    capacity = min(depth, (UInt64.max >> 1) / denominator) * denominator
    // Less than a token counts too: 12,662 bits are 1,582 bytes and three quarters.
    if given == nil && !isRounded {
      let (parts, isTooMuch) = perNanosecond.multipliedReportingOverflow(by: second)
      if !isTooMuch { capacity = parts }
    }
    fillTime = capacity / perNanosecond + 1
  }

  @inlinable public var isUnlimited: Bool { perNanosecond == 0 }
}

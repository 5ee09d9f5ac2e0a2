/// A token bucket whose arithmetic is exact: see `BucketSettings` for its unit.
///
/// A bucket is full when first used. Asking and charging are apart, because a packet pays only when
/// every limit admits it.
@frozen public struct TokenBucket: BitwiseCopyable, Sendable {
  /// What is missing to a full bucket, in parts. All zero bytes are a full bucket.
  @usableFromInline var deficit: UInt64
  /// When `deficit` was true, in nanoseconds.
  @usableFromInline var time: UInt64

  @inlinable public init() {
    deficit = 0
    time = 0
  }

  /// Whether `cost` tokens are there at `now`; refills, but takes nothing.
  ///
  /// - Complexity: O(1).
  @inlinable @inline(__always)
  public mutating func admits(_ cost: UInt64, now: UInt64, _ settings: BucketSettings) -> Bool {
    if settings.isUnlimited { return true }
    let elapsed = now &- time
    time = now
    // Beyond `fillTime` the product could overflow; the bucket is full then anyway.
    let refill =
      elapsed >= settings.fillTime ? settings.capacity : elapsed &* settings.perNanosecond
    deficit = refill >= deficit ? 0 : deficit &- refill
    // A frame has fewer than 2^31 bytes and a scale is below 2^33: the product fits.
    return cost &* settings.scale <= settings.capacity &- deficit
  }

  /// Takes `cost` tokens if they are there at `now`; the bucket that is asked last needs no second
  /// look.
  ///
  /// - Complexity: O(1).
  @inlinable @inline(__always)
  public mutating func take(_ cost: UInt64, now: UInt64, _ settings: BucketSettings) -> Bool {
    if settings.isUnlimited { return true }
    let elapsed = now &- time
    let refill =
      elapsed >= settings.fillTime ? settings.capacity : elapsed &* settings.perNanosecond
    let refilled = refill >= deficit ? 0 : deficit &- refill
    let price = cost &* settings.scale
    guard price <= settings.capacity &- refilled else { return false }
    time = now
    deficit = refilled &+ price
    return true
  }

  /// Takes `cost` tokens that `admits` found a moment ago.
  @inlinable @inline(__always)
  public mutating func charge(_ cost: UInt64, _ settings: BucketSettings) {
    if settings.isUnlimited { return }
    deficit &+= cost &* settings.scale
  }
}

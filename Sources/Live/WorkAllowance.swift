/// How much of a worker's time an observation may take: one part in 20, so that looking at
/// everything does not slow a host down.
///
/// The cost of a packet is an estimate in nanoseconds, on the high side. Time that is not used adds
/// up to a millisecond.
@frozen public struct WorkAllowance: BitwiseCopyable, Sendable {
  /// Of the worker's time, one part in so many.
  public static var share: UInt64 { 20 }
  /// Nanoseconds that may be left over.
  public static var most: UInt64 { 1_000_000 }
  /// A judgement with all steps, alone in its burst, and their copy.
  public static var trace: UInt64 { 1_000 }

  private var left: UInt64 = most
  private var updated: UInt64 = 0

  public init() {}

  /// A judgement alone in its burst, and a copy of some bytes.
  static func capture(bytes: Int) -> UInt64 { 200 &+ UInt64(max(0, bytes)) / 4 }

  /// Time has passed; nanoseconds that do not go back.
  @usableFromInline mutating func accrue(now: UInt64) {
    // The first time there is nothing to compare with.
    if updated != 0 && now > updated {
      left = min(Self.most, left &+ (now &- updated) / Self.share)
    }
    // What is below one part in 20 is not lost.
    if updated == 0 || now &- updated >= Self.share { updated = max(now, updated) }
  }

  /// Takes time for a packet; nothing, and false, when there is not so much left.
  mutating func take(_ cost: UInt64) -> Bool {
    if cost > left { return false }
    left &-= cost
    return true
  }
}

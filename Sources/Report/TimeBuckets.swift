/// Counts over time in a fixed number of buckets of equal width.
///
/// When time goes beyond the last bucket, neighbours are merged and the width doubles. So memory is
/// bounded, nothing is lost but resolution, and what is kept depends on the packets alone.
public struct TimeBuckets: Sendable {
  /// What happened in one span of time.
  public struct Bucket: Sendable, Equatable {
    public var forwarded: UInt64 = 0
    public var dropped: UInt64 = 0
    public var replied: UInt64 = 0
    public var consumed: UInt64 = 0
    public var ignored: UInt64 = 0
    public var bytes: UInt64 = 0
    public var newConnections: UInt64 = 0
    /// The most that were seen at the end of a bucket that was merged into this one; nil when none
    /// was looked at.
    public var tracked: UInt64?

    public init() {}

    public var packets: UInt64 { forwarded + dropped + replied + consumed + ignored }

    mutating func merge(_ other: Bucket) {
      forwarded += other.forwarded
      dropped += other.dropped
      replied += other.replied
      consumed += other.consumed
      ignored += other.ignored
      bytes += other.bytes
      newConnections += other.newConnections
      if let seen = other.tracked { tracked = max(tracked ?? 0, seen) }
    }
  }

  /// What a network interface with allowances used in one span of time.
  public struct Use: Sendable, Equatable {
    public var bytesIn: UInt64 = 0
    public var bytesOut: UInt64 = 0
    public var packets: UInt64 = 0
    public var newConnections: UInt64 = 0
    public var tracked: UInt64 = 0

    public init() {}

    mutating func merge(_ other: Use) {
      bytesIn += other.bytesIn
      bytesOut += other.bytesOut
      packets += other.packets
      newConnections += other.newConnections
      tracked = max(tracked, other.tracked)
    }
  }

  public static let initialWidth: UInt64 = 1_000_000

  public let capacity: Int
  /// Network interfaces whose use is kept.
  public let interfaces: Int
  /// Nanoseconds since 1970; nil before the first packet.
  public private(set) var start: UInt64?
  /// Nanoseconds.
  public private(set) var width = TimeBuckets.initialWidth
  /// From the first to the last that something happened in.
  public private(set) var buckets: [Bucket] = []
  /// By bucket, then by interface.
  private var uses: [Use] = []

  /// - Parameter capacity: buckets, at least two; an even number.
  public init(capacity: Int = 512, interfaces: Int = 0) {
    self.capacity = max(2, capacity & ~1)
    self.interfaces = interfaces
  }

  /// The bucket of a time, which is made when it is not there.
  ///
  /// - Parameter time: not before any earlier one.
  /// - Complexity: O(1); O(capacity × interfaces) each time that the width doubles.
  public mutating func index(of time: UInt64) -> Int {
    let first = start ?? time
    start = first
    let offset = time > first ? time - first : 0
    while offset / width >= UInt64(capacity) { halve() }
    let index = Int(offset / width)
    while buckets.count <= index {
      buckets.append(Bucket())
      uses.append(contentsOf: repeatElement(Use(), count: interfaces))
    }
    return index
  }

  /// When the bucket of an index ends, in nanoseconds since 1970; the largest number for never.
  public func end(of index: Int) -> UInt64 {
    let (offset, isHuge) = width.multipliedReportingOverflow(by: UInt64(index) + 1)
    let (time, isBeyond) = (start ?? 0).addingReportingOverflow(offset)
    return isHuge || isBeyond ? .max : time
  }

  /// Changes a bucket that `index(of:)` made.
  public mutating func change(_ index: Int, _ body: (inout Bucket) -> Void) {
    body(&buckets[index])
  }

  /// Changes the use of an interface in a bucket that `index(of:)` made.
  public mutating func changeUse(_ index: Int, of interface: Int, _ body: (inout Use) -> Void) {
    body(&uses[index * interfaces + interface])
  }

  /// What an interface used, by bucket.
  public func uses(of interface: Int) -> [Use] {
    buckets.indices.map { uses[$0 * interfaces + interface] }
  }

  private mutating func halve() {
    let half = (buckets.count + 1) / 2
    for index in 0..<half {
      var (bucket, next) = (buckets[2 * index], 2 * index + 1)
      if next < buckets.count { bucket.merge(buckets[next]) }
      buckets[index] = bucket
      next *= interfaces
      for interface in 0..<interfaces {
        var use = uses[2 * index * interfaces + interface]
        if next < uses.count { use.merge(uses[next + interface]) }
        uses[index * interfaces + interface] = use
      }
    }
    buckets.removeSubrange(half...)
    uses.removeSubrange((half * interfaces)...)
    // Doubling ends: offsets have 64 bits and the width at most 56.
    width *= 2
  }
}

/// The buckets of a replay as the columns of a plot, at most 256.
struct TimeLine {
  static let columnLimit = 256

  /// Merged buckets, at least one.
  let columns: [TimeBuckets.Bucket]
  /// Nanoseconds of a column.
  let width: UInt64
  let start: UInt64
  /// Buckets in a column.
  let factor: Int

  init(_ time: TimeBuckets) {
    var factor = 1
    while (time.buckets.count + factor - 1) / factor > Self.columnLimit { factor *= 2 }
    self.factor = factor
    width = time.width * UInt64(factor)
    start = time.start ?? 0
    columns = Self.merge(time.buckets, factor, TimeBuckets.Bucket()) { $0.merge($1) }
  }

  /// Use of an interface by column.
  func uses(_ time: TimeBuckets, of interface: Int, upTo limit: Int) -> (
    uses: [TimeBuckets.Use], width: UInt64
  ) {
    let buckets = time.uses(of: interface)
    var factor = 1
    while (buckets.count + factor - 1) / factor > limit { factor *= 2 }
    return (
      Self.merge(buckets, factor, TimeBuckets.Use()) { $0.merge($1) }, time.width * UInt64(factor)
    )
  }

  static func merge<Value>(
    _ values: [Value], _ factor: Int, _ zero: Value, _ merge: (inout Value, Value) -> Void
  ) -> [Value] {
    var merged: [Value] = []
    for (index, value) in values.enumerated() {
      if index % factor == 0 {
        merged.append(value)
      } else {
        merge(&merged[merged.count - 1], value)
      }
    }
    return merged.isEmpty ? [zero] : merged
  }

  /// The column of a time; times outside are in the first or the last.
  func column(of time: UInt64) -> Int {
    let offset = time > start ? time - start : 0
    return Int(min(offset / width, UInt64(columns.count - 1)))
  }

  /// A count in a column as a rate.
  func perSecond(_ count: UInt64) -> Double { Double(count) / (Double(width) / 1e9) }

  var axis: Plot.Columns {
    let end = width * UInt64(columns.count)
    return Plot.Columns(
      labels: (0...4).map { "+\(Figures.duration(end / 4 * UInt64($0)))" },
      starts: columns.indices.map { "+\(Figures.duration(width * UInt64($0)))" })
  }
}

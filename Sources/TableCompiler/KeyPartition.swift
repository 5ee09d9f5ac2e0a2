import Tables
import VPCModel

/// The key space of a classifier cut into intervals, each with the rule that decides it.
///
/// A result is `rule << 1 | (allow ? 1 : 0)`, or 0 when no rule matches. Rules are in the order of
/// their numbers, so of two results the one with the smaller number decides.
struct KeyPartition: Equatable {
  /// First keys, ascending, beginning with 0.
  private(set) var starts: [UInt32] = []
  private(set) var results: [UInt32] = []

  private init() {}

  /// A partition in which one rule matches some intervals.
  ///
  /// - Parameter intervals: ascending, with a gap between any two.
  init(_ intervals: [ClosedRange<UInt32>], result: UInt32) {
    starts.reserveCapacity(2 * intervals.count + 1)
    results.reserveCapacity(2 * intervals.count + 1)
    append(0, 0)
    for interval in intervals {
      append(interval.lowerBound, result)
      if interval.upperBound < ClassifierKey.last { append(interval.upperBound + 1, 0) }
    }
  }

  /// A number by which equal partitions are found; where they collide they are compared.
  var hash: Int {
    var hash: UInt64 = 0
    for (start, result) in zip(starts, results) {
      let product = (hash ^ UInt64(start) << 32 ^ UInt64(result))
        .multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
      hash = product.high ^ product.low &+ 1
    }
    return Int(truncatingIfNeeded: hash)
  }

  /// The partition in which the first rule of either decides.
  static func merge(_ a: KeyPartition, _ b: KeyPartition) -> KeyPartition {
    merge(a.starts[...], a.results[...], b.starts[...], b.results[...])
  }

  /// As `merge`, of parts of larger arrays.
  static func merge(
    _ aStarts: ArraySlice<UInt32>, _ aResults: ArraySlice<UInt32>, _ bStarts: ArraySlice<UInt32>,
    _ bResults: ArraySlice<UInt32>
  ) -> KeyPartition {
    var merged = KeyPartition()
    merged.starts.reserveCapacity(aStarts.count + bStarts.count)
    merged.results.reserveCapacity(aStarts.count + bStarts.count)
    var (a, b) = (aStarts.startIndex, bStarts.startIndex)
    var (aResult, bResult): (UInt32, UInt32) = (0, 0)
    while a < aStarts.endIndex || b < bStarts.endIndex {
      let aStart = a < aStarts.endIndex ? aStarts[a] : .max
      let bStart = b < bStarts.endIndex ? bStarts[b] : .max
      let start = min(aStart, bStart)
      if aStart == start {
        aResult = aResults[aResults.startIndex + (a - aStarts.startIndex)]
        a += 1
      }
      if bStart == start {
        bResult = bResults[bResults.startIndex + (b - bStarts.startIndex)]
        b += 1
      }
      // Result 0 wraps round to the largest number: no rule comes after every rule.
      merged.append(start, aResult &- 2 < bResult &- 2 ? aResult : bResult)
    }
    return merged
  }

  private mutating func append(_ start: UInt32, _ result: UInt32) {
    if starts.last == start {
      // An interval from key 0 takes the place of the empty one before it.
      results[results.count - 1] = result
    } else if results.last != result {
      starts.append(start)
      results.append(result)
    }
  }
}

extension TrafficMatch {
  /// The keys that the match covers, ascending, with a gap between any two intervals.
  var keyIntervals: [ClosedRange<UInt32>] {
    // Protocols with ports: a match on ports without a protocol means these.
    let withPorts: [UInt8] = [6, 17, 132]
    guard let protocolNumber else {
      return ports.isEmpty
        ? [0...ClassifierKey.last]
        : withPorts.flatMap { Self.portIntervals(ports, protocolNumber: $0) }
    }
    let first = ClassifierKey.key(protocolNumber: protocolNumber, low: 0)
    switch (icmpType, icmpCode) {
    case (nil, nil):
      return ports.isEmpty
        ? [first...first | 0xFFFF] : Self.portIntervals(ports, protocolNumber: protocolNumber)
    case (nil, let code?):
      return (UInt32(0)...255).map { type in
        let key = first | type << 8 | UInt32(code)
        return key...key
      }
    case (let type?, nil):
      let key = first | UInt32(type) << 8
      return [key...key | 0xFF]
    case (let type?, let code?):
      let key = first | UInt32(type) << 8 | UInt32(code)
      return [key...key]
    }
  }

  private static func portIntervals(
    _ ports: [ClosedRange<UInt16>], protocolNumber: UInt8
  ) -> [ClosedRange<UInt32>] {
    let first = ClassifierKey.key(protocolNumber: protocolNumber, low: 0)
    var intervals: [ClosedRange<UInt32>] = []
    for range in ports.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      let interval = first | UInt32(range.lowerBound)...first | UInt32(range.upperBound)
      if let last = intervals.last, interval.lowerBound <= last.upperBound + 1 {
        let end = max(last.upperBound, interval.upperBound)
        intervals[intervals.count - 1] = last.lowerBound...end
      } else {
        intervals.append(interval)
      }
    }
    return intervals
  }
}

import Tables
import VPCModel
import Wire

/// The key space of a classifier cut into intervals, each with the rule that decides it.
///
/// A result is `rule << 1 | (allow ? 1 : 0)`, or 0 when no rule matches. Rules are in the order of
/// their numbers, so of two results the one with the smaller number decides.
struct KeyPartition: Equatable {
  /// First keys, ascending, beginning with 0.
  private(set) var starts: [UInt32] = []
  private(set) var results: [UInt32] = []

  private init() {}

  /// A partition in which one rule matches its intervals.
  ///
  /// - Parameter firstPlace: of the first of the rules; see `ClassifierBuilder`.
  init(_ rule: Int, _ firstPlace: Int, _ rules: FlatRules) {
    Self.append(rule, firstPlace, rules, to: &starts, &results)
  }

  /// Appends the partition of one rule to arrays that may hold others already.
  static func append(
    _ rule: Int, _ firstPlace: Int, _ rules: FlatRules, to starts: inout [UInt32],
    _ results: inout [UInt32]
  ) {
    let result = UInt32(firstPlace + rule) << 1 | (rules.allows[rule] ? 1 : 0)
    let intervals = rules.intervals(of: rule)
    if intervals.isEmpty || rules.firstKeys[intervals.lowerBound] != 0 {
      starts.append(0)
      results.append(0)
    }
    for index in intervals {
      starts.append(rules.firstKeys[index])
      results.append(result)
      if rules.lastKeys[index] < ClassifierKey.last {
        starts.append(rules.lastKeys[index] + 1)
        results.append(0)
      }
    }
  }

  /// The partition of several rules: halves are merged, so that many rules do not cost a square.
  static func merged(
    _ indices: ArraySlice<UInt32>, _ firstPlace: Int, _ rules: FlatRules
  ) -> KeyPartition {
    if indices.count == 1, let only = indices.first {
      return KeyPartition(Int(only), firstPlace, rules)
    }
    let middle = indices.startIndex + indices.count / 2
    return merge(
      merged(indices[..<middle], firstPlace, rules), merged(indices[middle...], firstPlace, rules))
  }

  /// A number by which equal partitions are found; where they collide they are compared.
  ///
  /// - Parameter start: where the partition begins in the arrays, of which it is the end.
  static func hash(_ starts: [UInt32], _ results: [UInt32], from start: Int) -> UInt32 {
    var hash: UInt64 = 0
    for index in start..<starts.count {
      let product = (hash ^ UInt64(starts[index]) << 32 ^ UInt64(results[index]))
        .multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
      hash = product.high ^ product.low &+ 1
    }
    return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
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
  /// Whether packets of a family may match: ICMP of the other family has no type and code here, and
  /// the key of a packet without them is that of type 0, code 0.
  package func applies(to family: IPFamily) -> Bool {
    if icmpType == nil && icmpCode == nil { return true }
    return protocolNumber == (family == .v4 ? 1 : 58)
  }

  /// The keys that the match covers, ascending, with a gap between any two intervals.
  package var keyIntervals: [ClosedRange<UInt32>] {
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

/// Disjoint intervals in ascending order, joined where they touch.
struct IntervalSet {
  private(set) var intervals: [ClosedRange<Int>] = []

  var isEmpty: Bool { intervals.isEmpty }

  func contains(_ wanted: ClosedRange<Int>) -> Bool {
    let next = firstIndex { $0.upperBound >= wanted.lowerBound }
    guard next < intervals.count else { return false }
    return intervals[next].lowerBound <= wanted.lowerBound
      && wanted.upperBound <= intervals[next].upperBound
  }

  mutating func insert(_ interval: ClosedRange<Int>) {
    let start = firstIndex { $0.upperBound >= interval.lowerBound - 1 }
    let end = firstIndex { $0.lowerBound > interval.upperBound + 1 }
    guard start < end else {
      intervals.insert(interval, at: start)
      return
    }
    let lower = min(interval.lowerBound, intervals[start].lowerBound)
    let upper = max(interval.upperBound, intervals[end - 1].upperBound)
    intervals.replaceSubrange(start..<end, with: [lower...upper])
  }

  /// What of an interval is not in the set.
  func gaps(in wanted: ClosedRange<Int>) -> [ClosedRange<Int>] {
    var gaps: [ClosedRange<Int>] = []
    var next = wanted.lowerBound
    for interval in intervals where interval.upperBound >= wanted.lowerBound {
      if interval.lowerBound > wanted.upperBound { break }
      if interval.lowerBound > next { gaps.append(next...interval.lowerBound - 1) }
      next = max(next, interval.upperBound + 1)
    }
    if next <= wanted.upperBound { gaps.append(next...wanted.upperBound) }
    return gaps
  }

  /// The first position where a condition holds that holds for all later ones too.
  private func firstIndex(where condition: (ClosedRange<Int>) -> Bool) -> Int {
    var (low, high) = (0, intervals.count)
    while low < high {
      let middle = (low + high) / 2
      if condition(intervals[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

extension TrafficMatch {
  /// Ports, or ICMP type and code as one number, from 0 to 65535.
  var intervals: [ClosedRange<Int>] {
    if let type = icmpType {
      let first = Int(type) << 8
      if let code = icmpCode { return [first + Int(code)...first + Int(code)] }
      return [first...first + 255]
    }
    if ports.isEmpty { return [0...65535] }
    return ports.map { Int($0.lowerBound)...Int($0.upperBound) }
  }
}

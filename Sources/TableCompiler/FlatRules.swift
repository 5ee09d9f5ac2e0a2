import Tables
import Wire

/// A rule as a classifier sees it.
struct ClassifierRule {
  var allow: Bool
  /// Ascending, with a gap between any two.
  var intervals: [ClosedRange<UInt32>]
  /// Remote prefixes, of both families.
  var prefixes: [IPPrefix]
}

/// The rules of one direction of a security group or ACL in flat arrays: what a classifier is built
/// from in one pass.
///
/// Kept with the part, so that the next generation sorts only what has changed.
struct FlatRules: Sendable, Equatable {
  /// A remote prefix and a rule that names it.
  struct Pair: Sendable, Equatable {
    /// The address, left-aligned in 128 bits.
    var high: UInt64
    var low: UInt64
    /// The rule's index, from 0.
    var rule: UInt32
    var length: UInt32

    init(_ prefix: IPPrefix, rule: Int) {
      let address = prefix.address
      high = address.family == .v4 ? address.low << 32 : address.high
      low = address.family == .v4 ? 0 : address.low
      length = UInt32(prefix.length)
      self.rule = UInt32(rule)
    }

    func hasPrefix(of other: Pair) -> Bool {
      high == other.high && low == other.low && length == other.length
    }

    /// Whether all addresses of another pair's prefix are in this one's.
    func contains(_ other: Pair) -> Bool {
      guard other.length >= length else { return false }
      let mask = IPPrefix.mask(family: .v6, length: Int(length))
      return other.high & mask.high == high && other.low & mask.low == low
    }

    /// Enclosing prefixes come before those that they enclose.
    static func < (a: Pair, b: Pair) -> Bool {
      if a.high != b.high { return a.high < b.high }
      if a.low != b.low { return a.low < b.low }
      return UInt64(a.length) << 32 | UInt64(a.rule) < UInt64(b.length) << 32 | UInt64(b.rule)
    }
  }

  private(set) var allows: [Bool] = []
  /// First and last key of each interval, one rule's after the other's.
  private(set) var firstKeys: [UInt32] = []
  private(set) var lastKeys: [UInt32] = []
  /// Where the intervals of each rule end.
  private var ends: [Int] = []
  /// Ascending, no pair twice.
  private(set) var v4: [Pair] = []
  private(set) var v6: [Pair] = []

  /// How many rules there are.
  var count: Int { allows.count }

  /// The intervals of a rule, as indices of `firstKeys`.
  func intervals(of rule: Int) -> Range<Int> { (rule == 0 ? 0 : ends[rule - 1])..<ends[rule] }

  func pairs(_ family: IPFamily) -> [Pair] { family == .v4 ? v4 : v6 }

  /// Puts other rules in the place of some.
  ///
  /// - Parameter rules: m of them.
  /// - Complexity: O(n + m log m), n being all pairs of rule and prefix.
  mutating func replace(_ range: Range<Int>, with rules: [ClassifierRule]) {
    let keys = (range.lowerBound == 0 ? 0 : ends[range.lowerBound - 1])
    let keysEnd = range.isEmpty ? keys : ends[range.upperBound - 1]
    var first: [UInt32] = []
    var last: [UInt32] = []
    var newEnds: [Int] = []
    newEnds.reserveCapacity(rules.count)
    for rule in rules {
      for interval in rule.intervals {
        first.append(interval.lowerBound)
        last.append(interval.upperBound)
      }
      newEnds.append(keys + first.count)
    }
    let moved = first.count - (keysEnd - keys)
    if moved != 0 { for index in range.upperBound..<ends.count { ends[index] += moved } }
    firstKeys.replaceSubrange(keys..<keysEnd, with: first)
    lastKeys.replaceSubrange(keys..<keysEnd, with: last)
    ends.replaceSubrange(range, with: newEnds)
    allows.replaceSubrange(range, with: rules.map(\.allow))
    Self.replacePairs(&v4, .v4, range, with: rules)
    Self.replacePairs(&v6, .v6, range, with: rules)
  }

  private static func replacePairs(
    _ pairs: inout [Pair], _ family: IPFamily, _ range: Range<Int>, with rules: [ClassifierRule]
  ) {
    let added = sortedPairs(rules, family, from: range.lowerBound)
    if pairs.isEmpty {
      pairs = added
      return
    }
    let (low, high) = (UInt32(range.lowerBound), UInt32(range.upperBound))
    let moved = UInt32(truncatingIfNeeded: rules.count - range.count)
    var merged: [Pair] = []
    merged.reserveCapacity(pairs.count + added.count)
    var next = 0
    for var pair in pairs {
      if pair.rule >= low {
        if pair.rule < high { continue }
        pair.rule &+= moved
      }
      while next < added.count, added[next] < pair {
        merged.append(added[next])
        next += 1
      }
      merged.append(pair)
    }
    merged += added[next...]
    pairs = merged
  }

  /// Takes some pairs of a family out, and puts others in.
  ///
  /// - Parameters:
  ///   - removed: ascending; all are there.
  ///   - added: ascending; none is there.
  /// - Complexity: O(n), but for a copy of the pairs O(c log n) for c of them.
  mutating func replace(_ removed: [Pair], with added: [Pair], _ family: IPFamily) {
    if removed.isEmpty && added.isEmpty { return }
    let old = pairs(family)
    var new: [Pair] = []
    new.reserveCapacity(old.count + added.count)
    var (gone, more, kept) = (removed[...], added[...], 0)
    while let change = [gone.first, more.first].compactMap({ $0 }).min(by: <) {
      let place = Self.first(notBelow: change, in: old)
      new += old[kept..<place]
      kept = place
      if let first = gone.first, first == change {
        kept += 1
        gone = gone.dropFirst()
      } else {
        new.append(change)
        more = more.dropFirst()
      }
    }
    new += old[kept...]
    if family == .v4 { v4 = new } else { v6 = new }
  }

  /// Where the first pair stands that is not before another.
  static func first(notBelow pair: Pair, in pairs: [Pair]) -> Int {
    var (low, high) = (0, pairs.count)
    while low < high {
      let middle = (low + high) / 2
      if pairs[middle] < pair { low = middle + 1 } else { high = middle }
    }
    return low
  }

  func contains(_ pair: Pair, _ family: IPFamily) -> Bool {
    let pairs = pairs(family)
    let place = Self.first(notBelow: pair, in: pairs)
    return place < pairs.count && pairs[place] == pair
  }

  /// The rules whose prefixes hold all of a prefix, ascending.
  ///
  /// - Complexity: O(k log n), k rules or nested prefixes.
  func rules(around prefix: Pair, _ family: IPFamily) -> [UInt32] {
    let pairs = pairs(family)
    var found: [UInt32] = []
    var key = prefix
    key.rule = .max
    var end = Self.first(notBelow: key, in: pairs)
    while end > 0 {
      let pair = pairs[end - 1]
      if pair.contains(prefix) {
        found.append(pair.rule)
        end -= 1
        continue
      }
      // What is around both is no longer than what they share.
      var shared = (pair.high ^ prefix.high).leadingZeroBitCount
      if shared == 64 { shared += (pair.low ^ prefix.low).leadingZeroBitCount }
      let mask = IPPrefix.mask(family: .v6, length: min(shared, Int(prefix.length)))
      (key.high, key.low) = (prefix.high & mask.high, prefix.low & mask.low)
      key.length = UInt32(min(shared, Int(prefix.length)))
      end = Self.first(notBelow: key, in: pairs)
    }
    return Set(found).sorted()
  }

  private static func sortedPairs(
    _ rules: [ClassifierRule], _ family: IPFamily, from start: Int
  ) -> [Pair] {
    var pairs: [Pair] = []
    for (offset, rule) in rules.enumerated() {
      for prefix in rule.prefixes where prefix.family == family {
        pairs.append(Pair(prefix, rule: start + offset))
      }
    }
    pairs.sort(by: <)
    var kept = 0
    for index in pairs.indices where index == 0 || pairs[index] != pairs[index - 1] {
      pairs[kept] = pairs[index]
      kept += 1
    }
    pairs.removeLast(pairs.count - kept)
    return pairs
  }
}

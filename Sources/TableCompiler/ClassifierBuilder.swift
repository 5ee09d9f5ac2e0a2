import Tables
import Wire

/// A rule as a classifier sees it.
struct ClassifierRule {
  /// Its place among the rules of its group or ACL, from 1: of several that match, the first
  /// decides.
  var place: UInt32
  var allow: Bool
  /// Ascending, with a gap between any two.
  var intervals: [ClosedRange<UInt32>]
  /// Remote prefixes, of both families.
  var prefixes: [IPPrefix]

  var partition: KeyPartition {
    KeyPartition(intervals, result: place << 1 | (allow ? 1 : 0))
  }
}

/// Builds the classifiers of a security group or ACL; rules are named by their places.
struct ClassifierBuilder {
  /// Two GiB of intervals: rules whose prefixes nest so that merging makes more are refused.
  static let intervalLimit = 1 << 28

  private(set) var classifiers: [ClassifierRecord] = []
  private(set) var classes: [TableRange] = []
  private(set) var starts: [UInt32] = []
  private(set) var results: [UInt32] = []
  /// Classes by a hash of their content.
  private var classesByContent: [Int: TableIndex] = [:]

  /// What a class is made of: the class of the enclosing prefix and the rules of its own.
  private struct Recipe: Hashable {
    var parent: TableIndex
    var rules: ArraySlice<UInt32>
  }

  /// Adds a classifier of the rules' prefixes of one family.
  ///
  /// - Parameter rules: in ascending order of their places.
  /// - Returns: the classifier's index, or `none` when no rule has a prefix of the family.
  /// - Complexity: O(n log n) in the pairs of rule and prefix, for prefixes that do not nest.
  mutating func add(
    _ rules: [ClassifierRule], family: IPFamily, tries: inout PrefixTrieBuilder
  ) throws(TableCompilerError) -> TableIndex {
    let pairs = Self.sortedPairs(rules, family)
    guard !pairs.isEmpty else { return .none }
    var entries: [(prefix: IPPrefix, value: UInt32)] = []
    var enclosing: [(prefix: IPPrefix, value: UInt32)] = []
    var known: [Recipe: TableIndex] = [:]
    // Most prefixes are named by one rule and enclosed by none: these need no dictionary.
    var classOfRule = [TableIndex](repeating: .none, count: rules.count)
    let ruleIndices = pairs.map(\.rule)
    entries.reserveCapacity(pairs.count)
    classesByContent.reserveCapacity(classes.count + rules.count)
    var index = 0
    while index < pairs.count {
      let prefix = pairs[index].prefix
      let start = index
      while index < pairs.count && pairs[index].prefix == prefix { index += 1 }
      while let last = enclosing.last, !last.prefix.contains(prefix) { enclosing.removeLast() }
      let value: TableIndex
      if enclosing.isEmpty && index - start == 1 {
        let rule = Int(ruleIndices[start])
        if classOfRule[rule] == .none { classOfRule[rule] = try addClass(rules[rule].partition) }
        value = classOfRule[rule]
      } else {
        let recipe = Recipe(
          parent: enclosing.last?.value ?? .none, rules: ruleIndices[start..<index])
        if let same = known[recipe] {
          value = same
        } else {
          value = try addClass(recipe, rules)
          known[recipe] = value
        }
      }
      entries.append((prefix, value))
      enclosing.append((prefix, value))
    }
    var record = ClassifierRecord()
    record.trie = try tries.add(entries)
    record.everywhere = try addEverywhere(rules, family)
    classifiers.append(record)
    return UInt32(classifiers.count - 1)
  }

  /// Every prefix of the family with the index of each rule that names it, enclosing prefixes
  /// first, no pair twice.
  private static func sortedPairs(
    _ rules: [ClassifierRule], _ family: IPFamily
  ) -> [(prefix: IPPrefix, rule: UInt32)] {
    var pairs: [(prefix: IPPrefix, rule: UInt32)] = []
    for (index, rule) in rules.enumerated() {
      for prefix in rule.prefixes where prefix.family == family {
        pairs.append((prefix, UInt32(index)))
      }
    }
    pairs.sort { a, b in
      let (x, y) = (a.prefix.address, b.prefix.address)
      if x.high != y.high { return x.high < y.high }
      if x.low != y.low { return x.low < y.low }
      return (a.prefix.length, a.rule) < (b.prefix.length, b.rule)
    }
    var last: (prefix: IPPrefix, rule: UInt32)?
    pairs.removeAll { pair in
      if let last, last == pair { return true }
      last = pair
      return false
    }
    return pairs
  }

  private mutating func addClass(
    _ recipe: Recipe, _ rules: [ClassifierRule]
  ) throws(TableCompilerError) -> TableIndex {
    let own = Self.partition(recipe.rules.map { rules[Int($0)] }[...])
    guard recipe.parent != .none else { return try addClass(own) }
    let parent = Self.indices(classes[Int(recipe.parent)])
    return try addClass(
      KeyPartition.merge(starts[parent], results[parent], own.starts[...], own.results[...]))
  }

  /// Appends a class, unless there is one of the same content.
  private mutating func addClass(
    _ partition: KeyPartition
  ) throws(TableCompilerError) -> TableIndex {
    let hash = partition.hash
    if let index = classesByContent[hash] {
      let range = Self.indices(classes[Int(index)])
      if starts[range].elementsEqual(partition.starts)
        && results[range].elementsEqual(partition.results)
      {
        return index
      }
    }
    let index = UInt32(classes.count)
    classes.append(try append(partition))
    classesByContent[hash] = index
    return index
  }

  private mutating func addEverywhere(
    _ rules: [ClassifierRule], _ family: IPFamily
  ) throws(TableCompilerError) -> TableRange {
    let open = rules.filter { rule in
      rule.allow && rule.prefixes.contains { $0.family == family && $0.isEverything }
    }
    return open.isEmpty ? TableRange() : try append(Self.partition(open[...]))
  }

  private mutating func append(
    _ partition: KeyPartition
  ) throws(TableCompilerError) -> TableRange {
    let count = starts.count + partition.starts.count
    try TableCompilerError.check(count, of: "intervals of rules", limit: Self.intervalLimit)
    let range = TableRange(start: UInt32(starts.count), count: UInt32(partition.starts.count))
    starts += partition.starts
    results += partition.results
    return range
  }

  /// The partition of several rules: halves are merged, so that many rules do not cost a square.
  private static func partition(_ rules: ArraySlice<ClassifierRule>) -> KeyPartition {
    guard let first = rules.first else { return KeyPartition([], result: 0) }
    guard rules.count > 1 else { return first.partition }
    let middle = rules.startIndex + rules.count / 2
    return KeyPartition.merge(partition(rules[..<middle]), partition(rules[middle...]))
  }

  private static func indices(_ range: TableRange) -> Range<Int> {
    Int(range.start)..<Int(range.start) + Int(range.count)
  }
}

import Tables
import Wire

/// Builds the classifiers of a security group or ACL; rules are named by their places.
///
/// A place is a rule's number among those of its group or ACL, from 1: of several rules of a
/// classifier that match, the one with the lowest place decides.
struct ClassifierBuilder {
  /// Two GiB of intervals: rules whose prefixes nest so that merging makes more are refused.
  static let intervalLimit = 1 << 28

  private(set) var classifiers: [ClassifierRecord] = []
  private(set) var classes: [TableRange] = []
  private(set) var starts: [UInt32] = []
  private(set) var results: [UInt32] = []
  private var known = ClassIndex()

  /// What a class of several rules is made of: the class of the enclosing prefix and the rules of
  /// its own.
  private struct Recipe: Hashable {
    var parent: TableIndex
    var rules: [UInt32]
  }

  /// A prefix that encloses those that follow, and its class.
  private struct Enclosing {
    var pair: FlatRules.Pair
    var value: TableIndex
  }

  /// The class that a rule makes alone under an enclosing class: most prefixes are named by one
  /// rule, and these need no dictionary.
  private struct OwnClass {
    var parent: TableIndex = .none
    var value: TableIndex = .none
  }

  mutating func reserve(rules: Int) {
    classes.reserveCapacity(rules)
    starts.reserveCapacity(3 * rules)
    results.reserveCapacity(3 * rules)
    known.reserve(rules)
  }

  /// Adds a classifier of the rules' prefixes of one family.
  ///
  /// - Parameter firstPlace: of the first rule.
  /// - Returns: the classifier's index, or `none` when no rule has a prefix of the family.
  /// - Complexity: O(n) in the pairs of rule and prefix, for prefixes that do not nest.
  mutating func add(
    _ rules: FlatRules, family: IPFamily, firstPlace: Int, tries: inout PrefixTrieBuilder
  ) throws(TableCompilerError) -> TableIndex {
    let pairs = rules.pairs(family)
    guard !pairs.isEmpty else { return .none }
    var entries: [PrefixTrieBuilder.Entry] = []
    entries.reserveCapacity(pairs.count)
    var enclosing: [Enclosing] = []
    var recipes: [Recipe: TableIndex] = [:]
    var own = [OwnClass](repeating: OwnClass(), count: rules.count)
    var index = 0
    while index < pairs.count {
      let pair = pairs[index]
      let start = index
      index += 1
      while index < pairs.count && pairs[index].hasPrefix(of: pair) { index += 1 }
      while let last = enclosing.last, !last.pair.contains(pair) { enclosing.removeLast() }
      let parent = enclosing.last?.value ?? .none
      let value: TableIndex
      if index - start == 1 {
        let rule = Int(pair.rule)
        if own[rule].value == .none || own[rule].parent != parent {
          own[rule] = OwnClass(
            parent: parent, value: try addClass(of: rule, firstPlace, rules, under: parent))
        }
        value = own[rule].value
      } else {
        let recipe = Recipe(parent: parent, rules: pairs[start..<index].map(\.rule))
        if let same = recipes[recipe] {
          value = same
        } else {
          value = try addClass(recipe, firstPlace, rules)
          recipes[recipe] = value
        }
      }
      entries.append(PrefixTrieBuilder.Entry(pair, value))
      enclosing.append(Enclosing(pair: pair, value: value))
    }
    var record = ClassifierRecord()
    record.everywhere = try addEverywhere(rules, pairs, firstPlace)
    record.trie = try tries.add(sorted: entries, family)
    classifiers.append(record)
    return UInt32(classifiers.count - 1)
  }

  /// A class of one rule, under those of the prefixes that enclose its own.
  private mutating func addClass(
    of rule: Int, _ firstPlace: Int, _ rules: FlatRules, under parent: TableIndex
  ) throws(TableCompilerError) -> TableIndex {
    if parent == .none {
      let start = starts.count
      KeyPartition.append(rule, firstPlace, rules, to: &starts, &results)
      return try finishClass(from: start)
    }
    return try addClass(KeyPartition(rule, firstPlace, rules), under: parent)
  }

  private mutating func addClass(
    _ recipe: Recipe, _ firstPlace: Int, _ rules: FlatRules
  ) throws(TableCompilerError) -> TableIndex {
    let own = KeyPartition.merged(recipe.rules[...], firstPlace, rules)
    if recipe.parent != .none { return try addClass(own, under: recipe.parent) }
    let start = starts.count
    starts += own.starts
    results += own.results
    return try finishClass(from: start)
  }

  private mutating func addClass(
    _ own: KeyPartition, under parent: TableIndex
  ) throws(TableCompilerError) -> TableIndex {
    let start = starts.count
    let range = Self.indices(classes[Int(parent)])
    let merged = KeyPartition.merge(
      starts[range], results[range], own.starts[...], own.results[...])
    starts += merged.starts
    results += merged.results
    return try finishClass(from: start)
  }

  /// Makes a class of the intervals from `start` on, unless there is one of the same content.
  private mutating func finishClass(from start: Int) throws(TableCompilerError) -> TableIndex {
    let hash = KeyPartition.hash(starts, results, from: start)
    var slot = known.slot(hash)
    while let index = known.next(hash, from: &slot) {
      guard isClass(index, sameAsFrom: start) else { continue }
      starts.removeLast(starts.count - start)
      results.removeLast(results.count - start)
      return index
    }
    try TableCompilerError.check(starts.count, of: "intervals of rules", limit: Self.intervalLimit)
    let index = UInt32(classes.count)
    classes.append(TableRange(start: UInt32(start), count: UInt32(starts.count - start)))
    known.insert(index, hash)
    return index
  }

  private func isClass(_ index: TableIndex, sameAsFrom start: Int) -> Bool {
    let range = classes[Int(index)]
    guard Int(range.count) == starts.count - start else { return false }
    for offset in 0..<Int(range.count) {
      let place = Int(range.start) + offset
      guard starts[place] == starts[start + offset] && results[place] == results[start + offset]
      else { return false }
    }
    return true
  }

  /// Rules for all addresses stand first.
  private mutating func addEverywhere(
    _ rules: FlatRules, _ pairs: [FlatRules.Pair], _ firstPlace: Int
  ) throws(TableCompilerError) -> TableRange {
    let open = pairs.prefix { $0.length == 0 }.map(\.rule).filter { rules.allows[Int($0)] }
    if open.isEmpty { return TableRange() }
    let partition = KeyPartition.merged(open[...], firstPlace, rules)
    let start = starts.count
    starts += partition.starts
    results += partition.results
    try TableCompilerError.check(starts.count, of: "intervals of rules", limit: Self.intervalLimit)
    return TableRange(start: UInt32(start), count: UInt32(partition.starts.count))
  }

  private static func indices(_ range: TableRange) -> Range<Int> {
    Int(range.start)..<Int(range.start) + Int(range.count)
  }
}

/// Classes by a hash of their content: open addressing, so that finding one costs no allocation.
private struct ClassIndex {
  /// The hash in the upper half, and the class and 1 in the lower; 0 for an empty slot.
  private var slots = [UInt64](repeating: 0, count: 16)
  private var count = 0

  /// Makes room before anything is added.
  mutating func reserve(_ classes: Int) {
    while slots.count < 2 * classes { slots += slots }
  }

  /// Where classes with a hash begin.
  func slot(_ hash: UInt32) -> Int { Int(hash) & (slots.count - 1) }

  /// The next class with a hash from a slot on, which is left behind it; nil for no more.
  func next(_ hash: UInt32, from slot: inout Int) -> TableIndex? {
    while slots[slot] != 0 {
      let entry = slots[slot]
      slot = (slot + 1) & (slots.count - 1)
      if entry >> 32 == UInt64(hash) { return UInt32(truncatingIfNeeded: entry) &- 1 }
    }
    return nil
  }

  mutating func insert(_ index: TableIndex, _ hash: UInt32) {
    if 2 * count >= slots.count { grow() }
    place(UInt64(hash) << 32 | UInt64(index + 1))
    count += 1
  }

  private mutating func place(_ entry: UInt64) {
    var slot = Int(entry >> 32) & (slots.count - 1)
    while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = entry
  }

  private mutating func grow() {
    let entries = slots.filter { $0 != 0 }
    slots = [UInt64](repeating: 0, count: 2 * slots.count)
    for entry in entries { place(entry) }
  }
}

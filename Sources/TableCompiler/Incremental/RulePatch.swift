import Tables
import VPCModel
import Wire

/// Which rules of a group name groups and prefix lists, by `RulePeer.key`.
struct RuleNaming: Sendable {
  private(set) var ingress: [String: [Int]] = [:]
  private(set) var egress: [String: [Int]] = [:]

  /// - Complexity: O(rules).
  init(_ group: SecurityGroup) {
    ingress = Self.rules(group.ingress)
    egress = Self.rules(group.egress)
  }

  private static func rules(_ rules: [SecurityGroupRule]) -> [String: [Int]] {
    var naming: [String: [Int]] = [:]
    for index in rules.indices {
      for peer in rules[index].peers {
        guard let key = peer.key, naming[key]?.last != index else { continue }
        naming[key, default: []].append(index)
      }
    }
    return naming
  }
}

/// What a group becomes when what its rules name gains or loses a few prefixes.
///
/// Only classes of these prefixes, and of those in them, are made, and a patch of each trie.
struct RulePatch {
  /// More prefixes than these are left to making the group anew.
  private static let changeLimit = 64

  let known: RulePart
  let group: SecurityGroup
  let naming: RuleNaming
  private(set) var peers: [String: [IPPrefix]]
  private(set) var ingress: FlatRules
  private(set) var egress: FlatRules
  private(set) var indices: ClassifierIndices
  /// Prefixes that other rules name than before.
  private var touchedIngress: [IPPrefix] = []
  private var touchedEgress: [IPPrefix] = []

  /// - Parameter changes: of what the group's rules name, by `RulePeer.key`.
  /// - Returns: nil when too much has changed.
  init?(_ known: RulePart, _ group: SecurityGroup, _ changes: [String: PeerChange]) {
    let count = changes.values.reduce(0) { $0 + $1.removed.count + $1.added.count }
    guard count <= Self.changeLimit, !changes.values.contains(where: \.isGone) else { return nil }
    let everything = changes.values.contains {
      $0.removed.contains(where: \.isEverything) || $0.added.contains(where: \.isEverything)
    }
    // Rules for all addresses decide what is tracked.
    if everything { return nil }
    (self.known, self.group) = (known, group)
    naming = known.naming ?? RuleNaming(group)
    peers = known.peers
    for (key, change) in changes { peers[key] = change.prefixes }
    (ingress, egress, indices) = (known.ingress, known.egress, known.indices)
    for (key, change) in changes {
      let (inside, outside) = (naming.ingress[key] ?? [], naming.egress[key] ?? [])
      let touched = change.removed + change.added
      if !inside.isEmpty {
        apply(change, group.ingress, inside, to: &ingress)
        touchedIngress += Self.prefixes(touched, of: inside, in: group.ingress)
      }
      if !outside.isEmpty {
        apply(change, group.egress, outside, to: &egress)
        touchedEgress += Self.prefixes(touched, of: outside, in: group.egress)
      }
    }
  }

  /// The prefixes of those families to which any of some rules applies.
  private static func prefixes(
    _ prefixes: [IPPrefix], of naming: [Int], in rules: [SecurityGroupRule]
  ) -> [IPPrefix] {
    let families = [IPFamily.v4, .v6].filter { family in
      naming.contains { rules[$0].match.applies(to: family) }
    }
    return prefixes.filter { families.contains($0.family) }
  }

  /// Changes the pairs of the rules that name something.
  private func apply(
    _ change: PeerChange, _ rules: [SecurityGroupRule], _ naming: [Int], to flat: inout FlatRules
  ) {
    for family in [IPFamily.v4, .v6] {
      var (removed, added): ([FlatRules.Pair], [FlatRules.Pair]) = ([], [])
      for index in naming where rules[index].match.applies(to: family) {
        for prefix in change.removed
        where prefix.family == family && !stillNames(rules[index], prefix) {
          let pair = FlatRules.Pair(prefix, rule: index)
          if flat.contains(pair, family) { removed.append(pair) }
        }
        for prefix in change.added where prefix.family == family {
          let pair = FlatRules.Pair(prefix, rule: index)
          if !flat.contains(pair, family) { added.append(pair) }
        }
      }
      flat.replace(removed.sorted(by: <), with: added.sorted(by: <), family)
    }
  }

  /// Whether a rule names a prefix in another way.
  private func stillNames(_ rule: SecurityGroupRule, _ prefix: IPPrefix) -> Bool {
    rule.peers.contains { peer in
      if case .cidr(let own) = peer { return own == prefix }
      return peer.key.flatMap { peers[$0] }?.contains(prefix) ?? false
    }
  }

  // MARK: Classifiers

  /// Writes what is different.
  ///
  /// - Returns: nil when the group has to be made anew.
  /// - Complexity: for each classifier and prefix, that of `TriePatch` and of the rules around it.
  mutating func classifiers(in arenas: TableArenas) throws(TableCompilerError)
    -> ClassifierPatches?
  {
    var patches = known.patches
    guard patches.hasRoom(beside: known.image.byteCount, known.source.id) else { return nil }
    let first = 1 + ingress.count
    let sides = [
      (\ClassifierIndices.ingressV4, IPFamily.v4, touchedIngress, ingress, 1),
      (\.ingressV6, .v6, touchedIngress, ingress, 1),
      (\.egressV4, .v4, touchedEgress, egress, first),
      (\.egressV6, .v6, touchedEgress, egress, first),
    ]
    for (number, (side, family, touched, rules, firstPlace)) in sides.enumerated() {
      let prefixes = touched.filter { $0.family == family }
      if prefixes.isEmpty { continue }
      // A first prefix makes a classifier, and with the last one it goes.
      guard indices[keyPath: side] != .none, !rules.pairs(family).isEmpty else { return nil }
      let draft = ClassDraft(prefixes, rules, family, firstPlace, known.numbers)
      let index = indices[keyPath: side]
      guard let draft, let patch = try ClassifierPatch(draft, index, in: arenas) else {
        return nil
      }
      indices[keyPath: side] = patch.index
      patches.add(patch, side: number)
    }
    return patches
  }
}

/// The classes of prefixes that a patch changes.
struct ClassDraft {
  private static let limit = 256

  private(set) var classes: [TableRange] = []
  private(set) var intervals: [ClassifierInterval] = []
  /// With classes as values, or none.
  private(set) var changes = TriePatch.Changes()
  private var known: [[UInt32]: TableIndex] = [:]
  private let rules: FlatRules
  private let family: IPFamily
  private let firstPlace: Int
  private let numbers: [UInt32]

  /// - Parameters:
  ///   - prefixes: that other rules name than before.
  ///   - numbers: of the group's rules by place less one.
  /// - Returns: nil when there are more prefixes in these than is worth it.
  init?(
    _ prefixes: [IPPrefix], _ rules: FlatRules, _ family: IPFamily, _ firstPlace: Int,
    _ numbers: [UInt32]
  ) {
    (self.rules, self.family) = (rules, family)
    (self.firstPlace, self.numbers) = (firstPlace, numbers)
    let pairs = rules.pairs(family)
    for prefix in prefixes.map({ FlatRules.Pair($0, rule: 0) }).sorted(by: <) {
      let entry = PrefixTrieBuilder.Entry(prefix, .none)
      if changes.covers(entry) { continue }
      var inner: [PrefixTrieBuilder.Entry] = []
      var next = FlatRules.first(notBelow: prefix, in: pairs)
      while next < pairs.count, prefix.contains(pairs[next]) {
        let pair = pairs[next]
        while next < pairs.count, pairs[next].hasPrefix(of: pair) { next += 1 }
        if pair.hasPrefix(of: prefix) { continue }
        inner.append(PrefixTrieBuilder.Entry(pair, classOf(pair)))
        if changes.entries.count + inner.count > Self.limit { return nil }
      }
      changes.add(PrefixTrieBuilder.Entry(prefix, classOf(prefix)), inner: inner)
    }
  }

  /// The class of addresses that no prefix in this one holds.
  private mutating func classOf(_ prefix: FlatRules.Pair) -> TableIndex {
    let around = rules.rules(around: prefix, family)
    if around.isEmpty { return .none }
    if let same = known[around] { return same }
    let partition = KeyPartition.merged(around[...], firstPlace, rules)
    let index = UInt32(classes.count)
    classes.append(
      TableRange(start: UInt32(intervals.count), count: UInt32(partition.starts.count)))
    intervals += ClassifierInterval.numbered(partition.starts, partition.results, numbers)
    known[around] = index
    return index
  }
}

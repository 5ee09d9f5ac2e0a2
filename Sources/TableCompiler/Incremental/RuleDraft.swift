import Tables
import VPCModel
import Wire

/// The rules of a security group or network ACL with their classifiers, not in the arenas yet.
struct RuleDraft {
  let source: RulePart.Source
  let peers: [String: [IPPrefix]]
  private(set) var names: [String] = []
  private(set) var openBits: UInt8 = 0
  private(set) var indices = ClassifierIndices()
  private(set) var classifiers = ClassifierBuilder()
  private(set) var tries = PrefixTrieBuilder()
  private(set) var ingress = FlatRules()
  private(set) var egress = FlatRules()
  /// Which rules name what, where it is known.
  private(set) var naming: RuleNaming?

  /// - Parameters:
  ///   - peers: the prefixes of what the rules name, by `RulePeer.key`.
  ///   - known: the group before: of rules that are the same, nothing is sorted again.
  /// - Complexity: O(n + m log m) in the pairs of rule and prefix, for prefixes that do not nest; m
  ///   of them are of other rules than before.
  init(
    _ group: SecurityGroup, peers: [String: [IPPrefix]], after known: RulePart?
  ) throws(TableCompilerError) {
    source = .group(group)
    self.peers = peers
    var before = SecurityGroup(id: "", vpc: "", ingress: [], egress: [])
    if case .group(let group) = known?.source { before = group }
    let others = Self.others(peers, known?.peers ?? peers)
    let changed = (
      ChangedRange(before.ingress, group.ingress, bytes: .ofSecurityGroupRule),
      ChangedRange(before.egress, group.egress, bytes: .ofSecurityGroupRule)
    )
    names = Self.names(group, changed, before, known?.names ?? [])
    ingress = flat(group.ingress, after: before.ingress, changed.0, known?.ingress, others)
    egress = flat(group.egress, after: before.egress, changed.1, known?.egress, others)
    try addClassifiers()
  }

  /// A group whose rules are the same, with classifiers that are made anew.
  init(_ patch: RulePatch) throws(TableCompilerError) {
    source = .group(patch.group)
    peers = patch.peers
    names = patch.known.names
    (ingress, egress, naming) = (patch.ingress, patch.egress, patch.naming)
    try addClassifiers()
  }

  /// The first rule by number decides, and no match is the final deny.
  init(_ acl: NetworkACL, after known: RulePart?) throws(TableCompilerError) {
    source = .acl(acl)
    peers = [:]
    var before = NetworkACL(id: "", vpc: "", ingress: [], egress: [])
    if case .acl(let acl) = known?.source { before = acl }
    let (ingress, egress) = (Self.ordered(acl.ingress), Self.ordered(acl.egress))
    self.ingress = Self.flat(ingress, after: Self.ordered(before.ingress), known?.ingress)
    self.egress = Self.flat(egress, after: Self.ordered(before.egress), known?.egress)
    names = ingress.map(\.id) + egress.map(\.id)
    try addClassifiers()
  }

  /// Room that the part takes in the arenas.
  var sizes: ArenaSizes {
    ArenaSizes(
      classifiers: classifiers.classifiers.count, classes: classifiers.classes.count,
      intervals: classifiers.starts.count, tries: tries.tries.count,
      lines: tries.blocks.lineCount, direct: tries.direct.count)
  }

  /// Places are those of the ingress rules, then those of the egress rules.
  private mutating func addClassifiers() throws(TableCompilerError) {
    openBits = Self.openBits(ingress, .ingress) | Self.openBits(egress, .egress)
    classifiers.reserve(rules: names.count)
    let first = 1 + ingress.count
    indices.ingressV4 = try classifiers.add(ingress, family: .v4, firstPlace: 1, tries: &tries)
    indices.ingressV6 = try classifiers.add(ingress, family: .v6, firstPlace: 1, tries: &tries)
    indices.egressV4 = try classifiers.add(egress, family: .v4, firstPlace: first, tries: &tries)
    indices.egressV6 = try classifiers.add(egress, family: .v6, firstPlace: first, tries: &tries)
  }

  // MARK: Flat rules

  /// What rules name and has other prefixes than before.
  private static func others(
    _ peers: [String: [IPPrefix]], _ known: [String: [IPPrefix]]
  ) -> Set<String> {
    var others: Set<String> = []
    for (key, prefixes) in peers where known[key] != prefixes { others.insert(key) }
    return others
  }

  /// Names of the ingress rules, then of the egress rules: the array of before when they are the
  /// same, which nobody has to copy.
  private static func names(
    _ group: SecurityGroup, _ changed: (ingress: ChangedRange, egress: ChangedRange),
    _ before: SecurityGroup, _ known: [String]
  ) -> [String] {
    let ingress = group.ingress[changed.ingress.new].map(\.id)
    let egress = group.egress[changed.egress.new].map(\.id)
    if before.ingress[changed.ingress.old].map(\.id) == ingress,
      before.egress[changed.egress.old].map(\.id) == egress
    {
      return known
    }
    let middle = before.ingress.count
    return changed.ingress.applied(to: Array(known[..<middle]), ingress)
      + changed.egress.applied(to: Array(known[middle...]), egress)
  }

  private func flat(
    _ rules: [SecurityGroupRule], after before: [SecurityGroupRule], _ own: ChangedRange,
    _ known: FlatRules?, _ others: Set<String>
  ) -> FlatRules {
    var flat = known ?? FlatRules()
    func namesAnother(_ rule: SecurityGroupRule) -> Bool {
      rule.peers.contains { $0.key.map { others.contains($0) } ?? false }
    }
    // Rules that are the same may name what is another now.
    let changed =
      others.isEmpty
      ? own : ChangedRange(before, rules, bytes: .ofSecurityGroupRule, where: namesAnother)
    if changed.isEmpty { return flat }
    flat.replace(
      changed.old,
      with: rules[changed.new].map { rule in
        var prefixes: [IPPrefix] = []
        for peer in rule.peers {
          if case .cidr(let prefix) = peer { prefixes.append(prefix) }
          if let key = peer.key { prefixes += peers[key] ?? [] }
        }
        prefixes.removeAll { !rule.match.applies(to: $0.family) }
        return ClassifierRule(
          allow: true, intervals: rule.match.keyIntervals, prefixes: prefixes)
      })
    return flat
  }

  private static func flat(
    _ rules: [NetworkACLRule], after before: [NetworkACLRule], _ known: FlatRules?
  ) -> FlatRules {
    var flat = known ?? FlatRules()
    let changed = ChangedRange(before, rules)
    if changed.isEmpty { return flat }
    flat.replace(
      changed.old,
      with: rules[changed.new].map {
        ClassifierRule(
          allow: $0.allow, intervals: $0.match.keyIntervals,
          prefixes: $0.match.applies(to: $0.cidr.family) ? [$0.cidr] : [])
      })
    return flat
  }

  /// The rules in the order of judgement, which a model need not have.
  private static func ordered(_ rules: [NetworkACLRule]) -> [NetworkACLRule] {
    if zip(rules, rules.dropFirst()).allSatisfy({ $0.number <= $1.number }) { return rules }
    return rules.enumerated().sorted {
      ($0.element.number, $0.offset) < ($1.element.number, $1.offset)
    }.map(\.element)
  }

  /// The bits of `NICRecord.openBits` that rules of one direction set.
  private static func openBits(_ rules: FlatRules, _ direction: Direction) -> UInt8 {
    var bits: UInt8 = 0
    for family in [IPFamily.v4, .v6] {
      // Prefixes that hold everything come first.
      for pair in rules.pairs(family).prefix(while: { $0.length == 0 }) {
        for (number, protocolNumber) in [UInt8(6), 17].enumerated() {
          let first = ClassifierKey.key(protocolNumber: protocolNumber, low: 0)
          let coversAll = rules.intervals(of: Int(pair.rule)).contains {
            rules.firstKeys[$0] <= first && rules.lastKeys[$0] >= first | 0xFFFF
          }
          guard coversAll else { continue }
          bits |= 1 << (direction.rawValue * 4 + (family == .v6 ? 2 : 0) + UInt8(number))
        }
      }
    }
    return bits
  }
}

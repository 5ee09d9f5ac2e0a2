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

  /// - Parameter peers: the prefixes of what the rules name, by `RulePeer.key`.
  /// - Complexity: O(n log n) in the pairs of rule and prefix, for prefixes that do not nest.
  init(_ group: SecurityGroup, peers: [String: [IPPrefix]]) throws(TableCompilerError) {
    source = .group(group)
    self.peers = peers
    names.reserveCapacity(group.ingress.count + group.egress.count)
    let ingress = rules(group.ingress)
    let egress = rules(group.egress)
    openBits = Self.openBits(ingress, .ingress) | Self.openBits(egress, .egress)
    try addClassifiers(ingress: ingress, egress: egress)
  }

  /// The first rule by number decides, and no match is the final deny.
  init(_ acl: NetworkACL) throws(TableCompilerError) {
    source = .acl(acl)
    peers = [:]
    try addClassifiers(ingress: rules(acl.ingress), egress: rules(acl.egress))
  }

  /// Room that the part takes in the arenas.
  var sizes: ArenaSizes {
    ArenaSizes(
      classifiers: classifiers.classifiers.count, classes: classifiers.classes.count,
      intervals: classifiers.starts.count, tries: tries.tries.count, nodes: tries.nodes.count,
      values: tries.values.count, direct: tries.direct.count)
  }

  private mutating func addClassifiers(
    ingress: [ClassifierRule], egress: [ClassifierRule]
  ) throws(TableCompilerError) {
    indices.ingressV4 = try classifiers.add(ingress, family: .v4, tries: &tries)
    indices.ingressV6 = try classifiers.add(ingress, family: .v6, tries: &tries)
    indices.egressV4 = try classifiers.add(egress, family: .v4, tries: &tries)
    indices.egressV6 = try classifiers.add(egress, family: .v6, tries: &tries)
  }

  /// The next rule's place.
  private mutating func place(_ name: String) -> UInt32 {
    names.append(name)
    return UInt32(names.count)
  }

  private mutating func rules(_ rules: [SecurityGroupRule]) -> [ClassifierRule] {
    rules.map { rule in
      var prefixes: [IPPrefix] = []
      for peer in rule.peers {
        if case .cidr(let prefix) = peer { prefixes.append(prefix) }
        if let key = peer.key { prefixes += peers[key] ?? [] }
      }
      return ClassifierRule(
        place: place(rule.id), allow: true, intervals: rule.match.keyIntervals, prefixes: prefixes)
    }
  }

  private mutating func rules(_ rules: [NetworkACLRule]) -> [ClassifierRule] {
    // Sorted here, too, because places must be in the order of judgement.
    let ordered = rules.enumerated().sorted {
      ($0.element.number, $0.offset) < ($1.element.number, $1.offset)
    }
    return ordered.map { item in
      let rule = item.element
      return ClassifierRule(
        place: place(rule.id), allow: rule.allow, intervals: rule.match.keyIntervals,
        prefixes: [rule.cidr])
    }
  }

  /// The bits of `NICRecord.openBits` that rules of one direction set.
  private static func openBits(_ rules: [ClassifierRule], _ direction: Direction) -> UInt8 {
    var bits: UInt8 = 0
    for rule in rules {
      for (number, protocolNumber) in [UInt8(6), 17].enumerated() {
        let first = ClassifierKey.key(protocolNumber: protocolNumber, low: 0)
        let coversAll = rule.intervals.contains {
          $0.contains(first) && $0.contains(first | 0xFFFF)
        }
        guard coversAll else { continue }
        for prefix in rule.prefixes where prefix.isEverything {
          bits |= 1 << (direction.rawValue * 4 + (prefix.family == .v6 ? 2 : 0) + UInt8(number))
        }
      }
    }
    return bits
  }
}

import Wire

extension ModelLint {
  // MARK: Security groups

  static func groupWarnings(_ group: SecurityGroup, _ context: LintContext) -> [ModelWarning] {
    var warnings: [ModelWarning] = []
    if !context.groupsWithMembers.contains(group.id), !context.groupsInRules.contains(group.id) {
      warnings.append(unused("group-unused", group.id, "network interface or rule"))
    }
    for rule in group.ingress + group.egress {
      guard let message = whyNever(rule, context) else { continue }
      warnings.append(
        ModelWarning(code: "rule-never-matches", object: rule.id, message: message))
    }
    return warnings
  }

  /// Why no packet matches a rule; nil if one may.
  private static func whyNever(_ rule: SecurityGroupRule, _ context: LintContext) -> String? {
    var first: String?
    for peer in rule.peers {
      guard let reason = whyNever(peer, rule.match, context) else { return nil }
      first = first ?? reason
    }
    return first ?? "It never matches: it names no peer."
  }

  private static func whyNever(
    _ peer: RulePeer, _ match: TrafficMatch, _ context: LintContext
  ) -> String? {
    switch peer {
    case .cidr(let prefix): return wrongFamily([prefix], match)
    case .securityGroup(let id):
      if context.groupsWithMembers.contains(id) { return nil }
      return "It never matches: no network interface is in the group `\(id)`."
    case .prefixList(let id):
      let entries = context.prefixLists[id] ?? []
      if entries.isEmpty { return "It never matches: the prefix list `\(id)` is empty." }
      return wrongFamily(entries, match)
    }
  }

  /// ICMP goes with IPv4 and ICMPv6 with IPv6.
  private static func wrongFamily(_ prefixes: [IPPrefix], _ match: TrafficMatch) -> String? {
    let needed: IPFamily
    switch match.protocolNumber {
    case ProtocolNumber.icmp: needed = .v4
    case ProtocolNumber.icmpv6: needed = .v6
    default: return nil
    }
    if prefixes.contains(where: { $0.family == needed }) { return nil }
    return needed == .v4
      ? "It never matches: icmp is for IPv4 and its addresses are IPv6."
      : "It never matches: icmpv6 is for IPv6 and its addresses are IPv4."
  }

  // MARK: Network ACLs

  static func aclWarnings(_ acl: NetworkACL, _ context: LintContext) -> [ModelWarning] {
    var warnings: [ModelWarning] = []
    if !context.usedACLs.contains(acl.id) {
      warnings.append(unused("acl-unused", acl.id, "subnet"))
    }
    for rules in [acl.ingress, acl.egress] {
      var decided = DecidedTraffic()
      for rule in rules {
        if let message = wrongFamily([rule.cidr], rule.match) {
          warnings.append(
            ModelWarning(code: "rule-never-matches", object: rule.id, message: message))
        } else if let prefix = decided.cover(of: rule) {
          let message =
            "It never decides: earlier rules for \(prefix) match everything that it matches."
          warnings.append(ModelWarning(code: "acl-shadowed", object: rule.id, message: message))
        } else {
          decided.insert(rule)
        }
      }
    }
    return warnings
  }
}

/// What the earlier rules of a network ACL have decided.
///
/// Ports, or ICMP type and code as one number, are intervals in a set for each CIDR block and
/// protocol. A rule that several blocks together cover, but none alone, is not found.
private struct DecidedTraffic {
  private struct Key: Hashable {
    var prefix: IPPrefix
    /// nil is every protocol.
    var protocolNumber: UInt8?
  }

  private var intervals: [Key: IntervalSet] = [:]
  private var lengths: Set<Int> = []

  /// The block whose rules decide all that `rule` matches.
  func cover(of rule: NetworkACLRule) -> IPPrefix? {
    let wanted = Self.intervals(of: rule.match)
    for length in lengths.sorted() where length <= rule.cidr.length {
      let prefix = IPPrefix(rule.cidr.address, length: length)
      for number in Set([nil, rule.match.protocolNumber]) {
        guard let decided = intervals[Key(prefix: prefix, protocolNumber: number)] else {
          continue
        }
        if wanted.allSatisfy({ decided.contains($0) }) { return prefix }
      }
    }
    return nil
  }

  mutating func insert(_ rule: NetworkACLRule) {
    let key = Key(prefix: rule.cidr, protocolNumber: rule.match.protocolNumber)
    for interval in Self.intervals(of: rule.match) {
      intervals[key, default: IntervalSet()].insert(interval)
    }
    lengths.insert(rule.cidr.length)
  }

  private static func intervals(of match: TrafficMatch) -> [ClosedRange<Int>] {
    if let type = match.icmpType {
      let first = Int(type) << 8
      if let code = match.icmpCode { return [first + Int(code)...first + Int(code)] }
      return [first...first + 255]
    }
    if match.ports.isEmpty { return [0...65535] }
    return match.ports.map { Int($0.lowerBound)...Int($0.upperBound) }
  }
}

/// Disjoint intervals in ascending order, joined where they touch.
private struct IntervalSet {
  private var intervals: [ClosedRange<Int>] = []

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

import Wire

extension ModelLint {
  // MARK: Security groups

  static func groupWarnings(_ group: SecurityGroup, _ context: LintContext) -> [ModelWarning] {
    var warnings: [ModelWarning] = []
    if !context.groupsWithMembers.contains(group.id), !context.groupsInRules.contains(group.id) {
      warnings.append(unused(.groupUnused, group.id, "network interface or rule"))
    }
    for rule in group.ingress + group.egress {
      guard let message = whyNever(rule, context) else { continue }
      warnings.append(
        ModelWarning(.ruleNeverMatches, rule.id, message))
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
      warnings.append(unused(.aclUnused, acl.id, "subnet"))
    }
    for rules in [acl.ingress, acl.egress] {
      var decided = CoveredTraffic()
      for rule in rules {
        if let message = wrongFamily([rule.cidr], rule.match) {
          warnings.append(
            ModelWarning(.ruleNeverMatches, rule.id, message))
        } else if case .cidr(let block) = decided.cover(of: rule.match, .cidr(rule.cidr)) {
          let message =
            "It never decides: earlier rules for \(block) match everything that it matches."
          warnings.append(ModelWarning(.aclShadowed, rule.id, message))
        } else {
          decided.insert(rule.match, .cidr(rule.cidr))
        }
      }
    }
    return warnings
  }
}

import Wire

// What groups allow to everybody, and what they allow twice.
extension ModelLint {
  /// TCP ports by which machines are administered: the first two and others after AWS Security Hub,
  /// controls EC2.13, EC2.14 and EC2.19; WinRM and VNC by the IANA registry.
  private static let adminPorts: [(port: Int, name: String)] = [
    (22, "SSH"), (3389, "RDP"), (23, "Telnet"), (135, "RPC"), (445, "SMB"), (5900, "VNC"),
    (5985, "WinRM"), (5986, "WinRM over TLS"),
  ]

  static func openAdminPorts(
    _ group: SecurityGroup, _ context: LintContext
  ) -> [ModelWarning] {
    group.ingress.compactMap { rule in
      guard rule.match.protocolNumber == nil || rule.match.protocolNumber == IPProtocol.tcp,
        let everybody = rule.peers.lazy.compactMap({ Self.everybody($0, context) }).first
      else { return nil }
      let open = adminPorts.filter { admin in
        rule.match.intervals.contains { $0.contains(admin.port) }
      }
      if open.isEmpty { return nil }
      let names = open.prefix(3).map { "\($0.name) (\($0.port))" }.joined(separator: ", ")
      let more = open.count > 3 ? " and \(open.count - 3) more" : ""
      return ModelWarning(
        .adminPortOpen, rule.id, "It opens \(names)\(more) to \(everybody), which is everybody.")
    }
  }

  /// The block of all addresses that a remote side has.
  private static func everybody(_ peer: RulePeer, _ context: LintContext) -> IPPrefix? {
    switch peer {
    case .cidr(let prefix): prefix.length == 0 ? prefix : nil
    case .prefixList(let id): context.prefixLists[id]?.first { $0.length == 0 }
    case .securityGroup: nil
    }
  }

  /// Rules of one direction that allow nothing that others do not allow.
  static func redundantRules(_ rules: [SecurityGroupRule]) -> [ModelWarning] {
    var covered = CoveredTraffic()
    var redundant: Set<Int> = []
    // The wider come first; of the same, the earlier.
    let order = rules.indices.sorted { breadth(rules[$0], $0) < breadth(rules[$1], $1) }
    for index in order where !rules[index].peers.isEmpty {
      let rule = rules[index]
      if rule.peers.allSatisfy({ covered.cover(of: rule.match, $0) != nil }) {
        redundant.insert(index)
      }
      for peer in rule.peers { covered.insert(rule.match, peer) }
    }
    return redundant.sorted().map { index in
      ModelWarning(
        .ruleRedundant, rules[index].id,
        "Other rules of its group allow everything that it allows.")
    }
  }

  /// Smaller for a rule that may cover more.
  private static func breadth(_ rule: SecurityGroupRule, _ index: Int) -> (Int, Int, Int, Int) {
    let lengths = rule.peers.map { peer in
      if case .cidr(let prefix) = peer { prefix.length } else { 0 }
    }
    let numbers = rule.match.intervals.reduce(0) { $0 + $1.count }
    return (
      lengths.max() ?? 0, rule.match.protocolNumber == nil ? 0 : 1, 65_536 - numbers, index
    )
  }
}

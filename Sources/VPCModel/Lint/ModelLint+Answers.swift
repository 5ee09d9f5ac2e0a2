import Wire

// Network ACLs have no memory: what answers a packet needs a rule of its own.
extension ModelLint {
  /// Ports from which clients open connections: 1024 to 65535 has all that AWS names ("Custom
  /// network ACLs", ephemeral ports).
  private static let ephemeral = 1024...65535
  private static let many = 1_000

  static func cutAnswers(_ acl: NetworkACL) -> [ModelWarning] {
    cutAnswers(acl.ingress, by: acl.egress, "egress", "to")
      + cutAnswers(acl.egress, by: acl.ingress, "ingress", "from")
  }

  private static func cutAnswers(
    _ requests: [NetworkACLRule], by answers: [NetworkACLRule], _ direction: String, _ way: String
  ) -> [ModelWarning] {
    requests.compactMap { rule in
      guard rule.allow, !isForAnswers(rule.match) else { return nil }
      for number in [IPProtocol.tcp, IPProtocol.udp]
      where rule.match.protocolNumber == nil || rule.match.protocolNumber == number {
        let missing = allowed(answers, number, rule.cidr).gaps(in: ephemeral)
        // Who refuses single ports means it.
        if missing.reduce(0, { $0 + $1.count }) < many { continue }
        let ports = missing.map {
          $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
        }
        .joined(separator: ", ")
        let name = number == IPProtocol.tcp ? "TCP" : "UDP"
        return ModelWarning(
          .aclCutsAnswers, rule.id,
          "Answers are cut: no \(direction) rule allows \(name) ports \(ports) \(way) all of"
            + " \(rule.cidr).")
      }
      return nil
    }
  }

  /// Whether a rule may itself be there for answers: only ports that clients use, and many.
  private static func isForAnswers(_ match: TrafficMatch) -> Bool {
    !match.ports.isEmpty && match.ports.allSatisfy { Int($0.lowerBound) >= ephemeral.lowerBound }
      && match.ports.contains { $0.count >= many }
  }

  /// The ports that rules allow for all of a block. A rule for a part of it decides nothing here:
  /// who refuses a part means it.
  private static func allowed(
    _ rules: [NetworkACLRule], _ number: UInt8, _ block: IPPrefix
  ) -> IntervalSet {
    var (decided, allowed) = (IntervalSet(), IntervalSet())
    for rule in rules
    where rule.cidr.contains(block)
      && (rule.match.protocolNumber == nil || rule.match.protocolNumber == number)
    {
      for interval in rule.match.intervals {
        if rule.allow { for new in decided.gaps(in: interval) { allowed.insert(new) } }
        decided.insert(interval)
      }
    }
    return allowed
  }
}

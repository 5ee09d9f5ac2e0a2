import Wire

extension ModelWriter {
  // MARK: Security groups

  static func json(_ group: SecurityGroup) -> String {
    var object = JSONObject()
    object.add("id", group.id)
    object.add("vpc", group.vpc)
    if !group.ingress.isEmpty {
      object.add("ingress", raw: rules(group.ingress, of: "\(group.id)/ingress", peers: "from"))
    }
    if group.egress != [.allowAll(group: group.id)] {
      object.add("egress", raw: rules(group.egress, of: "\(group.id)/egress", peers: "to"))
    }
    return object.closed
  }

  private static func rules(
    _ rules: [SecurityGroupRule], of names: String, peers: String
  ) -> String {
    JSONObject.list(
      rules.enumerated().map { index, rule in
        var object = JSONObject()
        add(rule.match, to: &object)
        object.add(peers, raw: oneOrMore(rule.peers.map { quoted($0.text) }))
        if rule.id != "\(names)/\(index)" { object.add("id", rule.id) }
        return object.closed
      })
  }

  // MARK: Network ACLs

  static func json(_ acl: NetworkACL) -> String {
    var object = JSONObject()
    object.add("id", acl.id)
    object.add("vpc", acl.vpc)
    for (name, rules) in [("ingress", acl.ingress), ("egress", acl.egress)] where !rules.isEmpty {
      object.add(name, raw: JSONObject.list(rules.map { json($0, of: "\(acl.id)/\(name)") }))
    }
    return object.closed
  }

  private static func json(_ rule: NetworkACLRule, of names: String) -> String {
    var object = JSONObject()
    object.add("rule", rule.number)
    object.add("action", rule.allow ? "allow" : "deny")
    add(rule.match, to: &object)
    object.add("cidr", rule.cidr.description)
    if rule.id != "\(names)/\(rule.number)" { object.add("id", rule.id) }
    return object.closed
  }

  // MARK: Routes

  static func json(_ table: RouteTable) -> String {
    var object = JSONObject()
    object.add("id", table.id)
    object.add("vpc", table.vpc)
    if !table.routes.isEmpty {
      object.add("routes", raw: JSONObject.list(table.routes.map(json)))
    }
    return object.closed
  }

  private static func json(_ route: Route) -> String {
    var object = JSONObject()
    switch route.destination {
    case .cidr(let prefix): object.add("to", prefix.description)
    case .prefixList(let id): object.add("to", id)
    }
    switch route.target {
    case .internetGateway(let id), .peering(let id), .networkInterface(let id):
      object.add("via", id)
    case .blackhole: object.add("via", "blackhole")
    }
    if let id = route.id { object.add("id", id) }
    return object.closed
  }

  // MARK: Fields that several kinds have

  private static func add(_ match: TrafficMatch, to object: inout JSONObject) {
    if let number = match.protocolNumber {
      if let name = ProtocolNumber.name(number) {
        object.add("protocol", name)
      } else {
        object.add("protocol", number)
      }
    } else {
      object.add("protocol", "all")
    }
    if !match.ports.isEmpty { object.add("ports", raw: oneOrMore(match.ports.map(ports))) }
    if let type = match.icmpType { object.add("type", type) }
    if let code = match.icmpCode { object.add("code", code) }
  }

  private static func ports(_ range: ClosedRange<UInt16>) -> String {
    range.count == 1 ? "\(range.lowerBound)" : "\"\(range.lowerBound)-\(range.upperBound)\""
  }

  private static func oneOrMore(_ values: [String]) -> String {
    values.count == 1 ? values[0] : JSONObject.list(values)
  }
}

extension RulePeer {
  /// As a file has it.
  var text: String {
    switch self {
    case .cidr(let prefix): prefix.description
    case .securityGroup(let id), .prefixList(let id): id
    }
  }
}

extension SecurityGroupRule {
  /// What AWS gives a new group: everything may leave.
  static func allowAll(group: String) -> SecurityGroupRule {
    SecurityGroupRule(
      id: "\(group)/egress/0", match: TrafficMatch(),
      peers: [
        .cidr(IPPrefix(IPAddress(v4: 0), length: 0)),
        .cidr(IPPrefix(IPAddress(v6: 0, 0), length: 0)),
      ])
  }
}

extension ProtocolNumber {
  static func name(_ number: UInt8) -> String? {
    switch number {
    case icmp: "icmp"
    case tcp: "tcp"
    case udp: "udp"
    case icmpv6: "icmpv6"
    case sctp: "sctp"
    default: nil
    }
  }
}

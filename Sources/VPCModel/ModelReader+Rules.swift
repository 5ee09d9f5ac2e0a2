import Wire

private enum Action: String, CaseIterable {
  case allow, deny
}

extension ModelReader {
  // MARK: Security groups

  mutating func readSecurityGroup(_ item: Located) {
    guard let fields = fields(item, .securityGroup) else { return }
    let vpc = reference(fields["vpc"], .vpc)
    let owner = vpc.map { Owner.vpc($0) }
    let id = declare(fields["id"], .securityGroup, owner: owner)
    let ingress = groupRules(fields["ingress"], group: id, owner: owner, ingress: true)
    let egress = groupRules(fields["egress"], group: id, owner: owner, ingress: false)
    guard let id, let vpc else { return }
    var group = SecurityGroup(id: id, vpc: vpc, ingress: ingress, egress: egress)
    if let field = fields["egress"] {
      // Absent would allow everything, an empty list nothing: a bare `egress:` leaves doubt.
      if field.isNull {
        fail(field.place, "is empty: write [] for no egress, or leave it out to allow all")
      }
    } else {
      // What AWS gives a new group.
      let rule = SecurityGroupRule.allowAll(group: id)
      _ = ruleName(nil, default: rule.id, item.place)
      group.egress = [rule]
    }
    model.securityGroups.append(group)
  }

  private mutating func groupRules(
    _ list: Located?, group: String?, owner: Owner?, ingress: Bool
  ) -> [SecurityGroupRule] {
    var rules: [SecurityGroupRule] = []
    for (index, item) in items(list).enumerated() {
      guard let fields = fields(item, ingress ? .ingressRule : .egressRule) else { continue }
      let standard = group.map { "\($0)/\(ingress ? "ingress" : "egress")/\(index)" }
      let id = ruleName(fields["id"], default: standard, item.place)
      let match = trafficMatch(fields)
      let peers = peers(fields[ingress ? "from" : "to"], owner: owner)
      guard let id, let match else { continue }
      rules.append(SecurityGroupRule(id: id, match: match, peers: peers))
    }
    return rules
  }

  private mutating func peers(_ field: Located?, owner: Owner?) -> [RulePeer] {
    var peers: [RulePeer] = []
    for item in oneOrMore(field) {
      let expected = "a CIDR block, a security group or a prefix list"
      guard let text = characters(item, expected) else { continue }
      if let prefix = prefix(text) {
        peers.append(.cidr(prefix))
      } else if text.contains("/") || IPAddress(text) != nil {
        fail(item.place, notACIDR(text))
      } else {
        let scope = owner.map { Reference.Scope.ownerOrPeer($0) } ?? .anywhere
        // Which of the two it is, is known when all files are read.
        if let id = reference(item, .securityGroup, .prefixList, scope: scope) {
          peers.append(.securityGroup(id))
        }
      }
    }
    return peers
  }

  // MARK: Network ACLs

  mutating func readNetworkACL(_ item: Located) {
    guard let fields = fields(item, .networkACL) else { return }
    let vpc = reference(fields["vpc"], .vpc)
    let id = declare(fields["id"], .networkACL, owner: vpc.map { .vpc($0) })
    let ingress = aclRules(fields["ingress"], prefix: id.map { "\($0)/ingress" })
    let egress = aclRules(fields["egress"], prefix: id.map { "\($0)/egress" })
    guard let id, let vpc else { return }
    model.networkACLs.append(NetworkACL(id: id, vpc: vpc, ingress: ingress, egress: egress))
  }

  private mutating func aclRules(_ list: Located?, prefix names: String?) -> [NetworkACLRule] {
    var rules: [NetworkACLRule] = []
    var seen: [UInt64: Place] = [:]
    for item in items(list) {
      guard let fields = fields(item, .networkACLRule) else { continue }
      let number = integer(fields["rule"], in: 1...32766)
      let action = choice(fields["action"], Action.self)
      let match = trafficMatch(fields)
      let cidr = prefix(fields["cidr"])
      if let number, let field = fields["rule"] {
        if let first = seen[number] {
          fail(field.place, "duplicate rule number \(number); first at \(text(first))")
          continue
        }
        seen[number] = field.place
      }
      let standard = names.flatMap { names in number.map { "\(names)/\($0)" } }
      let id = ruleName(fields["id"], default: standard, item.place)
      guard let id, let number, let action, let match, let cidr else { continue }
      rules.append(
        NetworkACLRule(
          id: id, number: Int(number), allow: action == .allow, match: match, cidr: cidr))
    }
    return rules.sorted { $0.number < $1.number }
  }

  // MARK: Routes

  mutating func readRouteTable(_ item: Located) {
    guard let fields = fields(item, .routeTable) else { return }
    let vpc = reference(fields["vpc"], .vpc)
    let owner = vpc.map { Owner.vpc($0) }
    let id = declare(fields["id"], .routeTable, owner: owner)
    var routes: [Route] = []
    var seen: [String: Place] = [:]
    for item in items(fields["routes"]) {
      guard let fields = self.fields(item, .route) else { continue }
      let destination = routeDestination(fields["to"], seen: &seen)
      let target = routeTarget(fields["via"], scope: scope(owner))
      let name = fields["id"].flatMap { ruleName($0, default: nil, item.place) }
      guard let destination, let target else { continue }
      routes.append(Route(id: name, destination: destination, target: target))
    }
    guard let id, let vpc else { return }
    model.routeTables.append(RouteTable(id: id, vpc: vpc, routes: routes))
  }

  private mutating func routeDestination(
    _ field: Located?, seen: inout [String: Place]
  ) -> RouteDestination? {
    guard let field, let text = characters(field, "a CIDR block or a prefix list") else {
      return nil
    }
    let destination: RouteDestination
    if let prefix = prefix(text) {
      destination = .cidr(prefix)
    } else if text.contains("/") || IPAddress(text) != nil {
      fail(field.place, notACIDR(text))
      return nil
    } else {
      guard let id = reference(field, .prefixList) else { return nil }
      destination = .prefixList(id)
    }
    let key = if case .cidr(let prefix) = destination { prefix.description } else { text }
    if let first = seen[key] {
      fail(field.place, "a route to `\(key)` is given twice; first at \(self.text(first))")
    } else {
      seen[key] = field.place
    }
    return destination
  }

  private mutating func routeTarget(_ field: Located?, scope: Reference.Scope) -> RouteTarget? {
    guard let field, let text = characters(field, "a target or `blackhole`") else { return nil }
    if text == "blackhole" { return .blackhole }
    // Which of the three it is, is known when all files are read.
    return reference(field, .internetGateway, .peering, .networkInterface, scope: scope)
      .map { .networkInterface($0) }
  }

  // MARK: Names of rules

  /// The rule's own id or its standard name, which no other rule may have.
  private mutating func ruleName(
    _ field: Located?, default standard: String?, _ place: Place
  ) -> String? {
    let given = name(field, slashes: true)
    guard let name = field == nil ? standard : given else { return nil }
    let place = field?.place ?? place
    if let first = facts.ruleNames[name] {
      // The standard names of a duplicate object repeat as well; its id is reported already.
      if field != nil || first.isGiven {
        fail(place, "duplicate rule id `\(name)`; first at \(text(first.place))")
      }
    } else {
      facts.ruleNames[name] = RuleNameFact(place: place, isGiven: field != nil)
    }
    return name
  }
}

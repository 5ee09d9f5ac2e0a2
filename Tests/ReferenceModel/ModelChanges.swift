import VPCModel
import Wire

// Changes of a model as an operator makes them, one at a time.

extension ModelGenerator {
  mutating func change() {
    switch random.number(0...21) {
    case 0...3: changeRule()
    case 4: changeMembership()
    case 5, 16...18: changeACL()
    case 6, 7: changeMapping()
    case 8, 9: changeRoute()
    case 10, 11: changeInterfaces()
    case 12: changeInterface()
    case 13, 19...21: changeLimits()
    case 14: changePrefixList()
    default: model.policy.midstream = random.one(in: 2) ? .drop : .evaluate
    }
  }

  private mutating func changeRule() {
    let index = random.number(0...model.securityGroups.count - 1)
    let id = model.securityGroups[index].id
    let isIngress = random.one(in: 2)
    var rules = isIngress ? model.securityGroups[index].ingress : model.securityGroups[index].egress
    let place = rules.isEmpty ? 0 : random.number(0...rules.count - 1)
    switch random.number(0...3) {
    case 0 where !rules.isEmpty: rules.remove(at: place)
    case 1 where !rules.isEmpty: rules[place].peers = peers()
    case 2 where !rules.isEmpty: rules[place].match = match()
    default:
      let number = random.number(100...1_000_000)
      rules.insert(
        SecurityGroupRule(
          id: "\(id)/\(isIngress ? "ingress" : "egress")/\(number)", match: match(),
          peers: peers()), at: place)
    }
    if isIngress {
      model.securityGroups[index].ingress = rules
    } else {
      model.securityGroups[index].egress = rules
    }
  }

  private mutating func changeMembership() {
    let index = random.number(0...model.networkInterfaces.count - 1)
    let vpc = model.subnets.first { $0.id == model.networkInterfaces[index].subnet }?.vpc
    let groups = model.securityGroups.filter { $0.vpc == vpc }.map(\.id)
    model.networkInterfaces[index].securityGroups = groups.filter { _ in random.one(in: 2) }
  }

  private mutating func changeACL() {
    if random.one(in: 2) {
      let index = random.number(0...model.subnets.count - 1)
      let acl = model.networkACLs.first { $0.vpc == model.subnets[index].vpc }?.id
      model.subnets[index].networkACL = model.subnets[index].networkACL == nil ? acl : nil
      return
    }
    let index = random.number(0...model.networkACLs.count - 1)
    let id = model.networkACLs[index].id
    if random.one(in: 2) { return changeFirstRule(of: index) }
    if random.one(in: 2) {
      model.networkACLs[index].ingress = aclRules("\(id)/ingress")
    } else {
      model.networkACLs[index].egress = aclRules("\(id)/egress")
    }
  }

  /// A rule before all others comes, or goes again.
  private mutating func changeFirstRule(of index: Int) {
    let isIngress = random.one(in: 2)
    let acl = model.networkACLs[index]
    var rules = isIngress ? acl.ingress : acl.egress
    if rules.contains(where: { $0.number == 1 }) {
      rules.removeAll { $0.number == 1 }
    } else {
      rules.append(
        NetworkACLRule(
          id: "\(acl.id)/\(isIngress ? "ingress" : "egress")/1", number: 1,
          allow: random.one(in: 3), match: random.one(in: 2) ? TrafficMatch() : match(),
          cidr: Self.prefix(random.pick(["0.0.0.0/0", "::/0", "10.0.0.0/8"], else: "::/0"))))
    }
    if isIngress {
      model.networkACLs[index].ingress = rules
    } else {
      model.networkACLs[index].egress = rules
    }
  }

  private mutating func changeMapping() {
    var mappings = Array(model.mappings)
    let index = random.number(0...max(0, mappings.count - 1))
    switch random.number(0...3) {
    case 0 where mappings.count > 2: mappings.remove(at: index)
    case 1:
      let spare = Self.address("10.0.2.\(random.number(30...40))")
      if !mappings.contains(where: { $0.address == spare }) {
        mappings.append(
          Mapping(
            vpc: "vpc-blue", address: spare, host: endpoint(random.number(2...5)),
            mac: MACAddress(0x0200_0000_1100)))
      }
    case 2 where !mappings.isEmpty:
      mappings[index].mac = MACAddress(0x0200_0000_1200 + UInt64(random.number(0...99)))
    default:
      if !mappings.isEmpty { mappings[index].host = endpoint(random.number(2...5)) }
    }
    model.mappings = SharedList(mappings)
  }

  private mutating func changeRoute() {
    let table = random.number(0...model.routeTables.count - 1)
    var routes = model.routeTables[table].routes
    let isBlue = model.routeTables[table].vpc == "vpc-blue"
    let targets: [RouteTarget] = [
      .blackhole, .internetGateway(isBlue ? "igw-1" : "igw-2"), .peering("pcx-1"),
      .networkInterface(isBlue ? "eni-b1" : "eni-g1"),
    ]
    let target = random.pick(targets, else: .blackhole)
    let spare = Self.prefix("100.64.\(random.number(0...3)).0/24")
    let more = [
      spare, Self.prefix("198.51.100.0/24"), Self.prefix("203.0.113.0/25"),
      Self.prefix("2001:db8:1::/48"), Self.prefix("172.16.0.0/16"),
    ]
    switch random.number(0...2) {
    case 0 where !routes.isEmpty: routes[random.number(0...routes.count - 1)].target = target
    case 1 where routes.count > 2: routes.remove(at: random.number(0...routes.count - 1))
    default:
      let prefix = random.pick(more, else: spare)
      if !routes.contains(where: { $0.destination == .cidr(prefix) }) {
        routes.append(Route(destination: .cidr(prefix), target: target))
      }
    }
    model.routeTables[table].routes = routes
  }

  /// A network interface goes, or comes again.
  mutating func changeInterfaces() {
    let extra = ["eni-a2", "eni-g2", "eni-x1"]
    let id = random.pick(extra, else: "eni-x1")
    if let index = model.networkInterfaces.firstIndex(where: { $0.id == id }) {
      let isTarget = model.routeTables.contains { table in
        table.routes.contains { $0.target == .networkInterface(id) }
      }
      if !isTarget { model.networkInterfaces.remove(at: index) }
      return
    }
    switch id {
    case "eni-a2": add(id, "subnet-a", 0x0B, ["10.0.1.12", "fd00:10:0:1::b"], [0, 1, 2])
    case "eni-g2": add(id, "subnet-g", 0x0E, ["10.9.1.11"], [3, 4])
    default: add(id, "subnet-b", 0x0F, ["10.0.2.11", "fd00:10:0:2::b"], [0, 1, 2])
    }
  }

  private mutating func changeInterface() {
    let index = random.number(0...model.networkInterfaces.count - 1)
    switch random.number(0...3) {
    case 0: model.networkInterfaces[index].sourceDestCheck.toggle()
    case 1: model.networkInterfaces[index].publicAddresses = []
    case 2: model.networkInterfaces[index].connectionTracking.udpStream = 90 * 1_000_000_000
    default:
      let second = Self.address("10.0.1.11")
      if model.networkInterfaces[0].addresses.contains(second) {
        model.networkInterfaces[0].addresses.removeAll { $0 == second }
      } else {
        model.networkInterfaces[0].addresses.append(second)
      }
    }
  }

  private mutating func changeLimits() {
    let index = random.number(0...model.networkInterfaces.count - 1)
    var limits = model.networkInterfaces[index].limits
    switch random.number(0...9) {
    case 0...2:
      limits = Limits()
      if !random.one(in: 3) { addLimits(&limits) }
    // One of them, while the others stay.
    case 3, 4: limits.bandwidthIn = bandwidth()
    case 5, 6: limits.bandwidthOut = bandwidth()
    case 7: limits.packetsPerSecond = UInt64(random.number(2...40))
    case 8: limits.connectionsPerSecond = UInt64(random.number(1...20))
    default: limits.linkLocalPacketsPerSecond = UInt64(random.number(1...20))
    }
    model.networkInterfaces[index].limits = limits
  }

  private mutating func bandwidth() -> UInt64 { UInt64(random.number(4_000...200_000)) }

  private mutating func changePrefixList() {
    let spare = [
      Self.prefix("10.9.0.0/16"), Self.prefix("fd00:20::/56"), Self.prefix("10.0.1.0/25"),
      Self.prefix("198.51.0.0/16"),
    ]
    if random.one(in: 2) {
      model.prefixLists[0].entries = [random.pick(spare, else: spare[0])]
    } else {
      model.prefixLists[0].entries.append(
        contentsOf: spare.filter { !model.prefixLists[0].entries.contains($0) }.prefix(1))
    }
  }
}

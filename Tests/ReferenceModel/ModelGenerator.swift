import VPCModel
import Wire

/// Composes random models: two peered VPCs, five network interfaces, and rules of every kind.
struct ModelGenerator {
  var random: SeededRandom
  var model = VPCModel()
  /// Whether the rules let most traffic through, so that connections live long.
  var isFriendly = false

  static let internetHosts = ["198.51.100.7", "203.0.113.99", "2001:db8:1::7", "192.168.4.4"]
    .compactMap { IPAddress($0) }

  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  static func prefix(_ text: String) -> IPPrefix {
    IPPrefix(text) ?? IPPrefix(IPAddress(v4: 0), length: 0)
  }

  static func address(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(v4: 0) }

  mutating func generate() -> VPCModel {
    isFriendly = !random.one(in: 3)
    addHost()
    addVPCs()
    addGroups()
    addACLs()
    addNetworkInterfaces()
    addRoutes()
    model.policy.midstream = random.one(in: 4) ? .drop : .evaluate
    return model
  }

  private mutating func addHost() {
    let isV6 = random.one(in: 4)
    var host = Host(
      address: Self.address(isV6 ? "2001:db8:ff::1" : "192.0.2.1"),
      mac: MACAddress(0x02AA_0000_0001), gatewayMAC: MACAddress(0x02AA_0000_00FE))
    host.mtu = random.pick([1500, 9100, 1400])
    host.encapsulation = random.one(in: 2) ? .geneve : .vxlan
    if !random.one(in: 16) { model.host = host }
  }

  /// A tunnel endpoint of the host's family.
  func endpoint(_ number: Int) -> IPAddress {
    let isV6 = model.host?.address.family == .v6
    return Self.address(isV6 ? "2001:db8:ff::\(number)" : "192.0.2.\(number)")
  }

  private mutating func addVPCs() {
    model.vpcs = [
      VPC(
        id: "vpc-blue", vni: 100,
        cidrs: [Self.prefix("10.0.0.0/16"), Self.prefix("fd00:10::/56")]),
      VPC(
        id: "vpc-green", vni: 200,
        cidrs: [Self.prefix("10.9.0.0/16"), Self.prefix("fd00:20::/56")]),
    ]
    model.peerings = [Peering(id: "pcx-1", vpcs: ["vpc-blue", "vpc-green"])]
    model.internetGateways = [
      InternetGateway(id: "igw-1", vpc: "vpc-blue", host: endpoint(254), vni: 1),
      InternetGateway(id: "igw-2", vpc: "vpc-green", host: endpoint(253), vni: 2),
    ]
    let remote: [(String, String, Int)] = [
      ("vpc-blue", "10.0.2.20", 2), ("vpc-blue", "10.0.1.77", 3),
      ("vpc-blue", "fd00:10:0:2::20", 2), ("vpc-blue", "fd00:10:0:1::77", 3),
      ("vpc-green", "10.9.1.50", 3), ("vpc-green", "fd00:20:0:1::50", 3),
    ]
    for (index, entry) in remote.enumerated() {
      model.mappings.append(
        Mapping(
          vpc: entry.0, address: Self.address(entry.1), host: endpoint(entry.2),
          mac: MACAddress(0x0200_0000_1000 + UInt64(index))))
    }
    model.prefixLists = [
      PrefixList(
        id: "pl-office",
        entries: [
          Self.prefix("198.51.100.0/24"), Self.prefix("2001:db8:1::/48"),
          Self.prefix("10.0.2.16/28"),
        ]),
      PrefixList(id: "pl-closed", entries: [Self.prefix("203.0.113.0/24")]),
    ]
  }

  // MARK: Groups and ACLs

  mutating func match() -> TrafficMatch {
    let protocols: [UInt8?] = [nil, 6, 6, 17, 17, 1, 58, 132, 47]
    var match = TrafficMatch(protocolNumber: random.pick(protocols, else: nil))
    switch match.protocolNumber {
    case 6, 17, 132:
      let ports: [[ClosedRange<UInt16>]] = [
        [], [], [0...65_535], [443...443], [80...90], [53...53, 1000...2000], [0...1023],
      ]
      match.ports = random.pick(ports, else: [])
    case 1, 58:
      if random.one(in: 2) {
        match.icmpType = random.pick([8, 128, 3, 13, 1, 2], else: 8)
        if random.one(in: 3) { match.icmpCode = 0 }
      }
    default: break
    }
    return match
  }

  mutating func peers() -> [RulePeer] {
    let everything: [RulePeer] = [
      .cidr(Self.prefix("0.0.0.0/0")), .cidr(Self.prefix("::/0")),
    ]
    let choices: [[RulePeer]] = [
      everything, everything, [everything[0]], [everything[1]], [.securityGroup("sg-1")],
      [.securityGroup("sg-0"), .prefixList("pl-office")], [.cidr(Self.prefix("10.0.0.0/8"))],
      [.cidr(Self.prefix("198.51.100.0/24")), .cidr(Self.prefix("fd00::/16"))],
    ]
    return random.pick(choices, else: everything)
  }

  mutating func groupRules(_ prefix: String) -> [SecurityGroupRule] {
    var rules = (0..<random.number(0...5)).map { index in
      SecurityGroupRule(id: "\(prefix)/\(index)", match: match(), peers: peers())
    }
    if isFriendly && !random.one(in: 4) {
      // All addresses, but in halves: such flows are tracked.
      let halves = ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]
      rules.append(
        SecurityGroupRule(
          id: "\(prefix)/halves", match: TrafficMatch(),
          peers: halves.map { .cidr(Self.prefix($0)) }))
    }
    return rules
  }

  private mutating func addGroups() {
    for (index, vpc) in ["vpc-blue", "vpc-blue", "vpc-blue", "vpc-green", "vpc-green"].enumerated()
    {
      let id = "sg-\(index)"
      var egress = groupRules("\(id)/egress")
      if random.one(in: isFriendly ? 8 : 2) {
        egress = [
          SecurityGroupRule(
            id: "\(id)/egress/0", match: TrafficMatch(),
            peers: [.cidr(Self.prefix("0.0.0.0/0")), .cidr(Self.prefix("::/0"))])
        ]
      }
      model.securityGroups.append(
        SecurityGroup(id: id, vpc: vpc, ingress: groupRules("\(id)/ingress"), egress: egress))
    }
  }

  mutating func aclRules(_ prefix: String) -> [NetworkACLRule] {
    var rules: [NetworkACLRule] = []
    let cidrs = ["0.0.0.0/0", "::/0", "10.0.0.0/8", "198.51.100.0/24", "fd00::/16"]
    for number in 1...random.number(2...6) {
      let id = "\(prefix)/\(number * 10)"
      let cidr = Self.prefix(random.pick(cidrs, else: "::/0"))
      rules.append(
        NetworkACLRule(
          id: id, number: number * 10, allow: !random.one(in: isFriendly ? 8 : 3), match: match(),
          cidr: cidr))
    }
    for (offset, cidr) in ["0.0.0.0/0", "::/0"].enumerated() where !random.one(in: 4) {
      rules.append(
        NetworkACLRule(
          id: "\(prefix)/\(900 + offset)", number: 900 + offset, allow: true,
          match: TrafficMatch(), cidr: Self.prefix(cidr)))
    }
    return rules
  }

  private mutating func addACLs() {
    for (id, vpc) in [("acl-a", "vpc-blue"), ("acl-g", "vpc-green")] {
      model.networkACLs.append(
        NetworkACL(
          id: id, vpc: vpc, ingress: aclRules("\(id)/ingress"), egress: aclRules("\(id)/egress")))
    }
  }

  // MARK: Network interfaces and routes

  private mutating func addNetworkInterfaces() {
    model.subnets = [
      Subnet(
        id: "subnet-a", vpc: "vpc-blue",
        cidrs: [Self.prefix("10.0.1.0/24"), Self.prefix("fd00:10:0:1::/64")],
        routeTable: "rtb-blue", networkACL: random.one(in: isFriendly ? 5 : 2) ? "acl-a" : nil),
      Subnet(
        id: "subnet-b", vpc: "vpc-blue",
        cidrs: [Self.prefix("10.0.2.0/24"), Self.prefix("fd00:10:0:2::/64")],
        routeTable: "rtb-blue", networkACL: random.one(in: isFriendly ? 5 : 2) ? "acl-a" : nil),
      Subnet(
        id: "subnet-g", vpc: "vpc-green",
        cidrs: [Self.prefix("10.9.1.0/24"), Self.prefix("fd00:20:0:1::/64")],
        routeTable: "rtb-green", networkACL: random.one(in: isFriendly ? 5 : 2) ? "acl-g" : nil),
    ]
    add("eni-a1", "subnet-a", 0x0A, ["10.0.1.10", "fd00:10:0:1::a", "10.0.1.11"], [0, 1, 2])
    add("eni-a2", "subnet-a", 0x0B, ["10.0.1.12", "fd00:10:0:1::b"], [0, 1, 2])
    add("eni-b1", "subnet-b", 0x0C, ["10.0.2.10", "fd00:10:0:2::a"], [0, 1, 2])
    add("eni-g1", "subnet-g", 0x0D, ["10.9.1.10", "fd00:20:0:1::a"], [3, 4])
    if random.one(in: 2) { add("eni-g2", "subnet-g", 0x0E, ["10.9.1.11"], [3, 4]) }
  }

  mutating func add(
    _ id: String, _ subnet: String, _ mac: UInt64, _ addresses: [String], _ groups: [Int]
  ) {
    var nic = NetworkInterface(
      id: id, subnet: subnet, mac: MACAddress(0x0200_0000_0000 + mac),
      addresses: addresses.map(Self.address))
    nic.securityGroups = groups.filter { _ in random.one(in: 2) }.map { "sg-\($0)" }
    if nic.securityGroups.isEmpty && !random.one(in: 8) {
      nic.securityGroups = ["sg-\(random.pick(groups))"]
    }
    nic.sourceDestCheck = !random.one(in: 4)
    if random.one(in: 2) {
      nic.publicAddresses = [
        PublicAddress(
          privateAddress: nic.addresses[0],
          publicAddress: IPAddress(v4: 0xCB00_7100 + UInt32(mac)))
      ]
    }
    if random.one(in: 3) { nic.connectionTracking.tcpEstablished = 60 * 1_000_000_000 }
    if random.one(in: 3) { addLimits(&nic.limits) }
    model.networkInterfaces.append(nic)
  }

  mutating func addLimits(_ limits: inout Limits) {
    if random.one(in: 2) { limits.connections = UInt64(random.number(1...12)) }
    if random.one(in: 2) { limits.connectionsPerSecond = UInt64(random.number(1...20)) }
    if random.one(in: 2) { limits.packetsPerSecond = UInt64(random.number(2...40)) }
    if random.one(in: 2) { limits.bandwidthIn = UInt64(random.number(5_000...2_000_000)) }
    if random.one(in: 2) { limits.bandwidthOut = UInt64(random.number(5_000...2_000_000)) }
    if random.one(in: 2) { limits.burst = UInt64(random.number(600...20_000)) }
    if random.one(in: 2) { limits.linkLocalPacketsPerSecond = UInt64(random.number(1...2)) }
  }

  private mutating func addRoutes() {
    func route(_ text: String, _ target: RouteTarget) -> Route {
      Route(destination: .cidr(Self.prefix(text)), target: target)
    }
    var blue = [
      route("0.0.0.0/0", .internetGateway("igw-1")),
      route("10.9.0.0/16", .peering("pcx-1")), route("fd00:20::/56", .peering("pcx-1")),
      route("10.10.0.0/16", .peering("pcx-1")),
      route("172.16.0.0/12", .networkInterface("eni-b1")),
      route("192.168.0.0/16", .blackhole),
      Route(
        id: "closed", destination: .prefixList("pl-closed"), target: .blackhole),
    ]
    if random.one(in: 2) { blue.append(route("::/0", .internetGateway("igw-1"))) }
    if random.one(in: 2) { blue.append(route("10.0.3.0/24", .networkInterface("eni-b1"))) }
    var green = [
      route("10.0.0.0/16", .peering("pcx-1")), route("fd00:10::/56", .peering("pcx-1")),
      route("2001:db8::/32", .blackhole),
    ]
    if random.one(in: 2) { green.append(route("0.0.0.0/0", .internetGateway("igw-2"))) }
    model.routeTables = [
      RouteTable(id: "rtb-blue", vpc: "vpc-blue", routes: blue),
      RouteTable(id: "rtb-green", vpc: "vpc-green", routes: green),
    ]
  }
}

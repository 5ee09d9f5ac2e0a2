import Testing
import VPCModel
import Wire

/// A model with one of everything.
func exampleModel() throws -> VPCModel {
  var model = VPCModel()
  model.host = try exampleHost()
  model.vpcs = [
    VPC(id: "vpc-blue", vni: 100, cidrs: try prefixes("10.0.0.0/16", "fd00:10::/56")),
    VPC(id: "vpc-green", vni: 200, cidrs: try prefixes("10.9.0.0/16")),
  ]
  model.subnets = [
    Subnet(
      id: "subnet-a", vpc: "vpc-blue", cidrs: try prefixes("10.0.1.0/24", "fd00:10:0:1::/64"),
      routeTable: "rtb-main", networkACL: "acl-a"),
    Subnet(id: "subnet-b", vpc: "vpc-green", cidrs: try prefixes("10.9.1.0/24")),
    Subnet(id: "subnet-c", vpc: "vpc-green", cidrs: try prefixes("10.9.2.0/24")),
  ]
  model.networkInterfaces = try exampleInterfaces()
  model.securityGroups = try exampleGroups()
  model.prefixLists = [
    PrefixList(id: "pl-office", entries: try prefixes("198.51.100.0/24", "2001:db8:1::/48")),
    PrefixList(id: "pl-all", entries: try prefixes("192.168.0.0/16", "172.20.0.0/16", "::/0")),
  ]
  model.networkACLs = [try exampleACL()]
  model.routeTables = [
    RouteTable(
      id: "rtb-main", vpc: "vpc-blue",
      routes: [
        Route(destination: .cidr(try prefix("0.0.0.0/0")), target: .internetGateway("igw-1")),
        Route(destination: .prefixList("pl-all"), target: .networkInterface("eni-db")),
        Route(destination: .cidr(try prefix("10.9.0.0/16")), target: .peering("pcx-green")),
        Route(
          destination: .cidr(try prefix("172.16.0.0/12")), target: .networkInterface("eni-web")),
        Route(destination: .cidr(try prefix("192.168.0.0/16")), target: .blackhole),
        Route(destination: .cidr(try prefix("10.0.0.0/16")), target: .blackhole),
        Route(destination: .cidr(try prefix("10.0.7.0/24")), target: .blackhole),
        Route(destination: .cidr(try prefix("192.168.0.0/16")), target: .peering("pcx-green")),
      ])
  ]
  model.internetGateways = [
    InternetGateway(id: "igw-1", vpc: "vpc-blue", host: try address("192.0.2.254"), vni: 1)
  ]
  model.peerings = [Peering(id: "pcx-green", vpcs: ["vpc-blue", "vpc-green"])]
  model.mappings = [
    try mapping("vpc-blue", "10.0.2.20", host: "192.0.2.2", mac: 0x02_00_00_00_00_14),
    try mapping("vpc-blue", "fd00:10:0:2::14", host: "192.0.2.2", mac: 0x02_00_00_00_00_14),
    try mapping("vpc-green", "10.9.2.20", host: "192.0.2.3", mac: 0x02_00_00_00_00_15),
  ]
  return model
}

func exampleHost() throws -> Host {
  var host = Host(
    address: try address("192.0.2.1"), mac: MACAddress(0x02_AA_00_00_00_01),
    gatewayMAC: MACAddress(0x02_AA_00_00_00_FE))
  host.mtu = 9100
  return host
}

private func exampleInterfaces() throws -> [NetworkInterface] {
  var web = NetworkInterface(
    id: "eni-web", subnet: "subnet-a", mac: MACAddress(0x02_00_00_00_00_0A),
    addresses: [try address("10.0.1.10"), try address("fd00:10:0:1::a")])
  web.securityGroups = ["sg-web", "sg-icmp"]
  web.publicAddresses = [
    PublicAddress(
      privateAddress: try address("10.0.1.10"), publicAddress: try address("203.0.113.10"))
  ]
  web.limits.bandwidthIn = 5_000_000_000
  web.limits.bandwidthOut = 1_000_000_000
  web.limits.burst = 2_000_000
  web.limits.packetsPerSecond = 500_000
  web.limits.connections = 100_000
  web.limits.connectionsPerSecond = 20_000
  var db = NetworkInterface(
    id: "eni-db", subnet: "subnet-b", mac: MACAddress(0x02_00_00_00_00_0B),
    addresses: [try address("10.9.1.10")])
  db.securityGroups = ["sg-icmp"]
  db.sourceDestCheck = false
  db.limits.linkLocalPacketsPerSecond = 0
  db.limits.bandwidthIn = 8_000
  return [web, db]
}

private func exampleGroups() throws -> [SecurityGroup] {
  let everywhere = [RulePeer.cidr(try prefix("0.0.0.0/0")), .cidr(try prefix("::/0"))]
  let web = SecurityGroup(
    id: "sg-web", vpc: "vpc-blue",
    ingress: [
      SecurityGroupRule(
        id: "sg-web/ingress/0", match: TrafficMatch(protocolNumber: 6, ports: [443...443]),
        peers: everywhere),
      SecurityGroupRule(
        id: "sg-web/ingress/1", match: TrafficMatch(protocolNumber: 6, ports: [8000...8100]),
        peers: [.securityGroup("sg-icmp"), .prefixList("pl-office")]),
    ],
    egress: [SecurityGroupRule(id: "web-out", match: TrafficMatch(), peers: everywhere)])
  let icmp = SecurityGroup(
    id: "sg-icmp", vpc: "vpc-blue",
    ingress: [
      SecurityGroupRule(
        id: "sg-icmp/ingress/0", match: TrafficMatch(protocolNumber: 1, icmpType: 8),
        peers: [.cidr(try prefix("10.0.0.0/8"))]),
      SecurityGroupRule(
        id: "sg-icmp/ingress/1", match: TrafficMatch(protocolNumber: 17),
        peers: [.prefixList("pl-all")]),
    ],
    egress: [])
  return [web, icmp]
}

private func exampleACL() throws -> NetworkACL {
  let all = try prefix("0.0.0.0/0")
  return NetworkACL(
    id: "acl-a", vpc: "vpc-blue",
    ingress: [
      NetworkACLRule(
        id: "acl-a/ingress/100", number: 100, allow: true, match: TrafficMatch(), cidr: all)
    ],
    egress: [
      NetworkACLRule(
        id: "acl-a/egress/100", number: 100, allow: false,
        match: TrafficMatch(protocolNumber: 6, ports: [25...25]), cidr: all),
      NetworkACLRule(
        id: "acl-a/egress/200", number: 200, allow: true, match: TrafficMatch(), cidr: all),
    ])
}

private func mapping(
  _ vpc: String, _ text: String, host: String, mac: UInt64
) throws -> Mapping {
  Mapping(vpc: vpc, address: try address(text), host: try address(host), mac: MACAddress(mac))
}

func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }

func prefixes(_ texts: String...) throws -> [IPPrefix] { try texts.map(prefix) }

import AWSImport
import TestPackets
import Testing

/// Scenarios of the pages on route tables, Amazon VPC user guide.
@Suite struct RoutePages {
  static let client = "198.51.100.7"

  /// The base with other routes of the public subnet, and more interfaces of the web group.
  private static func routes(
    _ routes: [String], main: [String] = [], interfaces: [(String, [String])] = []
  ) -> Account {
    var account = Account.groups(
      web: [Shape.permission("-1", from: ["0.0.0.0/0"])],
      data: [Shape.permission("-1", from: ["0.0.0.0/0"])])
    account["RouteTables"] = [
      Shape.table("rtb-main", Account.vpc, isMain: true, main),
      Shape.table("rtb-public", Account.vpc, subnets: ["subnet-public"], routes),
    ]
    account["NetworkInterfaces"] += interfaces.map {
      Shape.interface($0.0, "subnet-private", $0.1, groups: ["sg-web"], check: false)
    }
    return account
  }

  /// A second VPC, peered, with one interface in it.
  static func addPeer(
    _ cidr: String, _ address: String, to account: inout Account, status: String = "active",
    ingress: [String] = [Shape.permission("-1", from: ["0.0.0.0/0"])], routes: [String] = []
  ) {
    account["Vpcs"].append(Shape.vpc("vpc-2", [cidr]))
    account["Subnets"].append(Shape.subnet("subnet-2", "vpc-2", cidr))
    account["SecurityGroups"].append(Shape.group("sg-2", "vpc-2", ingress: ingress))
    account["NetworkInterfaces"].append(
      Shape.interface("eni-2", "subnet-2", [address], groups: ["sg-2"]))
    account["NetworkAcls"].append(
      Shape.acl("acl-2", "vpc-2", isDefault: true, subnets: ["subnet-2"], Account.openEntries))
    account["RouteTables"].append(
      Shape.table("rtb-2", "vpc-2", isMain: true, local: [cidr], routes))
    account["VpcPeeringConnections"].append(
      Shape.peering("pcx-1", (Account.vpc, "10.0.0.0/16"), ("vpc-2", cidr), status: status))
  }

  @Test("VPC user guide, subnet-route-tables: the main table is for subnets without association")
  func mainTable() throws {
    let account = Self.routes(
      [Shape.route("0.0.0.0/0", "GatewayId", "igw-1")],
      main: [Shape.route("198.51.100.0/24", "GatewayId", "vgw-1", state: "blackhole")])
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, Self.client, 443), Packet.tcp("10.0.2.20", 1, Self.client, 443),
      Packet.tcp("10.0.2.20", 1, "192.0.2.9", 443))
    #expect(
      verdicts == [
        "forward sg-web/egress/0 underlay", "drop route.blackhole rtb-main/198.51.100.0/24",
        "drop route.none",
      ])
  }

  @Test("VPC user guide, route-tables-priority: the longest prefix decides")
  func longestPrefix() throws {
    var account = Self.routes([
      Shape.route("0.0.0.0/0", "GatewayId", "igw-1"),
      Shape.route("172.31.0.0/16", "VpcPeeringConnectionId", "pcx-1"),
    ])
    Self.addPeer("172.31.0.0/16", "172.31.0.5", to: &account)
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, "172.31.0.5", 443), Packet.tcp("10.0.1.10", 1, "172.32.0.5", 443),
      Packet.tcp("10.0.1.10", 1, "10.0.2.20", 443))
    #expect(
      verdicts == [
        "forward sg-web/egress/0 eni-2", "forward sg-web/egress/0 underlay",
        "forward sg-web/egress/0 eni-data",
      ])
  }

  @Test("VPC user guide, route-tables-priority: a static route wins over a propagated one")
  func staticOverPropagated() throws {
    let account = Self.routes([
      Shape.route("172.31.0.0/24", "GatewayId", "vgw-1", origin: "EnableVgwRoutePropagation"),
      Shape.route("172.31.0.0/24", "GatewayId", "igw-1"),
      Shape.route("172.31.1.0/24", "GatewayId", "vgw-1", origin: "EnableVgwRoutePropagation"),
    ])
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, "172.31.0.5", 443), Packet.tcp("10.0.1.10", 1, "172.31.1.5", 443))
    #expect(
      verdicts == [
        "forward sg-web/egress/0 underlay", "drop route.blackhole rtb-public/172.31.1.0/24",
      ])
    #expect(account.told("rtb-public") == [.unused, .unsupported])
  }

  @Test("VPC user guide, route-tables-priority: a route to a CIDR block wins over a prefix list")
  func prefixListRoute() throws {
    var account = Self.routes(
      [
        Shape.route("pl-1", "NetworkInterfaceId", "eni-fw1"),
        Shape.route("172.16.1.0/24", "NetworkInterfaceId", "eni-fw2"),
      ], interfaces: [("eni-fw1", ["10.0.2.101"]), ("eni-fw2", ["10.0.2.102"])])
    account.lists["pl-1"] = ["172.16.1.0/24", "172.16.2.0/24"]
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, "172.16.1.5", 443), Packet.tcp("10.0.1.10", 1, "172.16.2.5", 443),
      Packet.tcp("10.0.1.10", 1, "172.16.3.5", 443))
    #expect(
      verdicts == [
        "forward sg-web/egress/0 eni-fw2", "forward sg-web/egress/0 eni-fw1", "drop route.none",
      ])
  }

  @Test("VPC user guide, route-table-options: middlebox for the traffic between two subnets")
  func middlebox() throws {
    let account = Self.routes(
      [Shape.route("10.0.2.0/24", "NetworkInterfaceId", "eni-fw")],
      interfaces: [("eni-fw", ["10.0.2.101"])])
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, "10.0.2.20", 443), Packet.tcp("10.0.2.101", 1, "10.0.2.20", 443))
    #expect(verdicts == ["forward sg-web/egress/0 eni-fw", "forward sg-web/egress/0 eni-data"])
  }

  @Test("VPC user guide, replace-local-route-target: all of the VPC through an appliance")
  func replacedLocalRoute() throws {
    var account = Self.routes([], interfaces: [("eni-fw", ["10.0.2.101"])])
    account["RouteTables"][1] = Shape.table(
      "rtb-public", Account.vpc, subnets: ["subnet-public"], local: [],
      [Shape.route("10.0.0.0/16", "NetworkInterfaceId", "eni-fw")])
    account["NetworkInterfaces"].append(
      Shape.interface("eni-web2", "subnet-public", ["10.0.1.11"], groups: ["sg-web"]))
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, "10.0.2.20", 443), Packet.tcp("10.0.1.10", 1, "10.0.1.11", 443))
    #expect(verdicts == ["forward sg-web/egress/0 eni-fw", "forward sg-web/egress/0 eni-web2"])
    #expect(account.told("rtb-public") == [.assumed])
  }

  @Test("VPC user guide, route-table-options: gateway endpoints are told, and are black holes")
  func gatewayEndpoint() throws {
    var account = Self.routes([
      Shape.route("0.0.0.0/0", "GatewayId", "igw-1"),
      Shape.route("pl-63a5400a", "GatewayId", "vpce-1"),
    ])
    account.lists["pl-63a5400a"] = ["52.216.0.0/15"]
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, "52.217.1.1", 443), Packet.tcp("10.0.1.10", 1, "52.215.1.1", 443))
    #expect(
      verdicts == [
        "drop route.blackhole rtb-public/52.216.0.0/15", "forward sg-web/egress/0 underlay",
      ])
    #expect(account.told("rtb-public") == [.unsupported])
  }

  @Test(
    "VPC user guide, route-table-options: transit gateways and others are told",
    arguments: [
      ("TransitGatewayId", "tgw-1"), ("LocalGatewayId", "lgw-1"), ("CarrierGatewayId", "cagw-1"),
      ("CoreNetworkArn", "arn:aws:networkmanager::111122223333:core-network/c-1"),
      ("GatewayId", "vgw-1"), ("EgressOnlyInternetGatewayId", "eigw-1"),
    ])
  func otherGateways(_ field: String, _ id: String) throws {
    let account = Self.routes([Shape.route("192.168.0.0/16", field, id)])
    let verdicts = try account.verdicts(Packet.tcp("10.0.1.10", 1, "192.168.1.1", 443))
    #expect(verdicts == ["drop route.blackhole rtb-public/192.168.0.0/16"])
    let finding = try #require(account.read().findings.first { $0.code == .unsupported })
    #expect(finding.reason.contains(id) && finding.path == "RouteTables[1].Routes[1]")
  }

  @Test("VPC user guide, vpc-cidr-blocks: a second block is local as well")
  func secondBlock() throws {
    var account = Self.routes([])
    account["Vpcs"][0] = Shape.vpc(
      Account.vpc, ["10.0.0.0/16", "10.2.0.0/16", "2001:db8:1234:1a00::/56"])
    account["Subnets"].append(Shape.subnet("subnet-more", Account.vpc, "10.2.1.0/24"))
    account["NetworkInterfaces"].append(
      Shape.interface("eni-more", "subnet-more", ["10.2.1.9"], groups: ["sg-web"]))
    account["NetworkAcls"] = [
      Shape.acl(
        "acl-default", Account.vpc, isDefault: true,
        subnets: ["subnet-public", "subnet-private", "subnet-more"], Account.openEntries)
    ]
    let verdicts = try account.verdicts(Packet.tcp("10.0.1.10", 1, "10.2.1.9", 443))
    #expect(verdicts == ["forward sg-web/egress/0 eni-more"])
  }

  // MARK: Peering

  @Test("VPC peering guide, peering-configurations-full-access: two VPCs with routes to each other")
  func peering() throws {
    var account = Self.routes([Shape.route("172.16.0.0/16", "VpcPeeringConnectionId", "pcx-1")])
    Self.addPeer(
      "172.16.0.0/16", "172.16.0.5", to: &account,
      routes: [Shape.route("10.0.0.0/16", "VpcPeeringConnectionId", "pcx-1")])
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, "172.16.0.5", 443), Packet.tcp("172.16.0.5", 1, "10.0.1.10", 443),
      // The private subnet's table has no route.
      Packet.tcp("10.0.2.20", 1, "172.16.0.5", 443))
    #expect(
      verdicts == [
        "forward sg-web/egress/0 eni-2", "forward sg-2/egress/0 eni-web", "drop route.none",
      ])
  }

  @Test("VPC peering guide, vpc-peering-security-groups: a group of the peer as source")
  func groupOfPeer() throws {
    var account = Self.routes([Shape.route("172.16.0.0/16", "VpcPeeringConnectionId", "pcx-1")])
    Self.addPeer(
      "172.16.0.0/16", "172.16.0.5", to: &account,
      ingress: [Shape.permission("tcp", 443...443, from: ["sg-web"], peering: "pcx-1")])
    account["NetworkInterfaces"].append(
      Shape.interface("eni-other", "subnet-public", ["10.0.1.12"], groups: ["sg-data"]))
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, "172.16.0.5", 443), Packet.tcp("10.0.1.12", 1, "172.16.0.5", 443))
    #expect(verdicts == ["forward sg-web/egress/0 eni-2", "drop sg.ingress"])
  }

  @Test("VPC peering guide, vpc-peering-security-groups: rules of a deleted peering are stale")
  func staleRules() throws {
    var account = Self.routes([])
    Self.addPeer(
      "172.16.0.0/16", "172.16.0.5", to: &account, status: "deleted",
      ingress: [Shape.permission("tcp", 443...443, from: ["sg-gone"], peering: "pcx-1")])
    #expect(account.told("sg-2") == [.unused])
    let model = try account.model()
    #expect(model.peerings.isEmpty)
    #expect(model.securityGroups.first { $0.id == "sg-2" }?.ingress.isEmpty == true)
  }

  @Test(
    "VPC peering guide, invalid-peering-configurations: no transit, no edge of the peer",
    arguments: ["172.20.0.5", "198.51.100.7"])
  func noTransit(_ destination: String) throws {
    var account = Self.routes([Shape.route("0.0.0.0/0", "VpcPeeringConnectionId", "pcx-1")])
    Self.addPeer("172.16.0.0/16", "172.16.0.5", to: &account)
    account["Vpcs"].append(Shape.vpc("vpc-3", ["172.20.0.0/16"]))
    account["VpcPeeringConnections"].append(
      Shape.peering("pcx-2", ("vpc-2", "172.16.0.0/16"), ("vpc-3", "172.20.0.0/16")))
    account["InternetGateways"].append(Shape.internetGateway("igw-2", "vpc-2"))
    let verdicts = try account.verdicts(Packet.tcp("10.0.1.10", 1, destination, 443))
    #expect(verdicts == ["drop route.peering rtb-public/0.0.0.0/0"])
  }

  @Test("VPC peering guide, delete-vpc-peering-connection: its routes are black holes")
  func deletedPeering() throws {
    var account = Self.routes([
      Shape.route("172.16.0.0/16", "VpcPeeringConnectionId", "pcx-1", state: "blackhole")
    ])
    Self.addPeer("172.16.0.0/16", "172.16.0.5", to: &account, status: "deleted")
    let verdicts = try account.verdicts(Packet.tcp("10.0.1.10", 1, "172.16.0.5", 443))
    #expect(verdicts == ["drop route.blackhole rtb-public/172.16.0.0/16"])
  }
}

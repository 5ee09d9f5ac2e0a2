import AWSImport
import TestPackets
import Testing
import VPCModel

/// Scenarios of the pages on gateways, addresses and whole examples, Amazon VPC user guide unless
/// another is named.
@Suite struct GatewayPages {
  static let client = "198.51.100.7"

  /// Private subnets go out through a NAT gateway in the public one.
  private static func nat(state: String = "available") -> Account {
    var account = Account.groups(
      web: [Shape.permission("tcp", 443...443, from: ["0.0.0.0/0"])],
      data: [Shape.permission("tcp", 5432...5432, from: ["sg-web"])])
    account["NetworkInterfaces"].append(
      Shape.interface(
        "eni-nat", "subnet-public", ["10.0.1.200=203.0.113.200"], groups: [], check: false,
        type: "nat_gateway"))
    account["NatGateways"] = [
      Shape.natGateway(
        "nat-1", Account.vpc, "subnet-public", "eni-nat", "10.0.1.200", "203.0.113.200",
        state: state)
    ]
    account["RouteTables"][0] = Shape.table(
      "rtb-main", Account.vpc, isMain: true,
      [Shape.route("0.0.0.0/0", "NatGatewayId", "nat-1")])
    return account
  }

  @Test("VPC user guide, VPC_Internet_Gateway: only an interface with a public address gets out")
  func internetGateway() throws {
    var account = Account.groups()
    account["NetworkInterfaces"].append(
      Shape.interface("eni-plain", "subnet-public", ["10.0.1.11"], groups: ["sg-web"]))
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1, Self.client, 443), Packet.tcp("10.0.1.11", 1, Self.client, 443),
      Packet.tcp("2001:db8:1234:1a01::a", 1, "2001:db8:9::1", 443))
    #expect(
      verdicts == [
        "forward sg-web/egress/0 underlay", "drop nat.none", "forward sg-web/egress/0 underlay",
      ])
  }

  @Test("VPC user guide, VPC_Internet_Gateway: a detached gateway leads nowhere")
  func detachedGateway() throws {
    var account = Account.groups()
    account["InternetGateways"] = [Shape.internetGateway("igw-1", nil)]
    let verdicts = try account.verdicts(Packet.tcp("10.0.1.10", 1, Self.client, 443))
    #expect(verdicts == ["drop route.blackhole rtb-public/0.0.0.0/0"])
  }

  @Test("VPC user guide, vpc-nat-gateway: instances of a private subnet reach the internet")
  func natGateway() throws {
    let account = Self.nat()
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.2.20", 1000, Self.client, 443),
      // What comes back, as the instance sees it.
      Packet.tcpAnswer(Self.client, 443, "10.0.2.20", 1000),
      // Nobody outside begins a connection.
      Packet.tcp(Self.client, 1001, "10.0.2.20", 443),
      // What the gateway sends on, with its own address.
      Packet.tcp("10.0.1.200", 2000, Self.client, 443))
    #expect(
      verdicts == [
        "forward sg-data/egress/0 eni-nat", "forward sg-data/egress/0 eni-data",
        "drop sg.ingress", "forward apus-allow-all-vpc-1/egress/0 underlay",
      ])
    #expect(account.told("rtb-main") == [.assumed] && account.told("eni-nat") == [.assumed])
  }

  @Test("VPC user guide, nat-gateway-troubleshooting: a deleted NAT gateway is a black hole")
  func deletedNATGateway() throws {
    let verdicts = try Self.nat(state: "deleted").verdicts(
      Packet.tcp("10.0.2.20", 1000, Self.client, 443))
    #expect(verdicts == ["drop route.blackhole rtb-main/0.0.0.0/0"])
  }

  @Test(
    "VPC user guide, VPC_NAT_Instance: source/destination checks must be off",
    arguments: [
      true, false,
    ])
  func natInstance(_ check: Bool) throws {
    var account = Account.groups(
      web: [Shape.permission("tcp", 443...443, from: ["10.0.2.0/24"])])
    account["NetworkInterfaces"][0] = Shape.interface(
      "eni-web", "subnet-public", ["10.0.1.10=203.0.113.10"], groups: ["sg-web"], check: check)
    account["RouteTables"][0] = Shape.table(
      "rtb-main", Account.vpc, isMain: true,
      [Shape.route("0.0.0.0/0", "NetworkInterfaceId", "eni-web")])
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.2.20", 1000, Self.client, 443), Packet.tcp("10.0.2.20", 1, Self.client, 80))
    #expect(
      verdicts
        == (check
          ? ["drop eni.none", "drop eni.none"]
          : ["forward sg-data/egress/0 eni-web", "drop sg.ingress"]))
  }

  @Test("VPC user guide, egress-only-internet-gateway: told, and a black hole")
  func egressOnlyGateway() throws {
    var account = Account.groups()
    account["RouteTables"][0] = Shape.table(
      "rtb-main", Account.vpc, isMain: true,
      [Shape.route("::/0", "EgressOnlyInternetGatewayId", "eigw-1")])
    let verdicts = try account.verdicts(
      Packet.tcp("2001:db8:1234:1a02::b", 1, "2001:db8:9::1", 443))
    #expect(verdicts == ["drop route.blackhole rtb-main/::/0"])
    #expect(account.told("rtb-main") == [.unsupported])
  }

  // MARK: Addresses

  @Test("EC2 user guide, MultipleIP: secondary addresses with Elastic IP addresses of their own")
  func secondaryAddresses() throws {
    var account = Account.groups(web: [Shape.permission("tcp", 443...443, from: ["0.0.0.0/0"])])
    account["NetworkInterfaces"][0] = Shape.interface(
      "eni-web", "subnet-public", ["10.0.1.10", "10.0.1.31", "10.0.1.30"], groups: ["sg-web"])
    account["Addresses"] = [
      """
      {"AllocationId":"eipalloc-1","PublicIp":"203.0.113.30","Domain":"vpc",\
      "NetworkInterfaceId":"eni-web","PrivateIpAddress":"10.0.1.30"}
      """,
      #"{"AllocationId":"eipalloc-2","PublicIp":"203.0.113.40","Domain":"vpc"}"#,
    ]
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.30", 1, Self.client, 443), Packet.tcp("10.0.1.31", 1, Self.client, 443),
      Packet.tcp(Self.client, 1, "10.0.1.31", 443))
    #expect(
      verdicts == [
        "forward sg-web/egress/0 underlay", "drop nat.none", "forward sg-web/ingress/0 eni-web",
      ])
    let nic = try account.model().networkInterfaces.first { $0.id == "eni-web" }
    #expect(nic?.addresses.map(\.description) == ["10.0.1.10", "10.0.1.30", "10.0.1.31"])
  }

  @Test("EC2 user guide, ec2-prefix-eni: addresses of a delegated prefix are the interface's")
  func delegatedPrefix() throws {
    var account = Account.groups(web: [Shape.permission("tcp", 443...443, from: ["0.0.0.0/0"])])
    account["NetworkInterfaces"][0] = Shape.interface(
      "eni-web", "subnet-public", ["10.0.1.10"], groups: ["sg-web"],
      more: #""Ipv4Prefixes":[{"Ipv4Prefix":"10.0.1.64/28"}],"#
        + #""Ipv6Prefixes":[{"Ipv6Prefix":"2001:db8:1234:1a01:1::/80"}]"#)
    let verdicts = try account.verdicts(
      Packet.tcp(Self.client, 1, "10.0.1.64", 443), Packet.tcp(Self.client, 1, "10.0.1.79", 443),
      Packet.tcp(Self.client, 1, "10.0.1.80", 443))
    #expect(
      verdicts == [
        "forward sg-web/ingress/0 eni-web", "forward sg-web/ingress/0 eni-web", "ignore eni.none",
      ])
    #expect(account.told("eni-web") == [.unsupported])
  }

  @Test("EC2 user guide, using-eni: interfaces of an instance, from describe-instances alone")
  func fromInstances() throws {
    var account = Account.groups(web: [Shape.permission("tcp", 443...443, from: ["0.0.0.0/0"])])
    let interfaces = account["NetworkInterfaces"]
    account["NetworkInterfaces"] = []
    account["Reservations"] = [
      """
      {"ReservationId":"r-1","Instances":[\
      {"InstanceId":"i-1","NetworkInterfaces":\(Shape.list(interfaces))}]}
      """
    ]
    #expect(
      try account.verdicts(Packet.tcp(Self.client, 1, "10.0.1.10", 443))
        == ["forward sg-web/ingress/0 eni-web"])
    // A route to an instance with one interface.
    account["RouteTables"][0] = Shape.table(
      "rtb-main", Account.vpc, isMain: true, [Shape.route("0.0.0.0/0", "InstanceId", "i-1")])
    #expect(account.read().findings.map(\.code) == [.missing])
  }

  @Test("VPC user guide, configure-subnets: a subnet of IPv6 alone")
  func onlyIPv6() throws {
    var account = Account.groups(web: [Shape.permission("tcp", 443...443, from: ["::/0"])])
    account["Subnets"][0] = """
      {"SubnetId":"subnet-public","VpcId":"vpc-1","Ipv6Native":true,"State":"available",\
      "Ipv6CidrBlockAssociationSet":[{"AssociationId":"a",\
      "Ipv6CidrBlock":"2001:db8:1234:1a01::/64","Ipv6CidrBlockState":{"State":"associated"}}]}
      """
    account["NetworkInterfaces"][0] = Shape.interface(
      "eni-web", "subnet-public", ["2001:db8:1234:1a01::a"], groups: ["sg-web"])
    let verdicts = try account.verdicts(
      Packet.tcp("2001:db8:9::1", 1, "2001:db8:1234:1a01::a", 443),
      Packet.tcp("2001:db8:9::1", 1, "2001:db8:1234:1a01::a", 80))
    #expect(verdicts == ["forward sg-web/ingress/0 eni-web", "drop sg.ingress"])
  }

  // MARK: Examples

  @Test("VPC user guide, vpc-example-web-database-servers: who may talk to whom")
  func webAndDatabaseServers() throws {
    var account = Self.nat()
    account["SecurityGroups"] = [
      Shape.group(
        "sg-web", Account.vpc,
        ingress: [
          Shape.permission("tcp", 80...80, from: ["0.0.0.0/0"]),
          Shape.permission("tcp", 443...443, from: ["0.0.0.0/0"]),
          Shape.permission("tcp", 22...22, from: ["192.0.2.0/24"]),
        ],
        egress: [
          Shape.permission("tcp", 1433...1433, from: ["sg-data"]),
          Shape.permission("tcp", 3306...3306, from: ["sg-data"]),
        ]),
      Shape.group(
        "sg-data", Account.vpc,
        ingress: [
          Shape.permission("tcp", 1433...1433, from: ["sg-web"]),
          Shape.permission("tcp", 3306...3306, from: ["sg-web"]),
        ],
        egress: [
          Shape.permission("tcp", 80...80, from: ["0.0.0.0/0"]),
          Shape.permission("tcp", 443...443, from: ["0.0.0.0/0"]),
        ]),
    ]
    let verdicts = try account.verdicts(
      Packet.tcp(Self.client, 1, "10.0.1.10", 443), Packet.tcp("192.0.2.9", 1, "10.0.1.10", 22),
      Packet.tcp(Self.client, 1, "10.0.1.10", 22), Packet.tcp("10.0.1.10", 1, "10.0.2.20", 3306),
      Packet.tcp("10.0.1.10", 1, "10.0.2.20", 5432), Packet.tcp("10.0.1.10", 1, Self.client, 443),
      Packet.tcp("10.0.2.20", 1, Self.client, 443), Packet.tcp("10.0.2.20", 1, "10.0.1.10", 22))
    #expect(
      verdicts == [
        "forward sg-web/ingress/2 eni-web", "forward sg-web/ingress/0 eni-web", "drop sg.ingress",
        "forward sg-web/egress/1 eni-data", "drop sg.egress", "drop sg.egress",
        "forward sg-data/egress/1 eni-nat", "drop sg.egress",
      ])
  }

  @Test("Elastic Load Balancing guide, network-load-balancers: an interface without groups")
  func loadBalancer() throws {
    var account = Account.groups(web: [Shape.permission("tcp", 443...443, from: ["10.0.1.0/24"])])
    account["NetworkInterfaces"].append(
      Shape.interface(
        "eni-nlb", "subnet-public", ["10.0.1.50=203.0.113.50"], groups: [],
        type: "network_load_balancer", more: #""RequesterManaged":true"#))
    let verdicts = try account.verdicts(
      Packet.tcp(Self.client, 1, "10.0.1.50", 443), Packet.tcp("10.0.1.50", 1, "10.0.1.10", 443),
      Packet.tcp("10.0.1.50", 1, "10.0.1.10", 80))
    #expect(
      verdicts == [
        "forward apus-allow-all-vpc-1/ingress/0 eni-nlb",
        "forward apus-allow-all-vpc-1/egress/0 eni-web", "drop sg.ingress",
      ])
  }
}

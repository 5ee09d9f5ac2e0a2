import AWSImport
import TestPackets
import Testing

/// Scenarios of the pages on connection tracking (Amazon EC2 user guide) and on network ACLs
/// (Amazon VPC user guide).
@Suite struct TrackingAndACLPages {
  static let client = "198.51.100.7"

  // MARK: Connection tracking

  private static let pageRules = [
    Shape.permission("tcp", 22...22, from: ["203.0.113.1/32"]),
    Shape.permission("tcp", 80...80, from: ["0.0.0.0/0", "::/0"]),
    Shape.permission("icmp", icmp: (-1, -1), from: ["0.0.0.0/0"]),
  ]

  @Test("EC2 user guide, security-group-connection-tracking: which connections are untracked")
  func untracked() throws {
    let states = try Account.groups(web: Self.pageRules).states(
      Packet.tcp("203.0.113.1", 1000, "10.0.1.10", 22),
      Packet.tcp(Self.client, 1000, "10.0.1.10", 80),
      Packet.tcp("2001:db8:9::1", 1000, "2001:db8:1234:1a01::a", 80),
      Packet.icmp(Self.client, "10.0.1.10", 8))
    #expect(states == ["new", "untracked", "untracked", "new"])
  }

  @Test("EC2 user guide, security-group-connection-tracking: without the outbound IPv4 rule")
  func withoutOutboundIPv4() throws {
    let account = Account.groups(web: Self.pageRules, webEgress: [Shape.allowAll6])
    let states = try account.states(
      Packet.tcp(Self.client, 1000, "10.0.1.10", 80),
      Packet.tcpAnswer("10.0.1.10", 80, Self.client, 1000),
      Packet.tcp("2001:db8:9::1", 1000, "2001:db8:1234:1a01::a", 80),
      Packet.tcp("10.0.1.10", 1001, Self.client, 443))
    #expect(states == ["new", "established", "untracked", "sg.egress"])
  }

  @Test("EC2 user guide, security-group-connection-tracking: answers pass whatever the rules say")
  func answers() throws {
    let account = Account.groups(
      web: [Shape.permission("tcp", 443...443, from: ["198.51.100.0/24"])], webEgress: [])
    let states = try account.states(
      Packet.tcp(Self.client, 1000, "10.0.1.10", 443),
      Packet.tcpAnswer("10.0.1.10", 443, Self.client, 1000),
      Packet.tcp("10.0.1.10", 443, Self.client, 1001))
    #expect(states == ["new", "established", "sg.egress"])
  }

  @Test("EC2 user guide, security-group-connection-tracking: ping from an instance is answered")
  func pingOut() throws {
    let states = try Account.groups().states(
      Packet.icmp("10.0.1.10", Self.client, 8), Packet.icmp(Self.client, "10.0.1.10", 0),
      Packet.icmp(Self.client, "10.0.1.10", 8))
    #expect(states == ["new", "established", "sg.ingress"])
  }

  @Test("EC2 user guide, security-group-connection-tracking: idle timeouts of an interface")
  func timeouts() throws {
    var account = Account.base()
    let timeouts = """
      "ConnectionTrackingConfiguration":{"TcpEstablishedTimeout":600,"UdpTimeout":45,\
      "UdpStreamTimeout":60}
      """
    account["NetworkInterfaces"][0] = Shape.interface(
      "eni-web", "subnet-public", ["10.0.1.10"], groups: ["sg-web"], more: timeouts)
    let nic = try #require(try account.model().networkInterfaces.first { $0.id == "eni-web" })
    let second: UInt64 = 1_000_000_000
    #expect(nic.connectionTracking.tcpEstablished == 600 * second)
    #expect(nic.connectionTracking.udp == 45 * second)
    #expect(nic.connectionTracking.udpStream == 60 * second)
  }

  // MARK: Network ACLs

  /// The base with an open group and a network ACL of its own at the public subnet.
  private static func acl(_ entries: [String]) -> Account {
    var account = Account.groups(
      web: [Shape.permission("-1", from: ["0.0.0.0/0", "::/0"])],
      data: [Shape.permission("-1", from: ["0.0.0.0/0"])])
    account["NetworkAcls"] = [
      Shape.acl(
        "acl-default", Account.vpc, isDefault: true, subnets: ["subnet-private"],
        Account.openEntries),
      Shape.acl("acl-own", Account.vpc, subnets: ["subnet-public"], entries),
    ]
    return account
  }

  @Test("VPC user guide, default-network-acl: allows all in and out")
  func defaultACL() throws {
    let verdicts = try Self.acl(Account.openEntries).verdicts(
      Packet.udp(Self.client, 5, "10.0.1.10", 7), Packet.udp("10.0.1.10", 7, Self.client, 5),
      Packet.udp("2001:db8:9::1", 5, "2001:db8:1234:1a01::a", 7))
    #expect(verdicts.allSatisfy { $0.hasPrefix("forward") })
  }

  @Test("VPC user guide, custom-network-acl: denies all until rules are added")
  func newACL() throws {
    let verdicts = try Self.acl([]).verdicts(
      Packet.udp(Self.client, 5, "10.0.1.10", 7), Packet.udp("10.0.1.10", 7, Self.client, 5),
      Packet.udp("2001:db8:9::1", 5, "2001:db8:1234:1a01::a", 7))
    #expect(verdicts == ["drop acl.ingress", "drop acl.egress", "drop acl.ingress"])
  }

  /// The tables of the page.
  private static let customEntries = [
    Shape.entry(100, "allow", "6", "0.0.0.0/0", ports: 80...80),
    Shape.entry(110, "allow", "6", "0.0.0.0/0", ports: 443...443),
    Shape.entry(120, "allow", "6", "192.0.2.0/24", ports: 22...22),
    Shape.entry(130, "allow", "6", "192.0.2.0/24", ports: 3389...3389),
    Shape.entry(140, "allow", "6", "0.0.0.0/0", ports: 32768...65535),
    Shape.entry(100, "allow", "6", "0.0.0.0/0", ports: 80...80, egress: true),
    Shape.entry(110, "allow", "6", "0.0.0.0/0", ports: 443...443, egress: true),
    Shape.entry(120, "allow", "6", "192.0.2.0/24", ports: 1024...65535, egress: true),
    Shape.entry(140, "allow", "6", "0.0.0.0/0", ports: 32768...65535, egress: true),
  ]

  @Test("VPC user guide, custom-network-acl: the example for IPv4, with ephemeral ports")
  func customACL() throws {
    let verdicts = try Self.acl(Self.customEntries).verdicts(
      Packet.tcp(Self.client, 40000, "10.0.1.10", 80),
      Packet.tcpAnswer("10.0.1.10", 80, Self.client, 40000),
      Packet.tcp("192.0.2.5", 2000, "10.0.1.10", 22),
      Packet.tcpAnswer("10.0.1.10", 22, "192.0.2.5", 2000),
      Packet.tcp(Self.client, 40000, "10.0.1.10", 22),
      Packet.udp(Self.client, 40000, "10.0.1.10", 443))
    #expect(
      verdicts.map { $0.split(separator: " ").prefix(2).joined(separator: " ") } == [
        "forward sg-web/ingress/0", "forward sg-web/egress/0", "forward sg-web/ingress/0",
        "forward sg-web/egress/0", "drop acl.ingress", "drop acl.ingress",
      ])
  }

  @Test("VPC user guide, nacl-ephemeral-ports: an answer to a port that no rule allows")
  func ephemeralPorts() throws {
    let verdicts = try Self.acl(Self.customEntries).verdicts(
      Packet.tcp(Self.client, 2000, "10.0.1.10", 80),
      Packet.tcpAnswer("10.0.1.10", 80, Self.client, 2000))
    #expect(verdicts == ["forward sg-web/ingress/0 eni-web", "drop acl.egress"])
  }

  @Test("VPC user guide, nacl-rules: the lowest rule number decides")
  func ruleOrder() throws {
    let verdicts = try Self.acl([
      Shape.entry(200, "deny", "-1", "198.51.100.0/24"),
      Shape.entry(100, "allow", "6", "198.51.100.0/25", ports: 443...443),
      Shape.entry(300, "allow", "-1", "0.0.0.0/0"),
    ]).verdicts(
      Packet.tcp("198.51.100.7", 1, "10.0.1.10", 443),
      Packet.tcp("198.51.100.200", 1, "10.0.1.10", 443),
      Packet.tcp("198.51.101.7", 1, "10.0.1.10", 443))
    #expect(
      verdicts == [
        "forward sg-web/ingress/0 eni-web", "drop acl.ingress acl-own/ingress/200",
        "forward sg-web/ingress/0 eni-web",
      ])
  }

  @Test("VPC user guide, nacl-rules: IPv4 and IPv6 have rules of their own")
  func families() throws {
    let verdicts = try Self.acl([Shape.entry(100, "allow", "-1", "0.0.0.0/0")]).verdicts(
      Packet.tcp(Self.client, 1, "10.0.1.10", 443),
      Packet.tcp("2001:db8:9::1", 1, "2001:db8:1234:1a01::a", 443))
    #expect(verdicts == ["forward sg-web/ingress/0 eni-web", "drop acl.ingress"])
  }

  @Test("VPC user guide, vpc-network-acls: nothing is judged within a subnet")
  func withinSubnet() throws {
    var account = Self.acl([])
    account["NetworkInterfaces"].append(
      Shape.interface("eni-web2", "subnet-public", ["10.0.1.11"], groups: ["sg-web"]))
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.11", 1, "10.0.1.10", 443), Packet.tcp("10.0.2.20", 1, "10.0.1.10", 443))
    #expect(verdicts == ["forward sg-web/egress/0 eni-web", "drop acl.ingress"])
  }

  @Test("VPC user guide, path_mtu_discovery: ICMP type 3 code 4 needs a rule each way")
  func pathMTU() throws {
    let entries = [
      Shape.entry(100, "allow", "1", "0.0.0.0/0", icmp: (3, 4)),
      Shape.entry(110, "allow", "58", "::/0", icmp: (2, -1)),
    ]
    let verdicts = try Self.acl(entries).verdicts(
      Packet.icmp(Self.client, "10.0.1.10", 3, 4), Packet.icmp(Self.client, "10.0.1.10", 3, 3),
      Packet.icmp("2001:db8:9::1", "2001:db8:1234:1a01::a", 2),
      Packet.icmp("2001:db8:9::1", "2001:db8:1234:1a01::a", 1))
    #expect(
      verdicts == [
        "forward sg-web/ingress/0 eni-web", "drop acl.ingress",
        "forward sg-web/ingress/0 eni-web", "drop acl.ingress",
      ])
  }

  @Test("VPC user guide, flow-logs-records-examples: ping in is accepted, its answer rejected")
  func pingAnswerRejected() throws {
    let verdicts = try Self.acl([Shape.entry(100, "allow", "1", "0.0.0.0/0", icmp: (-1, -1))])
      .verdicts(
        Packet.icmp("203.0.113.12", "10.0.1.10", 8), Packet.icmp("10.0.1.10", "203.0.113.12", 0))
    #expect(verdicts == ["forward sg-web/ingress/0 eni-web", "drop acl.egress"])
  }
}

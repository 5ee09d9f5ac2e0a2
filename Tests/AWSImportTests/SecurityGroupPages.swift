import TestPackets
import Testing

/// Scenarios of the pages on security groups, Amazon VPC user guide unless another is named.
@Suite struct SecurityGroupPages {
  static let client = "198.51.100.7"

  @Test("VPC user guide, vpc-security-groups: a new group allows nothing in and all out")
  func newGroup() throws {
    let verdicts = try Account.groups(webEgress: [Shape.allowAll]).verdicts(
      Packet.tcp(Self.client, 1000, "10.0.1.10", 443),
      Packet.tcp("10.0.1.10", 1001, Self.client, 443),
      Packet.udp("10.0.1.10", 1002, Self.client, 53))
    #expect(
      verdicts == [
        "drop sg.ingress", "forward sg-web/egress/0 underlay",
        "forward sg-web/egress/0 underlay",
      ])
  }

  @Test("VPC user guide, default-security-group: members talk to each other, and to all outside")
  func defaultGroup() throws {
    var account = Account.base()
    account["SecurityGroups"] = [
      Shape.group(
        "sg-default", Account.vpc, ingress: [Shape.permission("-1", from: ["sg-default"])])
    ]
    account["NetworkInterfaces"] = [
      Shape.interface("eni-a", "subnet-public", ["10.0.1.10"], groups: ["sg-default"]),
      Shape.interface("eni-b", "subnet-private", ["10.0.2.20"], groups: ["sg-default"]),
    ]
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1000, "10.0.2.20", 9999),
      Packet.tcp(Self.client, 1000, "10.0.1.10", 9999),
      Packet.tcp("10.0.1.77", 1000, "10.0.2.20", 9999))
    #expect(
      verdicts == ["forward sg-default/egress/0 eni-b", "drop sg.ingress", "drop sg.ingress"])
  }

  @Test("VPC user guide, security-group-rules-reference: web server rules")
  func webServer() throws {
    let account = Account.groups(web: [
      Shape.permission("tcp", 80...80, from: ["0.0.0.0/0", "::/0"]),
      Shape.permission("tcp", 443...443, from: ["0.0.0.0/0", "::/0"]),
    ])
    let verdicts = try account.verdicts(
      Packet.tcp(Self.client, 1000, "10.0.1.10", 80),
      Packet.tcp(Self.client, 1001, "10.0.1.10", 443),
      Packet.tcp("2001:db8:9::1", 1002, "2001:db8:1234:1a01::a", 443),
      Packet.tcp(Self.client, 1003, "10.0.1.10", 8080),
      Packet.udp(Self.client, 1004, "10.0.1.10", 443))
    #expect(
      verdicts == [
        "forward sg-web/ingress/0 eni-web", "forward sg-web/ingress/1 eni-web",
        "forward sg-web/ingress/1 eni-web", "drop sg.ingress", "drop sg.ingress",
      ])
  }

  @Test("VPC user guide, security-group-rules-reference: database server rules")
  func databaseServer() throws {
    let account = Account.groups(data: [Shape.permission("tcp", 5432...5432, from: ["sg-web"])])
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1000, "10.0.2.20", 5432),
      Packet.tcp("10.0.1.10", 1000, "10.0.2.20", 3306),
      Packet.tcp("10.0.1.11", 1000, "10.0.2.20", 5432))
    #expect(
      verdicts == ["forward sg-web/egress/0 eni-data", "drop sg.ingress", "drop sg.ingress"])
  }

  @Test("VPC user guide, security-group-rules-reference: connect to instances from your computer")
  func fromYourComputer() throws {
    let account = Account.groups(web: [
      Shape.permission("tcp", 22...22, from: ["198.51.100.7/32"]),
      Shape.permission("tcp", 3389...3389, from: ["198.51.100.0/28"]),
    ])
    let verdicts = try account.verdicts(
      Packet.tcp("198.51.100.7", 1000, "10.0.1.10", 22),
      Packet.tcp("198.51.100.8", 1000, "10.0.1.10", 22),
      Packet.tcp("198.51.100.8", 1000, "10.0.1.10", 3389),
      Packet.tcp("198.51.100.16", 1000, "10.0.1.10", 3389))
    #expect(
      verdicts == [
        "forward sg-web/ingress/0 eni-web", "drop sg.ingress", "forward sg-web/ingress/1 eni-web",
        "drop sg.ingress",
      ])
  }

  @Test("VPC user guide, security-group-rules-reference: connect from an instance with a group")
  func sameGroup() throws {
    var account = Account.groups(web: [Shape.permission("-1", from: ["sg-web"])])
    account["NetworkInterfaces"].append(
      Shape.interface("eni-web2", "subnet-private", ["10.0.2.11"], groups: ["sg-web"]))
    let verdicts = try account.verdicts(
      Packet.other("10.0.2.11", "10.0.1.10", 47), Packet.other("10.0.2.20", "10.0.1.10", 47),
      // By its public address a member is nobody's member.
      Packet.tcp("203.0.113.10", 1000, "10.0.2.11", 80))
    #expect(
      verdicts == ["forward sg-web/egress/0 eni-web", "drop sg.ingress", "drop sg.ingress"])
  }

  @Test("VPC user guide, security-group-rules-reference: ping")
  func ping() throws {
    let account = Account.groups(web: [
      Shape.permission("icmp", icmp: (8, 0), from: ["198.51.100.0/24"]),
      Shape.permission("icmpv6", icmp: (128, 0), from: ["2001:db8:9::/48"]),
    ])
    let verdicts = try account.verdicts(
      Packet.icmp(Self.client, "10.0.1.10", 8), Packet.icmp("10.0.1.10", Self.client, 0),
      Packet.icmp(Self.client, "10.0.1.10", 13),
      Packet.icmp("2001:db8:9::1", "2001:db8:1234:1a01::a", 128),
      Packet.icmp("2001:db8:a::1", "2001:db8:1234:1a01::a", 128))
    #expect(
      verdicts == [
        "forward sg-web/ingress/0 eni-web", "forward sg-web/ingress/0 underlay",
        "drop sg.ingress", "forward sg-web/ingress/1 eni-web", "drop sg.ingress",
      ])
  }

  @Test("VPC user guide, security-group-rules-reference: DNS server")
  func dnsServer() throws {
    let account = Account.groups(data: [
      Shape.permission("tcp", 53...53, from: ["10.0.0.0/16"]),
      Shape.permission("udp", 53...53, from: ["10.0.0.0/16"]),
    ])
    let verdicts = try account.verdicts(
      Packet.udp("10.0.1.10", 1000, "10.0.2.20", 53),
      Packet.tcp("10.0.1.10", 1000, "10.0.2.20", 53),
      Packet.udp("10.0.1.10", 1000, "10.0.2.20", 853))
    #expect(
      verdicts == [
        "forward sg-web/egress/0 eni-data", "forward sg-web/egress/0 eni-data", "drop sg.ingress",
      ])
  }

  @Test("VPC user guide, security-group-rules-reference: Amazon EFS mount target")
  func fileSystem() throws {
    var account = Account.groups(
      web: [], data: [Shape.permission("tcp", 2049...2049, from: ["sg-web"])])
    // A requester-managed interface is a network interface like others.
    account["NetworkInterfaces"] = [
      Shape.interface("eni-web", "subnet-public", ["10.0.1.10"], groups: ["sg-web"]),
      Shape.interface(
        "eni-efs", "subnet-private", ["10.0.2.30"], groups: ["sg-data"], type: "efs",
        more: #""RequesterManaged":true,"RequesterId":"amazon-elasticfilesystem""#),
    ]
    let verdicts = try account.verdicts(
      Packet.tcp("10.0.1.10", 1000, "10.0.2.30", 2049),
      Packet.tcp("10.0.1.10", 1000, "10.0.2.30", 111))
    #expect(verdicts == ["forward sg-web/egress/0 eni-efs", "drop sg.ingress"])
  }

  @Test("VPC user guide, security-group-rules: several groups of an interface are one set")
  func union() throws {
    var account = Account.groups(
      web: [Shape.permission("tcp", 22...22, from: ["203.0.113.1/32"])])
    account["SecurityGroups"].append(
      Shape.group(
        "sg-extra", Account.vpc, ingress: [Shape.permission("tcp", 22...22, from: ["0.0.0.0/0"])],
        egress: []))
    account["NetworkInterfaces"][0] = Shape.interface(
      "eni-web", "subnet-public", ["10.0.1.10=203.0.113.10"], groups: ["sg-web", "sg-extra"])
    let verdicts = try account.verdicts(
      Packet.tcp("203.0.113.1", 1000, "10.0.1.10", 22),
      Packet.tcp(Self.client, 1000, "10.0.1.10", 22))
    #expect(
      verdicts.map { $0.prefix(7) } == ["forward", "forward"],
      "the most permissive rule counts: \(verdicts)")
  }

  @Test("VPC user guide, security-group-rules: a prefix list as source")
  func prefixList() throws {
    var account = Account.groups(web: [Shape.permission("tcp", 443...443, from: ["pl-office"])])
    account["PrefixLists"] = [
      #"{"PrefixListId":"pl-office","AddressFamily":"IPv4","MaxEntries":9}"#
    ]
    account.lists["pl-office"] = ["198.51.100.0/25", "203.0.113.64/26"]
    let verdicts = try account.verdicts(
      Packet.tcp("198.51.100.127", 1000, "10.0.1.10", 443),
      Packet.tcp("198.51.100.128", 1000, "10.0.1.10", 443),
      Packet.tcp("203.0.113.65", 1000, "10.0.1.10", 443))
    #expect(
      verdicts == [
        "forward sg-web/ingress/0 eni-web", "drop sg.ingress", "forward sg-web/ingress/0 eni-web",
      ])
  }

  @Test("EC2 API reference, IpPermission: protocols without ports let all pass")
  func otherProtocols() throws {
    let account = Account.groups(web: [
      Shape.permission("50", 500...500, from: ["0.0.0.0/0"]),
      Shape.permission("132", 80...80, from: ["198.51.100.0/24"]),
    ])
    let verdicts = try account.verdicts(
      Packet.other(Self.client, "10.0.1.10", 50), Packet.other(Self.client, "10.0.1.10", 51))
    #expect(verdicts == ["forward sg-web/ingress/0 eni-web", "drop sg.ingress"])
    let model = try account.model()
    #expect(model.securityGroups.allSatisfy { $0.ingress.allSatisfy { $0.match.ports.isEmpty } })
  }
}

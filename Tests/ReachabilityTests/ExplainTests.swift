import Testing
import VPCModel
import Wire

@testable import Reachability

/// `apus explain`: each step of a path, the way back, and what would help.
@Suite struct ExplainTests {
  static func ask(
    _ from: String, _ to: String, _ traffic: ProbeTraffic, of text: String = Fixture.text
  ) throws -> PathAnswer {
    try PathInquiry(Fixture.model(text)).answer(
      PathQuestion(from: PathEnd(from), to: PathEnd(to), traffic: traffic))
  }

  /// Paths that lead there and back.
  @Test(arguments: [
    ("eni-web", "eni-db", Fixture.tcp(5432)), ("eni-app", "eni-web", Fixture.tcp(9001)),
    ("198.51.100.7", "eni-web", Fixture.tcp(443)),
    ("198.51.100.200", "203.0.113.10", Fixture.tcp(80)),
    ("10.0.2.77", "eni-web", Fixture.icmp(8)), ("eni-web", "10.0.2.77", Fixture.udp(53)),
    ("eni-web", "8.8.8.8", Fixture.tcp(443)), ("eni-web", "eni-green", Fixture.tcp(443)),
    ("10.9.1.77", "10.0.1.10", Fixture.tcp(80)), ("172.16.0.9", "eni-web", Fixture.tcp(80)),
    ("eni-web", "172.16.0.9", Fixture.tcp(443)),
  ])
  func passes(_ from: String, _ to: String, _ traffic: ProbeTraffic) throws {
    // The group of green's interface lets web in for this one.
    let text = Fixture.text.replacing(
      "ports: 80, from: 10.0.0.0/16", with: "ports: [80, 443], from: 10.0.0.0/16")
    let answer = try Self.ask(from, to, traffic, of: text)
    #expect(answer.passes, "\(answer.text)")
    #expect(answer.packets.count == 2)
    #expect(answer.changes.isEmpty)
  }

  struct Refusal: Sendable {
    var from: String
    var to: String
    var traffic: ProbeTraffic
    var reason: String
    var isOfAnswer = false
    /// What is proposed, in order.
    var yaml: [String]
    var suffices = true
  }

  static let refusals = [
    Refusal(
      from: "eni-db", to: "eni-web", traffic: Fixture.tcp(80), reason: "sg.egress",
      yaml: ["- {protocol: tcp, ports: 80, to: 10.0.1.10/32}"]),
    Refusal(
      from: "eni-app", to: "eni-web", traffic: Fixture.tcp(22), reason: "sg.ingress",
      yaml: ["- {protocol: tcp, ports: 22, from: 10.0.1.20/32}"]),
    Refusal(
      from: "198.51.100.130", to: "eni-web", traffic: Fixture.tcp(443), reason: "acl.ingress",
      yaml: ["- {rule: 45, action: allow, protocol: tcp, ports: 443, cidr: 198.51.100.130/32}"]),
    Refusal(
      from: "198.51.100.7", to: "eni-web", traffic: Fixture.tcp(443, from: 80),
      reason: "acl.egress", isOfAnswer: true,
      yaml: ["- {rule: 200, action: allow, protocol: tcp, ports: 80, cidr: 198.51.100.7/32}"]),
    Refusal(
      from: "eni-nat", to: "8.8.8.8", traffic: Fixture.udp(53), reason: "route.none",
      yaml: ["- {to: 0.0.0.0/0, via: igw-blue}", "publicAddresses: {10.0.2.20: PUBLIC-ADDRESS}"]),
    Refusal(
      from: "eni-web", to: "192.168.1.1", traffic: Fixture.tcp(443), reason: "route.blackhole",
      yaml: ["- {to: 192.168.1.1/32, via: igw-blue}"]),
    Refusal(
      from: "eni-nat", to: "10.7.0.1", traffic: Fixture.tcp(443), reason: "route.peering",
      yaml: ["- {to: 10.7.0.1/32, via: igw-blue}", "publicAddresses: {10.0.2.20: PUBLIC-ADDRESS}"]),
    Refusal(
      from: "eni-nat", to: "10.0.1.99", traffic: Fixture.tcp(443), reason: "mapping.none",
      yaml: ["- {vpc: vpc-blue, address: 10.0.1.99, host: HOST, mac: MAC}"], suffices: false),
    Refusal(
      from: "10.0.1.11", to: "8.8.8.8", traffic: Fixture.tcp(443), reason: "nat.none",
      yaml: ["publicAddresses: {10.0.1.11: PUBLIC-ADDRESS}"]),
    Refusal(
      from: "eni-red", to: "eni-nat", traffic: Fixture.tcp(1), reason: "route.none",
      yaml: [
        "routeTable: rtb-subnet-r, and - {id: rtb-subnet-r, vpc: vpc-red, routes: []}",
        "- {id: pcx-vpc-red-vpc-blue, vpcs: [vpc-red, vpc-blue]}",
        "- {to: 10.0.0.0/16, via: pcx-vpc-red-vpc-blue}",
        "- {to: 10.8.0.0/16, via: pcx-vpc-red-vpc-blue}",
      ]),
    Refusal(
      from: "eni-nat", to: "eni-bare", traffic: Fixture.tcp(80), reason: "sg.ingress",
      yaml: [
        "securityGroups: [sg-eni-bare], and - {id: sg-eni-bare, vpc: vpc-blue, egress: []}",
        "- {protocol: tcp, ports: 80, from: 10.0.2.20/32}",
      ]),
    Refusal(
      from: "eni-web", to: "169.254.169.254", traffic: Fixture.tcp(443), reason: "route.none",
      yaml: [], suffices: false),
    Refusal(
      from: "10.0.1.10", to: "10.0.1.11", traffic: Fixture.tcp(443), reason: "route.none",
      yaml: [], suffices: false),
    Refusal(
      from: "10.0.1.10", to: "10.0.1.10", traffic: Fixture.tcp(443), reason: "spoof.ip",
      yaml: [], suffices: false),
    Refusal(
      from: "eni-nat", to: "224.0.0.1", traffic: Fixture.udp(5353), reason: "l2.multicast",
      yaml: [], suffices: false),
    Refusal(
      from: "eni-nat", to: "eni-web", traffic: Fixture.icmp(0), reason: "ct.invalid", yaml: [],
      suffices: false),
  ]

  @Test(arguments: refusals.indices)
  func isRefused(_ number: Int) throws {
    let refusal = Self.refusals[number]
    let answer = try Self.ask(refusal.from, refusal.to, refusal.traffic)
    #expect(!answer.passes)
    #expect(answer.packets.last?.reason == refusal.reason, "\(answer.text)")
    #expect(answer.packets.count == (refusal.isOfAnswer ? 2 : 1))
    #expect(answer.changes.map(\.yaml) == refusal.yaml)
    #expect(answer.changesSuffice == refusal.suffices, "\(answer.text)")
  }

  /// Nothing brings such a packet: there is none to judge.
  @Test(arguments: [
    ("198.51.100.7", "eni-db", "publicAddresses: {10.0.2.10: PUBLIC-ADDRESS}"),
    ("198.51.100.7", "eni-green", "- {id: igw-vpc-green, vpc: vpc-green, host: HOST, vni: VNI}"),
    ("10.0.2.99", "eni-web", "- {vpc: vpc-blue, address: 10.0.2.99, host: HOST, mac: MAC}"),
  ])
  func noWayHere(_ from: String, _ to: String, _ yaml: String) throws {
    let answer = try Self.ask(from, to, Fixture.tcp(80))
    #expect(!answer.passes)
    #expect(answer.packets.isEmpty)
    #expect(answer.notes.count == 1)
    #expect(answer.changes.first?.yaml == yaml)
  }

  /// A route hands the packet to another interface than the one that was meant.
  @Test func isHandedToAnother() throws {
    let text = Fixture.text.replacing("to: 172.16.0.0/12", with: "to: 10.0.2.10/32")
    let answer = try Self.ask("eni-web", "eni-db", Fixture.tcp(5432), of: text)
    #expect(!answer.passes)
    #expect(answer.notes == ["it goes to eni-nat, not to eni-db (10.0.2.10)"])
  }

  @Test func oneWayMessagesHaveNoAnswer() throws {
    let answer = try Self.ask("eni-web", "eni-nat", Fixture.icmp(13))
    #expect(answer.packets.last?.reason == "sg.egress")
    let open = try Self.ask("eni-nat", "198.18.0.1", Fixture.icmp(13))
    #expect(open.changesSuffice)
  }

  /// What begins in the middle begins a connection only if the policy says so.
  @Test func middleOfAConnection() throws {
    var traffic = Fixture.tcp(5432)
    traffic.isMidstream = true
    #expect(try Self.ask("eni-web", "eni-db", traffic).passes)
    let strict = Fixture.text + "\npolicy: {midstream: drop}\n"
    let answer = try Self.ask("eni-web", "eni-db", traffic, of: strict)
    #expect(answer.packets.last?.reason == "ct.invalid")
  }

  /// Without a host, others' hosts are made up; the verdicts are the same.
  @Test func modelWithoutHost() throws {
    let text = Fixture.text.split(separator: "\n").filter { !$0.hasPrefix("host:") }
      .joined(separator: "\n")
    #expect(try Fixture.model(text).host == nil)
    #expect(try Self.ask("198.51.100.7", "eni-web", Fixture.tcp(443), of: text).passes)
    #expect(try Self.ask("eni-web", "10.0.2.77", Fixture.udp(53), of: text).passes)
  }

  // MARK: Questions that cannot be asked

  @Test(arguments: [
    ("eni-none", "eni-web", "neither an address nor a network interface of the model"),
    ("198.51.100.7", "198.51.100.8", "neither is an address of a network interface of the model"),
    ("2001:db8::1", "eni-db", "has no IPv6 address, which the other end needs"),
    ("2001:db8::1", "10.0.1.10", "addresses of two families never meet"),
  ])
  func cannotBeAsked(_ from: String, _ to: String, _ why: String) throws {
    let error = #expect(throws: PathQuestionError.self) {
      try Self.ask(from, to, Fixture.tcp(80))
    }
    #expect(error?.why == why)
  }

  /// The same address in two VPCs: near the other end it is clear which is meant.
  @Test func addressOfTwoVPCs() throws {
    let text = Fixture.text.replacing("10.8.", with: "10.0.")
    let error = #expect(throws: PathQuestionError.self) {
      try Self.ask("10.0.1.10", "198.51.100.1", Fixture.tcp(443), of: text)
    }
    #expect(error?.why == "an address of eni-web (vpc-blue) and eni-red (vpc-red)")
    #expect(error?.advice == "name the network interface instead")
    let answer = try Self.ask("10.0.1.10", "eni-db", Fixture.tcp(5432), of: text)
    #expect(answer.passes, "\(answer.text)")
  }

  @Test func protocolsOfTheOtherFamily() throws {
    let error = #expect(throws: PathQuestionError.self) {
      try Self.ask("2001:db8:1::1", "eni-web", Fixture.icmp(8))
    }
    #expect(error?.advice == "use icmpv6")
    #expect(throws: PathQuestionError.self) {
      try Self.ask("2001:db8:1::1", "eni-web", ProbeTraffic(protocolNumber: 44))
    }
  }
}

import CapturePort
import Testing
import VPCModel
import Wire

@testable import Replay

/// `--against`: what a second rule set says differently.
@Suite struct ComparisonTests {
  private static let far = "198.51.100.7"

  /// Fixture NICs that may send everything and take UDP to one port.
  private static func model(port: UInt16) -> VPCModel {
    var model = Fixture.model()
    model.internetGateways = [
      InternetGateway(id: "igw", vpc: "vpc-blue", host: Fixture.address("192.0.2.254"), vni: 1)
    ]
    model.networkInterfaces[1].publicAddresses = [
      PublicAddress(
        privateAddress: Fixture.address("10.0.1.11"),
        publicAddress: Fixture.address("203.0.113.11"))
    ]
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "vpc-blue",
        routes: [
          Route(destination: .cidr(Fixture.prefix("0.0.0.0/0")), target: .internetGateway("igw"))
        ])
    ]
    model.subnets[0].routeTable = "rtb"
    model.securityGroups = [
      SecurityGroup(
        id: "sg", vpc: "vpc-blue",
        ingress: [
          SecurityGroupRule(
            id: "in", match: TrafficMatch(protocolNumber: 17, ports: [port...port]),
            peers: [.cidr(Fixture.prefix("0.0.0.0/0"))])
        ],
        egress: [])
    ]
    model.networkInterfaces[0].securityGroups = ["sg"]
    model.networkInterfaces[1].securityGroups = ["sg"]
    return model
  }

  private static func request(_ source: UInt16, _ port: UInt16) -> [UInt8] {
    AttributionTests.frame(
      to: Fixture.data, Fixture.ipv4(far, "10.0.1.11", Fixture.udp(source, port)))
  }

  private static func compare(
    _ today: VPCModel, _ tomorrow: VPCModel, _ captures: [[[UInt8]]]
  ) throws -> (ReplayResult, Comparison) {
    let files = try captures.map { try SessionTests.capture($0) }
    let options = ReplayOptions(captures: files.map(\.path))
    let compared = try Replay.compare(model: today, against: tomorrow, options: options)
    #expect(compared.result.failure == nil)
    #expect(compared.result.summary.isConserved && compared.comparison.summary.isConserved)
    return (compared.result, compared.comparison)
  }

  @Test func sameRulesDifferInNothing() throws {
    let model = Self.model(port: 99)
    let (result, found) = try Self.compare(model, model, [SessionTests.frames])
    #expect(result.summary.packets == 4)
    #expect(!found.differs && found.groups.isEmpty && found.flows.isEmpty)
    #expect(found.otherReasons == 0)
    #expect(found.text(of: 4, against: "m").contains("every packet has the same verdict"))
  }

  @Test func changedPacketsAreGroupedByRule() throws {
    let requests = [
      Self.request(1, 99), Self.request(2, 99), Self.request(1, 99), Self.request(3, 98),
    ]
    let (_, found) = try Self.compare(Self.model(port: 99), Self.model(port: 98), [requests])
    #expect(found.packets == 4)
    #expect(found.groups.map(\.packets) == [3, 1])
    #expect(found.groups.map(\.flows) == [2, 1])
    #expect(found.groups[0].today.rule == "in" && found.groups[0].today.verdict == "forward")
    #expect(found.groups[0].tomorrow.reason == "sg.ingress")
    #expect(found.groups[0].tomorrow.rule.isEmpty && found.groups[0].tomorrow.output.isEmpty)
    #expect(found.groups[1].tomorrow.output == "eni-data")
    // The first packets of flows, not all packets.
    #expect(found.groups[0].examples.map(\.packet) == [1, 2])
    #expect(found.flows.map(\.packets) == [2, 1, 1])
    #expect(found.flows[0].first.flow == "udp 198.51.100.7:1 > 10.0.1.11:99")
    #expect(found.bytes == UInt64(requests.reduce(0) { $0 + $1.count }))
  }

  @Test func bothDirectionsAreOneFlow() throws {
    let answer = AttributionTests.frame(
      from: Fixture.data, Fixture.ipv4("10.0.1.11", Self.far, Fixture.udp(99, 1)))
    let (_, found) = try Self.compare(
      Self.model(port: 99), Self.model(port: 98), [[Self.request(1, 99), answer]])
    #expect(found.packets == 2)
    #expect(found.flows.map(\.packets) == [2])
    #expect(found.groups.map(\.flows) == [1, 1])
  }

  @Test func interfacesAreComparedByTheirIDs() throws {
    let today = Self.model(port: 99)
    var tomorrow = today
    tomorrow.networkInterfaces.reverse()
    let (_, found) = try Self.compare(today, tomorrow, [[Self.request(1, 99)]])
    #expect(!found.differs)
  }

  @Test func anotherPlaceIsADifference() throws {
    let today = Self.model(port: 99)
    var tomorrow = today
    // The address moves to another interface of the subnet.
    tomorrow.networkInterfaces[0].addresses.append(Fixture.address("10.0.1.11"))
    tomorrow.networkInterfaces[1].addresses = [Fixture.address("10.0.1.13")]
    tomorrow.networkInterfaces[1].publicAddresses = []
    let frame = AttributionTests.frame(
      Fixture.ipv4(Self.far, "10.0.1.11", Fixture.udp(1, 99)))
    let (_, found) = try Self.compare(today, tomorrow, [[frame]])
    #expect(found.groups.map(\.today.output) == ["eni-data"])
    #expect(found.groups.map(\.tomorrow.output) == ["eni-web"])
  }

  @Test func anotherReasonIsToldApart() throws {
    let today = Self.model(port: 99)
    var tomorrow = today
    tomorrow.networkACLs = [NetworkACL(id: "acl", vpc: "vpc-blue", ingress: [], egress: [])]
    tomorrow.subnets[0].networkACL = "acl"
    let (_, found) = try Self.compare(today, tomorrow, [[Self.request(1, 7)]])
    #expect(!found.differs && found.otherReasons == 1)
    #expect(found.text(of: 1, against: "m").contains("for another reason"))
  }

  /// Connections go on from one capture and one chunk to the next.
  @Test func chunksAndFilesMakeNoDifference() throws {
    let many = (0..<RecordChunk.recordCapacity + 50).map { Self.request(UInt16($0 % 20), 99) }
    let (result, found) = try Self.compare(
      Self.model(port: 99), Self.model(port: 98), [many, [Self.request(0, 99)]])
    #expect(result.summary.packets == UInt64(many.count + 1))
    #expect(result.summary.connections == 20)
    #expect(found.packets == UInt64(many.count + 1))
    #expect(found.flows.count == 20)
    #expect(found.flows[0].packets == UInt64(many.count / 20 + 2))
  }

  @Test func frameThatIsNotIPIsOfNoFlow() throws {
    let today = Self.model(port: 99)
    var tomorrow = today
    tomorrow.networkInterfaces = [today.networkInterfaces[1]]
    let (_, found) = try Self.compare(today, tomorrow, [[SessionTests.frames[2]]])
    #expect(found.packets == 1 && found.packetsWithoutFlow == 1 && found.flows.isEmpty)
    #expect(found.groups.first?.examples.map(\.flow) == [""])
  }

  @Test func jsonHasTheDocumentedMembers() throws {
    let (result, found) = try Self.compare(
      Self.model(port: 99), Self.model(port: 98), [[Self.request(1, 99)]])
    let text = result.summary.json(comparison: found)
    let members = [
      "packets", "bytes", "flowCount", "packetsWithoutFlow", "otherReasons", "groups", "flows",
      "forwarded", "dropped", "replied", "consumed", "ignored", "connections",
    ]
    let against = try #require(text.range(of: "\"against\": {"))
    for member in members { #expect(text[against.upperBound...].contains("\"\(member)\": ")) }
    #expect(
      text.contains(
        "\"tomorrow\":{\"verdict\":\"drop\",\"reason\":\"sg.ingress\",\"rule\":\"\","
          + "\"eni\":\"eni-data\",\"direction\":\"ingress\",\"output\":null}"))
  }

  @Test func interfaceOfTheOtherModelMayLack() throws {
    let capture = try SessionTests.capture(SessionTests.frames)
    var options = ReplayOptions(captures: [capture.path])
    options.eni = "eni-green"
    var tomorrow = Fixture.model()
    tomorrow.networkInterfaces.removeLast()
    #expect(throws: ReplayError.self) {
      try Replay.compare(model: Fixture.model(), against: tomorrow, options: options)
    }
  }
}

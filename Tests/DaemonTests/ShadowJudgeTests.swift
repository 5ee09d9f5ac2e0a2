import Controller
import Datapath
import Live
import TestPackets
import Testing
import VPCModel
import Wire

@testable import Daemon

/// What a candidate would do with live packets, by rule.
@Suite struct ShadowJudgeTests {
  private static func rule(_ id: String, _ transport: UInt8, _ port: UInt16) -> SecurityGroupRule {
    SecurityGroupRule(
      id: id, match: TrafficMatch(protocolNumber: transport, ports: [port...port]),
      peers: [.cidr(Compose.prefix("10.0.0.0/8"))])
  }

  private static func model(
    egress: [SecurityGroupRule] = [rule("out", 17, 7), rule("web-out", 6, 80)],
    ingress: [SecurityGroupRule] = [rule("in", 17, 7), rule("web-in", 6, 80)]
  ) -> VPCModel {
    var model = LiveDataPlaneTests.model()
    model.securityGroups[0].egress = egress
    model.securityGroups[0].ingress = ingress
    return model
  }

  private static func counts(_ change: (inout ShadowCounts) -> Void) -> ShadowCounts {
    var counts = ShadowCounts()
    change(&counts)
    return counts
  }

  /// A handshake, a request and its answer.
  private static func talk(_ bench: ShadowBench) {
    let ack = Compose.tcpACK
    bench.send(ShadowBench.tcp(Compose.tcpSYN), from: "eni-a")
    bench.send(
      ShadowBench.tcp(Compose.tcpSYN | ack, sequence: 100, acknowledgement: 2, isAnswer: true),
      from: "eni-b")
    bench.send(ShadowBench.tcp(ack, sequence: 2, acknowledgement: 101), from: "eni-a")
    bench.send(
      ShadowBench.tcp(ack, sequence: 2, acknowledgement: 101, payload: [1, 2, 3]), from: "eni-a")
    bench.send(
      ShadowBench.tcp(ack, sequence: 101, acknowledgement: 5, isAnswer: true), from: "eni-b")
  }

  @Test func theSameRulesDifferInNothing() throws {
    let bench = try ShadowBench(Self.model(), candidate: Self.model())
    Self.talk(bench)
    for port in 4_000..<4_010 as Range<UInt16> {
      bench.send(ShadowBench.udp(port), from: "eni-a")
      bench.send(ShadowBench.udp(port, isAnswer: true), from: "eni-b")
      // Dropped by both, and ARP, which a service answers.
      bench.send(ShadowBench.udp(port, to: 9), from: "eni-a")
    }
    let arp = Compose.ethernet(
      to: .broadcast, from: ShadowBench.guestA, type: 0x0806,
      [0, 1, 8, 0, 6, 4, 0, 1] + Compose.bytes(ShadowBench.guestA.bits, 6) + [10, 0, 0, 10]
        + [0, 0, 0, 0, 0, 0, 10, 0, 0, 1])
    #expect(bench.send(arp, from: "eni-a").verdict == .punt)
    #expect(bench.judge.counts == Self.counts { $0.same = 36 })
    #expect(bench.judge.report.differences.isEmpty)
  }

  @Test func differencesAreCountedByRule() throws {
    let closed = Self.model(egress: [Self.rule("out", 17, 7)])
    let bench = try ShadowBench(Self.model(), candidate: closed)
    Self.talk(bench)
    for port in 4_000..<4_005 as Range<UInt16> { bench.send(ShadowBench.udp(port), from: "eni-a") }
    #expect(bench.judge.counts.same == 5 && bench.judge.counts.different == 5)
    let differences = bench.judge.report.differences
    #expect(differences.map(\.packets) == [3, 1, 1])
    let first = try #require(differences.first)
    #expect(first.live.verdict == "forward" && first.live.rule == "web-out")
    #expect(first.live.networkInterface == "eni-a" && first.live.output == "eni-b")
    #expect(first.live.text == "forward from eni-a to eni-b, rule web-out")
    #expect(first.candidate.verdict == "drop" && first.candidate.reason == "sg.egress")
    #expect(first.bytes == 54 * 3 + 3)
    #expect(first.examples.map(\.destinationPort) == [80, 80, 80])
    #expect(first.examples.first?.source == "10.0.0.10" && first.examples.first?.bytes == 54)
    // The answers, in a connection that the candidate never let begin.
    let reasons = differences.dropFirst().map(\.candidate.reason)
    #expect(reasons == ["ct.invalid", "sg.egress"])
  }

  @Test func whatTheCandidateAllowsIsADifferenceToo() throws {
    let open = Self.model(
      egress: [Self.rule("out", 17, 7), Self.rule("new", 17, 9)],
      ingress: [Self.rule("in", 17, 7), Self.rule("new-in", 17, 9)])
    let bench = try ShadowBench(Self.model(), candidate: open)
    bench.send(ShadowBench.udp(to: 9), from: "eni-a")
    let difference = try #require(bench.judge.report.differences.first)
    #expect(difference.live.reason == "sg.egress" && difference.candidate.rule == "new")
    #expect(difference.candidate.verdict == "forward" && difference.candidate.output == "eni-b")
  }

  /// As `apus replay --against` has it: names of rules, and reasons of what both drop, are none.
  @Test func namesAndReasonsAreNoDifferences() throws {
    let renamed = Self.model(egress: [Self.rule("other", 17, 7)], ingress: [])
    let bench = try ShadowBench(
      Self.model(ingress: []), candidate: Self.model(egress: [], ingress: []))
    bench.send(ShadowBench.udp(), from: "eni-a")
    #expect(bench.judge.counts == Self.counts { ($0.same, $0.otherReasons) = (1, 1) })
    let other = try ShadowBench(Self.model(ingress: []), candidate: renamed)
    other.send(ShadowBench.udp(), from: "eni-a")
    #expect(other.judge.counts == Self.counts { $0.same = 1 })
  }

  @Test func olderConnectionsAreNotCompared() throws {
    let bench = try ShadowBench(Self.model(), candidate: Self.model(egress: []))
    bench.send(ShadowBench.udp(4_000), from: "eni-a")
    Self.talk(bench)
    try bench.beginAgain()
    bench.send(ShadowBench.udp(4_000), from: "eni-a")
    bench.send(ShadowBench.udp(4_000, isAnswer: true), from: "eni-b")
    bench.send(
      ShadowBench.tcp(Compose.tcpACK, sequence: 5, acknowledgement: 101), from: "eni-a")
    #expect(bench.judge.counts == Self.counts { $0.older = 3 })
    // One that begins now is.
    bench.send(ShadowBench.udp(4_001), from: "eni-a")
    #expect(bench.judge.counts.different == 1)
  }

  @Test func allowancesAreNotJudged() throws {
    var limited = Self.model()
    limited.networkInterfaces[0].limits.packetsPerSecond = 1
    limited.networkInterfaces[0].limits.connections = 1
    let bench = try ShadowBench(Self.model(), candidate: limited)
    for port in 4_000..<4_010 as Range<UInt16> { bench.send(ShadowBench.udp(port), from: "eni-a") }
    #expect(bench.judge.counts == Self.counts { $0.same = 10 })
    // What the worker refuses by one is not compared.
    let other = try ShadowBench(limited, candidate: Self.model(egress: []))
    other.send(ShadowBench.udp(4_000), from: "eni-a")
    #expect(other.send(ShadowBench.udp(4_001), from: "eni-a").verdict == .drop)
    #expect(other.judge.counts == Self.counts { ($0.different, $0.limited) = (1, 1) })
  }

  @Test func whatTheWorkerSaysOtherwiseIsNotCompared() throws {
    let bench = try ShadowBench(Self.model(), candidate: Self.model(egress: []))
    bench.send(ShadowBench.udp(), from: "eni-a") { packet in
      // The receiver's port is down.
      packet.verdict = .drop
      packet.reason = .portDown
    }
    #expect(bench.judge.counts == Self.counts { $0.unlike = 1 })
  }

  @Test func packetsOfOtherTablesAreLeftOut() throws {
    let bench = try ShadowBench(Self.model(), candidate: Self.model(egress: []))
    bench.send(ShadowBench.udp(), from: "eni-a") { $0.generation += 1 }
    #expect(bench.judge.counts == ShadowCounts())
  }

  @Test func anInterfaceThatGoesForwardsNothing() throws {
    var candidate = Self.model()
    candidate.networkInterfaces.removeFirst()
    let bench = try ShadowBench(Self.model(), candidate: candidate)
    bench.send(ShadowBench.udp(), from: "eni-a")
    #expect(bench.judge.report.differences.first?.candidate.reason == "eni.none")
    // Numbers are others in the candidate's tables, names are the same.
    bench.send(ShadowBench.udp(9_000, isAnswer: true), from: "eni-b")
    #expect(bench.judge.counts.same == 1)
  }

  /// A frame that its guest left to be segmented is judged as its segments.
  @Test func superPacketsFit() throws {
    var model = Self.model()
    model.host = Host(
      address: Compose.address("192.0.2.1"), mac: MACAddress(1), gatewayMAC: MACAddress(2))
    model.mappings = [
      Mapping(
        vpc: "vpc", address: Compose.address("10.0.0.12"), host: Compose.address("192.0.2.2"),
        mac: MACAddress(0x0200_0000_000C))
    ]
    let bench = try ShadowBench(model, candidate: model)
    func send(_ sequence: UInt32, bytes: Int) -> Verdict {
      let header = Compose.tcp(40_000, 80, sequence: sequence, flags: Compose.tcpACK)
      var packet = Compose.ipv4("10.0.0.10", "10.0.0.12", protocol: 6, header, fragment: 0x4000)
      packet.replaceSubrange(2..<4, with: Compose.bytes(UInt64(40 + bytes), 2))
      packet = Compose.withHeaderChecksum(packet)
      let frame = Compose.ethernet(to: .router, from: ShadowBench.guestA, packet)
      return bench.send(
        frame, from: "eni-a", originalLength: frame.count + bytes, segmentSize: 1_400
      ).verdict
    }
    #expect(send(1, bytes: 0) == .forward)
    #expect(send(1, bytes: 30_000) == .forward)
    #expect(bench.judge.counts == Self.counts { $0.same = 2 })
  }

  /// Kinds of differences are listed up to a bound; the rest is counted.
  @Test func kindsAreBounded() throws {
    let rules = (0..<80).map { Self.rule("out-\($0)", 17, UInt16(1_000 + $0)) }
    let entries = (0..<80).map { Self.rule("in-\($0)", 17, UInt16(1_000 + $0)) }
    let bench = try ShadowBench(
      Self.model(egress: rules, ingress: entries), candidate: Self.model(egress: []))
    for port in 1_000..<1_080 as Range<UInt16> {
      bench.send(ShadowBench.udp(to: port), from: "eni-a")
    }
    #expect(bench.judge.counts.different == 80 && bench.judge.counts.unlisted == 16)
    #expect(bench.judge.report.differences.count == ShadowTally.kinds)
  }

  // MARK: Connections

  private static func packet(
    _ state: FlowState, _ direction: PacketDirection, port: UInt16,
    change: (inout ObservedPacket) -> Void = { _ in }
  ) throws -> ObservedPacket {
    let bench = try ShadowBench(model(), candidate: model())
    var packet = bench.send(ShadowBench.udp(port), from: "eni-a")
    packet.state = state
    packet.direction = direction
    change(&packet)
    return packet
  }

  /// A gateway gives the guest another address, so that is not part of the name.
  @Test func translatedConnectionsAreFollowed() throws {
    var followed = FollowedConnections()
    let out = try Self.packet(.new, .egress, port: 4_000)
    var back = try Self.packet(.established, .ingress, port: 4_000)
    (back.sourceLow, back.destinationLow) = (back.destinationLow, 0xCB00_7109)
    (back.sourcePort, back.destinationPort) = (back.destinationPort, back.sourcePort)
    let areFollowed = [followed.follows(out), followed.follows(back)]
    back.destinationPort += 1
    let isOtherFollowed = followed.follows(back)
    #expect(areFollowed == [true, true] && !isOtherFollowed)
  }

  @Test func theNewestConnectionsAreFollowed() throws {
    var followed = FollowedConnections(limit: 8)
    for port in 1...16 as ClosedRange<UInt16> {
      let isFollowed = try followed.follows(Self.packet(.new, .local, port: port))
      #expect(isFollowed)
    }
    for port in [1, 13, 16] as [UInt16] {
      let isFollowed = try followed.follows(Self.packet(.established, .local, port: port))
      #expect(isFollowed == (port > 8))
    }
  }
}

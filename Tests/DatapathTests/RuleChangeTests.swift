import Datapath
import TableCompiler
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

/// What becomes of connections when their rules change.
@Suite struct RuleChangeTests {
  /// The model without one of its rules.
  private static func model(without rule: String) -> VPCModel {
    var model = Engine.model()
    model.securityGroups[0].ingress.removeAll { $0.id == rule }
    model.securityGroups[0].egress.removeAll { $0.id == rule }
    return model
  }

  private static func udp(_ isOut: Bool) -> [UInt8] { ConnectionTests.udp(isOut) }

  @Test func `keep leaves a connection until it ends`() throws {
    var engine = try Engine()
    _ = engine.judge(Self.udp(true))
    try engine.change(to: Self.model(without: "udp-out"), cutsConnections: false)
    let answer = engine.judge(Self.udp(false), .captured)
    let more = engine.judge(Self.udp(true))
    #expect(answer.verdict == .forward && answer.state == .established)
    #expect(more.verdict == .forward && more.state == .established)
    engine.pass(seconds: 200)
    let over = engine.judge(Self.udp(true))
    #expect(over == .drop(.sgEgress))
  }

  @Test(arguments: [true, false])
  func `cut ends a connection at its next packet, whichever way`(isOut: Bool) throws {
    var engine = try Engine()
    _ = engine.judge(Self.udp(true))
    try engine.change(to: Self.model(without: "udp-out"), cutsConnections: true)
    #expect(engine.worker.nicState(0).connections == 1)
    let next = engine.judge(Self.udp(isOut), isOut ? .guest : .captured)
    #expect(next == .drop(isOut ? .sgEgress : .sgIngress))
    #expect(engine.worker.nicState(0).connections == 0)
  }

  @Test func `cut names the rule that allows a connection now`() throws {
    var engine = try Engine()
    _ = engine.judge(Self.udp(true))
    var model = Self.model(without: "udp-out")
    model.securityGroups[0].egress.append(
      SecurityGroupRule(
        id: "other", match: TrafficMatch(protocolNumber: 17, ports: [53...53]),
        peers: [.cidr(Compose.prefix("198.51.100.7/32"))]))
    try engine.change(to: model, cutsConnections: true)
    // Judged as it began, although this packet is an answer.
    let answer = engine.judge(Self.udp(false), .captured)
    let next = engine.judge(Self.udp(true))
    #expect(answer == .forward(.established, "other") && next == .forward(.established, "other"))
    // Changes without cut leave it alone again.
    try engine.change(to: Self.model(without: "udp-out"), cutsConnections: false)
    let kept = engine.judge(Self.udp(true))
    #expect(kept.verdict == .forward)
  }

  @Test func `cut reaches a connection that was silent over several changes`() throws {
    var engine = try Engine()
    _ = engine.judge(Self.udp(true))
    try engine.change(to: Self.model(without: "udp-out"), cutsConnections: true)
    try engine.change(to: Self.model(without: "http"), cutsConnections: false)
    let allowed = engine.judge(Self.udp(true))
    #expect(allowed == .forward(.established, "udp-out"))
    try engine.change(to: Self.model(without: "udp-out"), cutsConnections: true)
    try engine.change(to: Self.model(without: "udp-out"), cutsConnections: false)
    let refused = engine.judge(Self.udp(true))
    #expect(refused == .drop(.sgEgress))
  }

  @Test func `cut ends TCP, and what no rule ever allowed stays out`() throws {
    var engine = try Engine()
    var conversation = Conversation()
    let opening = conversation.open(&engine)
    #expect(opening.last == .forward(.established, "http"))
    try engine.change(to: Self.model(without: "http"), cutsConnections: true)
    let data = conversation.fromClient(Compose.tcpACK, 10)
    let first = engine.judge(data, .captured)
    let second = engine.judge(data, .captured)
    #expect(first == .drop(.sgIngress) && second == .drop(.sgIngress))
    #expect(engine.worker.nicState(0).connections == 0)
  }

  @Test func `cut asks about echoes by their type`() throws {
    func echo(_ isRequest: Bool) -> [UInt8] {
      Compose.ipv4(
        isRequest ? "10.0.1.10" : "198.51.100.7", isRequest ? "198.51.100.7" : "10.0.1.10",
        protocol: 1, [isRequest ? 8 : 0, 0, 0, 0, 0, 7, 0, 1])
    }
    var model = Engine.model()
    model.securityGroups[0].egress.append(
      SecurityGroupRule(
        id: "ping", match: TrafficMatch(protocolNumber: 1, icmpType: 8),
        peers: [.cidr(Compose.prefix("198.51.100.0/24"))]))
    var engine = try Engine(model)
    _ = engine.judge(echo(true))
    try engine.change(to: model, cutsConnections: true)
    let answer = engine.judge(echo(false), .captured)
    #expect(answer == .forward(.established, "ping"))
    try engine.change(to: Engine.model(), cutsConnections: true)
    let next = engine.judge(echo(true))
    #expect(next == .drop(.sgEgress))
  }

  /// An echo has no cached way, by which other connections were told apart.
  @Test func `keep leaves alone what began after a cut`() throws {
    let echo = Compose.ipv4(
      "10.0.1.10", "198.51.100.7", protocol: 1, [8, 0, 0, 0, 0, 7, 0, 1])
    var model = Engine.model()
    model.securityGroups[0].egress.append(
      SecurityGroupRule(
        id: "ping", match: TrafficMatch(protocolNumber: 1, icmpType: 8),
        peers: [.cidr(Compose.prefix("198.51.100.0/24"))]))
    var engine = try Engine(model)
    try engine.change(to: model, cutsConnections: true)
    let first = engine.judge(echo)
    #expect(first == .forward(.new, "ping"))
    try engine.change(to: Engine.model(), cutsConnections: false)
    let next = engine.judge(echo)
    #expect(next.verdict == .forward && next.state == .established)
  }

  @Test func `an ICMP error about a connection that cut would end is not related to it`() throws {
    var engine = try Engine()
    _ = engine.judge(Self.udp(true))
    let error = Compose.ipv4(
      "198.51.100.1", "10.0.1.10", protocol: 1,
      [3, 3, 0, 0, 0, 0, 0, 0] + Self.udp(true).prefix(28))
    let related = engine.judge(error, .captured)
    #expect(related == .forward(.related, "udp-out"))
    try engine.change(to: Self.model(without: "udp-out"), cutsConnections: true)
    let unrelated = engine.judge(error, .captured)
    #expect(unrelated == .drop(.sgIngress))
  }

  /// Connections of SCTP and of other protocols do not hold what rules ask for; the quote does.
  @Test(arguments: [true, false])
  func `an ICMP error is related to a connection that cut leaves`(isSCTP: Bool) throws {
    let number: UInt8 = isSCTP ? 132 : 47
    var model = Engine.model()
    model.securityGroups[0].egress.append(
      SecurityGroupRule(
        id: "out",
        match: TrafficMatch(protocolNumber: number, ports: isSCTP ? [5_000...5_000] : []),
        peers: [.cidr(Compose.prefix("198.51.100.0/24"))]))
    func packet(_ isOut: Bool) -> [UInt8] {
      let ports: [UInt8] = isOut ? [0x9C, 0x40, 0x13, 0x88] : [0x13, 0x88, 0x9C, 0x40]
      return Compose.ipv4(
        isOut ? "10.0.1.10" : "198.51.100.7", isOut ? "198.51.100.7" : "10.0.1.10",
        protocol: number, ports + [UInt8](repeating: 0, count: 16))
    }
    func error(_ isOut: Bool) -> [UInt8] {
      Compose.ipv4(
        isOut ? "10.0.1.10" : "198.51.100.1", isOut ? "198.51.100.7" : "10.0.1.10", protocol: 1,
        [3, 3, 0, 0, 0, 0, 0, 0] + packet(!isOut).prefix(28))
    }
    var engine = try Engine(model)
    let first = engine.judge(packet(true))
    #expect(first == .forward(.new, "out"))
    try engine.change(to: model, cutsConnections: true)
    let received = engine.judge(error(false), .captured)
    let sent = engine.judge(error(true))
    #expect(received == .forward(.related, "out") && sent == .forward(.related, "out"))
    // Of a rule that is gone, nothing is left.
    try engine.change(to: Engine.model(), cutsConnections: true)
    let unrelated = engine.judge(error(false), .captured)
    #expect(unrelated == .drop(.sgIngress))
  }

  @Test func `untracked flows stop at once, also with keep`() throws {
    var model = Engine.model()
    let all = SecurityGroupRule(
      id: "all", match: TrafficMatch(), peers: [.cidr(Compose.prefix("0.0.0.0/0"))])
    model.securityGroups[0].ingress = [all]
    model.securityGroups[0].egress = [all]
    var engine = try Engine(model)
    let before = engine.judge(Self.udp(true))
    #expect(before == .forward(.untracked, "all"))
    model.securityGroups[0].egress = []
    try engine.change(to: model, cutsConnections: false)
    let after = engine.judge(Self.udp(true))
    #expect(after == .drop(.sgEgress))
  }

  // MARK: Ways

  private func knows(_ compiled: CompiledTables, _ generation: UInt32) -> Bool {
    compiled.tables.hasSameWays(since: generation)
  }

  @Test func `a change of groups leaves known ways alone, one of an ACL does not`() throws {
    var engine = try Engine()
    _ = engine.judge(Self.udp(true))
    for rule in ["http", "dns", "udp-out"] {
      try engine.change(to: Self.model(without: rule))
      let next = engine.judge(Self.udp(true))
      #expect(next.verdict == .forward && next.state == .established)
    }
    #expect((0...5).filter { knows(engine.compiled, $0) } == [1, 2, 3, 4])

    var model = Self.model(without: "udp-out")
    model.networkACLs[0].egress[0].allow = false
    try engine.change(to: model)
    let refused = engine.judge(Self.udp(true))
    #expect(refused == .drop(.aclEgress, "acl/egress/100"))
    #expect(!knows(engine.compiled, 4))
    // What was remembered before does not come back with the next change of groups.
    model.securityGroups = Engine.model().securityGroups
    try engine.change(to: model)
    let again = engine.judge(Self.udp(true))
    #expect(again == .drop(.aclEgress, "acl/egress/100"))
  }

  @Test func `routes, places, interfaces and cut are other ways`() throws {
    let changes: [(inout VPCModel) -> Void] = [
      { $0.routeTables[0].routes[0].target = .blackhole },
      { $0.networkInterfaces[1].addresses = [Compose.address("10.0.1.12")] },
      { $0.networkInterfaces[0].sourceDestCheck.toggle() },
      {
        $0.mappings.append(
          Mapping(
            vpc: "vpc", address: Compose.address("10.0.1.99"), host: Compose.address("192.0.2.9"),
            mac: MACAddress(9)))
      },
    ]
    for change in changes {
      var engine = try Engine()
      var model = Engine.model()
      change(&model)
      try engine.change(to: model)
      #expect(!knows(engine.compiled, 1))
      try engine.change(to: model)
      #expect(knows(engine.compiled, 2))
      try engine.change(to: model, cutsConnections: true)
      #expect(!knows(engine.compiled, 3))
    }
  }

  @Test func `ways of a generation that was taken back are not known`() throws {
    var engine = try Engine()
    let kept = engine.compiled
    try engine.change(to: Self.model(without: "http"))
    #expect(knows(engine.compiled, 1))
    // The second one is taken back, and a third follows the first.
    #expect(!knows(kept, 2))
    let next = try TableCompiler.compile(
      Self.model(without: "dns"), CompileRequest(generation: 3, previous: kept))
    #expect(!knows(next, 2) && knows(next, 3))
  }
}

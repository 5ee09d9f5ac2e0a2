import Datapath
import TableCompiler
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

/// How a worker follows tables in which network interfaces and rules come and go.
@Suite struct FollowingTests {
  private static func withoutWeb() -> VPCModel {
    var model = Engine.model()
    model.networkInterfaces.removeFirst()
    return model
  }

  private static func orphan() -> [UInt8] {
    Compose.ipv4(
      "198.51.100.7", "10.0.1.10", protocol: 17,
      Array(Compose.udp(9, 53, [UInt8](repeating: 0, count: 40))[..<24]), identifier: 5,
      fragment: 0x2000)
  }

  @Test func `nothing of an interface that went is left for the next owner of its number`() throws {
    var engine = try Engine()
    _ = engine.judge(ConnectionTests.udp(true))
    _ = engine.judge(Self.orphan(), .captured)
    _ = engine.judge(ConnectionTests.udp(false), .captured)
    let hits = engine.worker.nicState(0).counters.packetsOut
    #expect(hits == 1 && engine.worker.nicState(0).connections == 2)
    try engine.change(to: Self.withoutWeb())
    #expect(engine.worker.following.isSweeping)
    let steps = engine.sweep()
    #expect(steps > 0)
    #expect(engine.worker.following.swept == 2)
    #expect(engine.worker.nicState(0).connections == 0)
    #expect(engine.worker.nicState(0).counters.packetsOut == 0)
    #expect(engine.worker.flows.count == 0)

    // The number's next owner: neither connection nor first fragment are its.
    try engine.change(to: Engine.model())
    #expect(engine.compiled.slot(ofInterface: "eni-web") == 0)
    let answer = engine.judge(ConnectionTests.udp(false), .captured)
    #expect(answer == .drop(.sgIngress))
    let later = engine.judge(
      Compose.ipv4(
        "198.51.100.7", "10.0.1.10", protocol: 17, [UInt8](repeating: 0, count: 24),
        identifier: 5, fragment: 3), .captured)
    #expect(later == .drop(.fragmentOrphan))
  }

  /// The first of two that went is free again while the worker cleans up after both.
  @Test(arguments: 0..<8)
  func `a sweep leaves nobody out when the list of those that went changes`(steps: Int) throws {
    var engine = try Engine()
    let packet = Compose.ipv4("10.0.1.11", "198.51.100.7", protocol: 17, Compose.udp(1, 2))
    let sent = engine.judge(frame: Compose.ethernet(to: .router, from: Engine.data, packet), nic: 1)
    #expect(sent.verdict == .forward && engine.worker.nicState(1).counters.packetsOut == 1)
    var model = Self.withoutWeb()
    try engine.change(to: model)
    _ = engine.sweep()
    #expect(engine.worker.following.swept == 2)
    // Compiled before that was known.
    model.networkInterfaces = []
    try engine.change(to: model, swept: 0)
    for _ in 0..<steps { engine.sweepOnce() }
    model.policy.midstream = .drop
    try engine.change(to: model, swept: 2)
    _ = engine.sweep()
    #expect(engine.worker.following.swept == 3)
    #expect(engine.worker.nicState(1).counters.packetsOut == 0)
  }

  @Test func `others keep their connections and counters`() throws {
    var engine = try Engine()
    let packet = Compose.ipv4("10.0.1.11", "198.51.100.7", protocol: 17, Compose.udp(1, 2))
    let frame = Compose.ethernet(to: .router, from: Engine.data, packet)
    _ = engine.judge(frame: frame, nic: 1)
    try engine.change(to: Self.withoutWeb())
    _ = engine.sweep()
    let next = engine.judge(frame: frame, nic: 1)
    #expect(next == .forward(.established, "udp-out"))
    #expect(engine.worker.nicState(1).counters.packetsOut == 2)
  }

  @Test func `a rule that went is no longer named, and its number counts from zero`() throws {
    var engine = try Engine()
    _ = engine.judge(ConnectionTests.udp(true))
    let number = try #require(engine.compiled.ruleNames.firstIndex(of: "udp-out"))
    var model = Engine.model()
    model.securityGroups[0].egress.removeAll { $0.id == "udp-out" }
    try engine.change(to: model)
    let kept = engine.judge(ConnectionTests.udp(true))
    #expect(kept.verdict == .forward)
    #expect(engine.worker.hitCount(rule: UInt32(number)) == 2)
    _ = engine.sweep()
    let still = engine.judge(ConnectionTests.udp(true))
    #expect(still == .forward(.established, ""))
    #expect(engine.worker.hitCount(rule: UInt32(number)) == 0)
    model.securityGroups[0].egress.append(
      SecurityGroupRule(
        id: "other", match: TrafficMatch(protocolNumber: 47),
        peers: [.cidr(Compose.prefix("198.51.100.0/24"))]))
    try engine.change(to: model)
    #expect(engine.compiled.ruleNames[number] == "other")
    let last = engine.judge(ConnectionTests.udp(true))
    #expect(last == .forward(.established, ""))
  }

  @Test func `a sweep in steps finds what began before the last change`() throws {
    var engine = try Engine(flowCapacity: 4_000)
    for port in 0..<1_500 {
      let packet = Compose.ipv4(
        "10.0.1.10", "198.51.100.7", protocol: 17, Compose.udp(UInt16(1_000 + port), 53))
      _ = engine.judge(packet)
    }
    #expect(engine.worker.nicState(0).connections == 1_500)
    // A rule goes first; the interface goes while the sweep after it is under way.
    var model = Engine.model()
    model.securityGroups[0].ingress.removeLast()
    try engine.change(to: model)
    engine.sweepOnce()
    engine.sweepOnce()
    model.networkInterfaces.removeFirst()
    try engine.change(to: model)
    let steps = engine.sweep()
    #expect(steps > 6 && engine.worker.following.swept == 3)
    #expect(engine.worker.flows.count == 0 && engine.worker.nicState(0).connections == 0)
  }

  @Test func `an allowance with other settings begins full`() throws {
    var model = Engine.model()
    model.networkInterfaces[0].limits.packetsPerSecond = 1_000_000_000
    var engine = try Engine(model)
    engine.adopt()
    _ = engine.judge(ConnectionTests.udp(true))
    model.networkInterfaces[0].limits.packetsPerSecond = 2
    try engine.change(to: model)
    let reasons = (0..<3).map { _ in engine.judge(ConnectionTests.udp(true)).reason }
    #expect(reasons == [.none, .none, .limitPackets])
    // Other changes leave it as it is.
    model.policy.midstream = .drop
    try engine.change(to: model)
    let still = engine.judge(ConnectionTests.udp(true))
    #expect(still == .drop(.limitPackets))
  }

  @Test func `the reserve of connections is divided among the interfaces that are there`() throws {
    var engine = try Engine(Self.withoutWeb(), flowCapacity: 1_000)
    engine.adopt()
    func open(_ port: UInt16) -> Answer {
      let packet = Compose.ipv4("10.0.1.11", "198.51.100.7", protocol: 17, Compose.udp(port, 2))
      return engine.judge(frame: Compose.ethernet(to: .router, from: Engine.data, packet))
    }
    // Alone it may have all of them.
    let verdicts = (0..<1_001).map { open(UInt16(1_000 + $0)).reason }
    #expect(verdicts.prefix(1_000).allSatisfy { $0 == .none })
    #expect(verdicts.last == .limitConnections)
  }
}

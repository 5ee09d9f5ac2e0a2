import Datapath
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

@Suite struct ConnectionTests {
  static func udp(_ isOut: Bool, identifier: UInt16 = 1, fragment: UInt16 = 0) -> [UInt8] {
    let (near, far) = ("10.0.1.10", "198.51.100.7")
    return Compose.ipv4(
      isOut ? near : far, isOut ? far : near, protocol: 17,
      isOut ? Compose.udp(5000, 53) : Compose.udp(53, 5000), identifier: identifier,
      fragment: fragment)
  }

  static let new = Answer.forward(.new, "udp-out")
  static let established = Answer.forward(.established, "udp-out")

  @Test func `UDP lasts 30 seconds, and 180 after two packets each way`() throws {
    var engine = try Engine()
    _ = engine.judge(Self.udp(true))
    engine.pass(seconds: 29.9)
    let answer = engine.judge(Self.udp(false), .captured)
    engine.pass(seconds: 30.1)
    let over = engine.judge(Self.udp(false), .captured)
    #expect(answer == Self.established && over == .drop(.sgIngress))
    for isOut in [true, false, true, false] {
      _ = engine.judge(Self.udp(isOut), isOut ? .guest : .captured)
    }
    engine.pass(seconds: 179.9)
    let stream = engine.judge(Self.udp(false), .captured)
    engine.pass(seconds: 180.1)
    let end = engine.judge(Self.udp(false), .captured)
    #expect(stream == Self.established && end == .drop(.sgIngress))
  }

  /// A million connections that end together must not stop the packet that comes next.
  @Test func `a packet clears away a bounded number of ended connections`() throws {
    var engine = try Engine(expiryPerPacket: 4)
    func ask(_ port: UInt16) -> [UInt8] {
      Compose.ipv4("10.0.1.10", "198.51.100.7", protocol: 17, Compose.udp(port, 53))
    }
    for port in 0..<100 {
      let answer = engine.judge(ask(10_000 + UInt16(port)))
      #expect(answer == Self.new)
    }
    #expect(engine.worker.flows.count == 100)
    engine.pass(seconds: 40)
    // Ended by the clock, but not cleared away yet: the connection begins anew.
    var count = engine.worker.flows.count
    for round in 0..<200 {
      let answer = engine.judge(ask(10_099))
      #expect(answer == (round == 0 ? Self.new : Self.established))
      #expect(count - engine.worker.flows.count <= 5)
      count = engine.worker.flows.count
    }
    #expect(count == 1)
  }

  /// Cached ways and consents are of one generation of tables: the next packet asks anew.
  @Test func `changed routes and ACLs apply at the next packet of a connection`() throws {
    var engine = try Engine()
    _ = engine.judge(Self.udp(true))
    _ = engine.judge(Self.udp(false), .captured)
    for isOut in [true, false] {
      let cached = engine.judge(Self.udp(isOut), isOut ? .guest : .captured)
      #expect(cached == Self.established)
    }
    var routes = Engine.model()
    routes.routeTables[0].routes[0].target = .blackhole
    try engine.publish(routes, generation: 2)
    let lost = engine.judge(Self.udp(true))
    let home = engine.judge(Self.udp(false), .captured)
    #expect(lost == .drop(.routeBlackhole, "rtb/0.0.0.0/0") && home == Self.established)
    var acl = Engine.model()
    acl.networkACLs[0].ingress[0].allow = false
    try engine.publish(acl, generation: 3)
    let out = engine.judge(Self.udp(true))
    let refused = engine.judge(Self.udp(false), .captured)
    #expect(out == Self.established && refused == .drop(.aclIngress, "acl/ingress/100"))
    acl = Engine.model()
    acl.networkACLs[0].egress[0].allow = false
    try engine.publish(acl, generation: 4)
    let stopped = engine.judge(Self.udp(true))
    let still = engine.judge(Self.udp(false), .captured)
    #expect(stopped == .drop(.aclEgress, "acl/egress/100") && still == Self.established)
    try engine.publish(Engine.model(), generation: 5)
    let again = engine.judge(Self.udp(true))
    #expect(again == Self.established)
  }

  /// A known connection skips the steps that its key answers for; MAC addresses are not in the key.
  @Test func `MAC addresses of an established connection are looked at`() throws {
    var engine = try Engine()
    _ = engine.judge(Self.udp(true))
    let known = engine.judge(Self.udp(true))
    let foreign = engine.judge(
      frame: Compose.ethernet(to: .router, from: Engine.data, Self.udp(true)), atNIC: true)
    let own = engine.judge(
      frame: Compose.ethernet(to: .router, from: Engine.web, Self.udp(true)), atNIC: true)
    let group = engine.judge(
      frame: Compose.ethernet(to: .broadcast, from: Engine.web, Self.udp(true)), atNIC: true)
    #expect(known == Self.established && own == Self.established)
    #expect(foreign == .drop(.spoofMAC) && group == .drop(.l2Multicast))
  }

  @Test func `later fragments follow their first`() throws {
    var engine = try Engine()
    func first(_ identifier: UInt16, port: UInt16 = 53, from source: String = "198.51.100.7")
      -> [UInt8]
    {
      Compose.ipv4(
        source, "10.0.1.10", protocol: 17, Array(Compose.udp(9, port, Self.zeros(40))[..<24]),
        identifier: identifier, fragment: 0x2000)
    }
    func later(_ identifier: UInt16, at units: UInt16 = 3, fill: UInt8 = 0) -> [UInt8] {
      Compose.ipv4(
        "198.51.100.7", "10.0.1.10", protocol: 17, [UInt8](repeating: fill, count: 24),
        identifier: identifier, fragment: units)
    }
    let orphan = engine.judge(later(1), .captured)
    let allowed = engine.judge(first(1), .captured)
    let follows = engine.judge(later(1), .captured)
    #expect(orphan == .drop(.fragmentOrphan))
    #expect(allowed == .forward(.new, "dns") && follows == .forward(.new, "dns"))
    let copy = engine.judge(later(1), .captured)
    let overlap = engine.judge(later(1, fill: 7), .captured)
    let poisoned = engine.judge(later(1, at: 8), .captured)
    #expect(copy == .forward(.new, "dns"))
    #expect(overlap == .drop(.fragmentOverlap) && poisoned == .drop(.fragmentOverlap))
    let denied = engine.judge(first(2, port: 54), .captured)
    let deniedToo = engine.judge(later(2), .captured)
    #expect(denied == .drop(.sgIngress) && deniedToo == .drop(.sgIngress))
    _ = engine.judge(first(3), .captured)
    engine.pass(seconds: 15)
    let forgotten = engine.judge(later(3), .captured)
    #expect(forgotten == .drop(.fragmentOrphan))
    let tiny = engine.judge(
      Compose.ipv4(
        "198.51.100.7", "10.0.1.10", protocol: 6, Self.zeros(16), identifier: 4, fragment: 0x2000),
      .captured)
    #expect(tiny == .drop(.fragmentTiny))
  }

  static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

  @Test func `a traced packet tells its steps, and is judged like any other`() throws {
    var engine = try Engine()
    let first = engine.judge(Self.udp(true), traced: true)
    let steps = engine.steps()
    #expect(first == Self.new)
    #expect(steps.first == .egress)
    for step in [
      TraceStep.parsed, .connectionNew, .groupAllows, .route, .limits, .connectionCreated,
    ] {
      #expect(steps.contains(step), "\(step)")
    }
    _ = engine.judge(Self.udp(true))
    let second = engine.judge(Self.udp(true), traced: true)
    let again = engine.steps()
    #expect(second == Self.established)
    // The cache is passed over: the way is told although it was known.
    #expect(again.contains(.connectionFound) && again.contains(.route) && again.contains(.acl))
    #expect(!again.contains(.connectionCreated))
  }

  @Test func `counters add up`() throws {
    var engine = try Engine()
    for _ in 0..<3 { _ = engine.judge(Self.udp(true)) }
    _ = engine.judge(Self.udp(false), .captured)
    _ = engine.judge(
      Compose.ipv4("198.51.100.9", "10.0.1.10", protocol: 17, Compose.udp(1, 99)), .captured)
    let counters = engine.worker.nicState(0).counters
    #expect(counters.packetsOut == 3 && counters.packetsIn == 1)
    #expect(counters.bytesOut == 3 * 46 && counters.bytesIn == 46)
    let drops = engine.worker.dropCount(0, .sgIngress)
    #expect(drops == 1)
    let rule = UInt32(engine.compiled.ruleNames.firstIndex(of: "udp-out") ?? 0)
    let hits = engine.worker.hitCount(rule: rule)
    #expect(hits == 4)
  }
}

extension Engine {
  /// The steps of the last traced packet.
  func steps() -> [TraceStep] { (0..<worker.trace.count).map { worker.trace[$0].step } }
}

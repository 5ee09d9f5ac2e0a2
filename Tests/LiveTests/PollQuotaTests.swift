import Datapath
import TestPackets
import Testing
import VPCModel
import Wire

@testable import Live

/// How much a guest's port may bring at once.
@Suite struct PollQuotaTests {
  private typealias Loop = LiveWorker<WireIO>

  /// What all addresses may do, no connection is kept for: here only those of the VPC may.
  private static func host(workers: Int = 1) throws -> LiveHost {
    var model = LiveHost.model()
    let rule = SecurityGroupRule(
      id: "vpc", match: TrafficMatch(), peers: [.cidr(Compose.prefix("10.0.0.0/16"))])
    model.securityGroups = [SecurityGroup(id: "sg", vpc: "vpc", ingress: [rule], egress: [rule])]
    return try LiveHost(model, workers: workers)
  }

  /// Packets that one round takes from a guest's port which has more than enough.
  private static func taken(_ host: LiveHost, _ worker: inout Loop) -> Int {
    let before = host.count(.received)
    _ = worker.round()
    return Int(host.count(.received) - before)
  }

  /// Datagrams on connections of their own.
  private static func fresh(_ count: Int, from port: Int) -> [[UInt8]] {
    (0..<count).map { LiveHost.datagram(to: "10.0.1.20", from: UInt16(port + $0)) }
  }

  private static func known(_ count: Int) -> [[UInt8]] {
    [[UInt8]](repeating: LiveHost.datagram(to: "10.0.1.20", from: 999), count: count)
  }

  @Test func fullBurstForWhoIsAlone() throws {
    let host = try Self.host()
    var worker = host.worker()
    host.wires.put(Self.known(1_000), port: LiveHost.webPort)
    for _ in 0..<15 { #expect(Self.taken(host, &worker) == 64) }
    #expect(Self.taken(host, &worker) == 1_000 - 15 * 64)
    host.expectLevel()
  }

  /// Its first burst cannot be known for what it is.
  @Test("X-13: a guest whose packets cost much brings few at once")
  func littleAtOnceForNewConnections() throws {
    let host = try Self.host()
    var worker = host.worker()
    host.wires.put(Self.fresh(200, from: 1_000), port: LiveHost.webPort)
    #expect(Self.taken(host, &worker) == 64)
    for _ in 0..<10 { #expect(Self.taken(host, &worker) == Loop.costlyQuota) }
    // All of them are judged in the end.
    while worker.round() {}
    #expect(host.wires.take(port: 0).count == 200)
    host.expectLevel()
  }

  @Test("What costs is over in its time", arguments: [Loop.costlyTime - 1, Loop.costlyTime])
  func costlyEnds(after nanoseconds: UInt64) throws {
    let host = try Self.host()
    var worker = host.worker()
    // Far ahead of the clock, so that only this sets the time.
    worker.setTime(1 << 62)
    host.wires.put(Self.fresh(64, from: 1_000), port: LiveHost.webPort)
    _ = worker.round()
    host.wires.put(Self.known(100), port: LiveHost.webPort)
    #expect(Self.taken(host, &worker) == Loop.costlyQuota)
    worker.setTime(1 << 62 + nanoseconds)
    let isOver = nanoseconds == Loop.costlyTime
    #expect(Self.taken(host, &worker) == (isOver ? 64 : Loop.costlyQuota))
    while worker.round() {}
    host.expectLevel()
  }

  /// A few new connections are everybody's habit.
  @Test func fewNewConnectionsCostNothing() throws {
    let host = try Self.host()
    var worker = host.worker()
    host.wires.put(Self.known(1), port: LiveHost.webPort)
    _ = worker.round()
    for step in 0..<10 {
      let frames = Self.fresh(Loop.mostCostly, from: 2_000 + 10 * step)
      host.wires.put(frames + Self.known(64 - Loop.mostCostly), port: LiveHost.webPort)
      #expect(Self.taken(host, &worker) == 64)
    }
    host.expectLevel()
  }

  /// Refused packets and those for services cost as much.
  @Test func refusedAndPuntedAreCostly() throws {
    for frame in [LiveHost.arp(), LiveHost.frame(LiveHost.web, [0x45, 0])] {
      let host = try Self.host()
      var worker = host.worker()
      host.wires.put([[UInt8]](repeating: frame, count: 100), port: LiveHost.webPort)
      #expect(Self.taken(host, &worker) == 64)
      #expect(Self.taken(host, &worker) == Loop.costlyQuota)
      while worker.round() {}
      _ = host.punts()
      host.expectLevel()
    }
  }

  /// Every worker asks for little then: a guest has a queue at each.
  @Test func othersKnow() throws {
    let host = try Self.host(workers: 2)
    var first = host.worker(0)
    var second = host.worker(1)
    first.setTime(1 << 62)
    second.setTime(1 << 62)
    host.wires.put(Self.fresh(64, from: 1_000), port: LiveHost.webPort)
    _ = first.round()
    host.wires.put(Self.known(64), port: LiveHost.webPort, worker: 1)
    #expect(Self.taken(host, &second) == Loop.costlyQuota)
    for _ in 0..<100 where first.round() || second.round() {}
    host.expectLevel()
  }

  @Test func lessForEachOfTwo() throws {
    let host = try Self.host()
    var worker = host.worker()
    worker.setTime(1 << 62)
    let other = LiveHost.frame(
      LiveHost.data, Compose.ipv4("10.0.1.11", "10.0.1.20", protocol: 17, Compose.udp(5, 7)))
    host.wires.put(Self.known(1_000), port: LiveHost.webPort)
    #expect(Self.taken(host, &worker) == 64)
    host.wires.put([other], port: LiveHost.dataPort)
    // Who comes first in a round does not know yet of who comes second.
    #expect(Self.taken(host, &worker) <= 65)
    for _ in 0..<5 { #expect(Self.taken(host, &worker) == Loop.quantum) }
    worker.setTime(1 << 62 + Loop.contendedTime)
    #expect(Self.taken(host, &worker) == 64)
    while worker.round() {}
    host.expectLevel()
  }

  /// Two guests that send, in this order in a round, and the time stands.
  private static func contended(_ host: LiveHost) -> Loop {
    var worker = host.worker()
    worker.setTime(1 << 62)
    let other = LiveHost.frame(
      LiveHost.data, Compose.ipv4("10.0.1.11", "10.0.1.20", protocol: 17, Compose.udp(5, 7)))
    host.wires.put(known(1), port: LiveHost.webPort)
    host.wires.put([other], port: LiveHost.dataPort)
    _ = worker.round()
    return worker
  }

  /// Who was not there for a while, or had little to bring, catches up, and not all at once.
  @Test func whatIsLeftAddsUp() throws {
    let host = try Self.host()
    var worker = Self.contended(host)
    // These many rounds fill what may be left; more do not.
    for _ in 0..<2 * Loop.mostCredit / Loop.quantum { _ = worker.round() }
    host.wires.put(Self.known(1_000), port: LiveHost.webPort)
    let rounds = Loop.mostCredit / (Loop.catchUp - Loop.quantum)
    for _ in 0..<rounds { #expect(Self.taken(host, &worker) == Loop.catchUp) }
    _ = worker.round()
    for _ in 0..<10 { #expect(Self.taken(host, &worker) == Loop.quantum) }
    while worker.round() {}
    host.expectLevel()
  }

  /// Beside others a new connection waits for its turn; what costs little does not.
  @Test("X-13: a guest whose packets cost much brings one at once while another one sends")
  func oneAtOnceForNewConnectionsBesideOthers() throws {
    let host = try Self.host()
    var worker = Self.contended(host)
    host.wires.put(Self.fresh(64, from: 1_000), port: LiveHost.webPort)
    // The first of them are not known for what they are.
    #expect(Self.taken(host, &worker) <= Loop.catchUp)
    for _ in 0..<10 { #expect(Self.taken(host, &worker) == Loop.contendedCostlyQuota) }
    worker.setTime(1 << 62 + Loop.contendedTime)
    #expect(Self.taken(host, &worker) == Loop.costlyQuota)
    while worker.round() {}
    host.expectLevel()
  }

  /// The uplink has everybody's packets: one sender must not slow down the others' there.
  @Test func uplinkAlwaysBringsABurst() throws {
    let host = try Self.host()
    var worker = host.worker()
    let frames = (0..<200).map { port in
      LiveHost.tunnel(
        Compose.ethernet(
          to: LiveHost.web, from: LiveHost.remote,
          Compose.ipv4("10.0.1.20", "10.0.1.10", protocol: 17, Compose.udp(1_000 + port, 7))))
    }
    host.wires.put(frames, port: 0)
    for _ in 0..<3 { #expect(Self.taken(host, &worker) == 64) }
    while worker.round() {}
    host.expectLevel()
  }
}

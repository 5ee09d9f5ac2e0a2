import TestPackets
import Testing
import Wire

@testable import Live

/// What the service thread is left, and what its answers do.
@Suite struct SlowPathTests {
  @Test func serviceAnswersGuest() throws {
    let host = try LiveHost()
    var worker = host.worker()
    host.wires.put([LiveHost.arp()], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let punts = host.punts()
    #expect(punts.count == 1)
    let punt = try #require(punts.first)
    #expect(punt.punt.kind == .service)
    #expect(punt.punt.service == .arp)
    #expect(punt.punt.nic == 0)
    #expect(punt.frame == LiveHost.arp())

    let reply = Compose.ethernet(to: LiveHost.web, from: .router, type: 0x0806, [1, 2, 3, 4])
    #expect(host.answer(Answer(.reply, to: punt.punt), reply))
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: LiveHost.webPort) == [WireFrame(bytes: reply)])
    #expect(host.count(.served) == 1)
    #expect(host.count(.generated) == 1)
    host.expectLevel()
  }

  @Test func serviceRefusesOrTakes() throws {
    let host = try LiveHost()
    var worker = host.worker()
    host.wires.put([LiveHost.arp(), LiveHost.arp()], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let punts = host.punts()
    #expect(punts.count == 2)
    #expect(host.answer(Answer(.drop, to: punts[0].punt, .serviceARP)))
    #expect(host.answer(Answer(.consume, to: punts[1].punt)))
    LiveHost.poll(&worker)
    #expect(worker.engine.dropCount(0, .serviceARP) == 1)
    #expect(host.count(.refused) == 1)
    #expect(host.count(.served) == 1)
    #expect(host.wires.take(port: LiveHost.webPort).isEmpty)
    host.expectLevel()
  }

  /// 1024 packets a second is the allowance that services are charged to.
  @Test("X-06: services are charged to the link-local allowance")
  func answersAreChargedToLinkLocalAllowance() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let total = 3_000
    var replies = 0
    for _ in 0..<total {
      host.wires.put([LiveHost.arp()], port: LiveHost.webPort)
      _ = worker.round()
      for punt in host.punts() {
        #expect(host.answer(Answer(.reply, to: punt.punt), [UInt8](repeating: 1, count: 42)))
      }
      _ = worker.round()
      replies += host.wires.take(port: LiveHost.webPort).count
    }
    let refused = Int(worker.engine.dropCount(0, .limitLinkLocal))
    #expect(replies + refused == total)
    #expect(replies >= 1_000)
    #expect(Int(host.count(.refused)) == refused)
    host.expectLevel()
  }

  @Test("X-06: a guest has a share of the slow path, and no more")
  func shareOfOneGuestIsBounded() throws {
    let host = try LiveHost()
    var worker = host.worker()
    host.wires.put((0..<50).map { _ in LiveHost.arp() }, port: LiveHost.webPort)
    host.wires.put([LiveHost.arp(LiveHost.data)], port: LiveHost.dataPort)
    for _ in 0..<50 { _ = worker.round() }
    #expect(worker.engine.dropCount(0, .slowPathFull) == 18)
    #expect(host.count(.punted) == 33)
    let punts = host.punts()
    #expect(punts.filter { $0.punt.nic == 0 }.count == 32)
    #expect(punts.filter { $0.punt.nic == 1 }.count == 1)
    // What is done with gives its part of the share back.
    host.wires.put([LiveHost.arp()], port: LiveHost.webPort)
    _ = worker.round()
    #expect(host.punts().count == 1)
    host.expectLevel()
  }

  @Test func unknownNextHopIsAskedForOnce() throws {
    let host = try LiveHost(resolved: false)
    var worker = host.worker()
    host.wires.put(
      (0..<10).map { _ in LiveHost.datagram(to: "10.0.1.20") }, port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(worker.engine.dropCount(0, .underlayNeighbor) == 10)
    let punts = host.punts()
    #expect(punts.count == 1)
    #expect(punts.first?.punt.kind == .unresolvedNextHop)
    let endpoint = try #require(punts.first?.punt.endpoint)
    #expect(host.compiled.tables.endpoints[endpoint].address == Compose.address("192.0.2.2"))

    host.shared.setNextHop(endpoint, LiveHost.nextHop)
    host.wires.put([LiveHost.datagram(to: "10.0.1.20")], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: 0).count == 1)
    host.expectLevel()
  }

  @Test func tooLargePacketsAreAnsweredOrCut() throws {
    let host = try LiveHost()
    var worker = host.worker()
    host.wires.put(
      [
        LiveHost.datagram(to: "10.0.1.20", bytes: 1_600, mayFragment: false),
        LiveHost.datagram(to: "10.0.1.20", from: 6_000, bytes: 1_600),
      ], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(worker.engine.dropCount(0, .mtuExceeded) == 1)
    #expect(host.count(.punted) == 1)
    let punts = host.punts()
    #expect(punts.map(\.punt.kind) == [.tooBig, .fragment])
    #expect(punts.map(\.punt.mtu) == [1_450, 1_450])
    #expect(punts.first?.frame.count == 1_500)
    #expect(punts.first?.punt.originalLength == 1_642)
    let fragment = try #require(punts.last)
    #expect(fragment.frame.count == 1_642)
    #expect(fragment.punt.vni == LiveHost.vni)

    // Two pieces to the underlay, and the answer to the guest.
    let piece = [UInt8](fragment.frame.prefix(800))
    #expect(host.answer(Answer(.encapsulate, to: fragment.punt), piece))
    #expect(host.answer(Answer(.encapsulate, to: fragment.punt), piece))
    #expect(host.answer(Answer(.frame, to: punts[0].punt), [UInt8](repeating: 3, count: 60)))
    LiveHost.poll(&worker)
    let sent = host.wires.take(port: 0)
    #expect(sent.map(\.bytes.count) == [850, 850])
    #expect(sent.first?.bytes.prefix(6).map { $0 } == Compose.bytes(LiveHost.nextHop.bits, 6))
    #expect(sent.first?.bytes.suffix(800).map { $0 } == piece)
    #expect(host.wires.take(port: LiveHost.webPort).map(\.bytes.count) == [60])
    host.expectLevel()
  }

  @Test func underlayFrameGoesAsItIs() throws {
    let host = try LiveHost()
    var worker = host.worker()
    #expect(host.answer(Answer(.underlay), LiveHost.arp(LiveHost.uplink)))
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: 0) == [WireFrame(bytes: LiveHost.arp(LiveHost.uplink))])
    host.expectLevel()
  }

  /// A NIC keeps its number, an endpoint does not.
  @Test func answerOfOlderTablesIsForgottenWhenItsNumbersMayMeanSomethingElse() throws {
    let host = try LiveHost()
    var worker = host.worker()
    host.wires.put([LiveHost.arp()], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let punt = try #require(host.punts().first).punt
    // Nobody is online, so that nothing is waited for.
    worker.end()
    #expect(host.publish())
    worker.begin()
    #expect(host.answer(Answer(.reply, to: punt), [1, 2, 3]))
    LiveHost.poll(&worker)
    #expect(host.wires.take(port: LiveHost.webPort).count == 1)
    var other = Answer(.frame, to: punt)
    other.nic = 77
    #expect(host.answer(other, [1, 2, 3]))
    #expect(host.answer(Answer(.encapsulate, to: punt), [1, 2, 3]))
    LiveHost.poll(&worker)
    #expect(host.count(.answersLost) == 2)

    // Another owner of the same number.
    worker.end()
    var model = LiveHost.model()
    model.networkInterfaces.removeFirst()
    #expect(try host.publish(model))
    worker.begin()
    #expect(host.answer(Answer(.reply, to: punt), [1, 2, 3]))
    while worker.round() {}
    worker.end()
    model.networkInterfaces.append(LiveHost.model().networkInterfaces[0])
    #expect(try host.publish(model))
    worker.begin()
    #expect(host.compiled.slot(ofInterface: "eni-web") == 0)
    #expect(host.answer(Answer(.reply, to: punt), [1, 2, 3]))
    while worker.round() {}
    #expect(host.wires.take(port: LiveHost.webPort).isEmpty)
    #expect(host.count(.answersLost) == 4)
    host.expectLevel()
  }

  @Test func emptyPoolLosesAnswer() throws {
    let host = try LiveHost()
    var worker = host.worker()
    host.wires.limitBuffers(0)
    #expect(host.answer(Answer(.underlay), LiveHost.arp()))
    LiveHost.poll(&worker)
    #expect(host.count(.answersLost) == 1)
    host.expectLevel()
  }

  @Test func fullRingRefusesAnswers() throws {
    let host = try LiveHost()
    let room = host.shared.slowPath(worker: 0).answerRoom
    for _ in 0..<room { #expect(host.answer(Answer(.underlay), [1])) }
    #expect(host.shared.slowPath(worker: 0).answerRoom == 0)
    #expect(!host.answer(Answer(.underlay), [1]))
    #expect(!host.answer(Answer(.underlay), [UInt8](repeating: 0, count: 20_000)))
  }
}

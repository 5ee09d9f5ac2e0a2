import Datapath
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

@testable import Live

/// Packets that somebody looks at as they are judged.
@Suite struct ObservationTests {
  private static func filter(_ change: (inout ObservationFilter) -> Void) -> ObservationFilter {
    var filter = ObservationFilter()
    change(&filter)
    return filter
  }

  /// Rules that make connections tracked: not all traffic of everybody is allowed.
  private static func tracked() -> VPCModel {
    var model = LiveHost.model()
    let rule = SecurityGroupRule(
      id: "inside", match: TrafficMatch(), peers: [.cidr(Compose.prefix("10.0.0.0/8"))])
    model.securityGroups = [
      SecurityGroup(id: "sg", vpc: "vpc", ingress: [rule], egress: [rule])
    ]
    return model
  }

  // MARK: Traces

  @Test func everyStepIsSeen() throws {
    let host = try LiveHost(Self.tracked())
    var worker = host.worker()
    let observer = Observer(host, .steps)
    #expect(observer.begin())
    // Twice: the second packet of a connection takes the long way too.
    for _ in 0..<2 {
      host.wires.put([LiveHost.datagram(to: "10.0.1.20")], port: LiveHost.webPort)
      LiveHost.poll(&worker)
    }
    let seen = observer.take()
    #expect(seen.count == 2)
    #expect(
      seen.first?.steps == [
        .egress, .parsed, .source, .connectionNew, .groupAllows, .sameSubnet, .atMapping, .limits,
        .connectionCreated,
      ])
    #expect(seen.last?.steps.contains(.connectionFound) == true)
    #expect(seen.last?.steps.contains(.atMapping) == true)
    for each in seen {
      #expect(each.packet.verdict == .forward && each.packet.output == .underlay)
      #expect(each.packet.place == .nic(0) && each.packet.nic == 0)
      #expect("\(each.packet.source)" == "10.0.1.10")
      #expect("\(each.packet.destination)" == "10.0.1.20")
      #expect(each.packet.sourcePort == 5_000 && each.packet.destinationPort == 7)
      // A trace has nothing of the frame.
      #expect(each.bytes.isEmpty && each.packet.originalLength == 62)
    }
    #expect(host.wires.take(port: 0).count == 2)
    host.expectLevel()
  }

  /// Several in a burst: each has its own steps, and none those of another.
  @Test func stepsDoNotMix() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let observer = Observer(host, .steps)
    #expect(observer.begin())
    host.wires.put(
      [
        LiveHost.tunnel(LiveHost.fromRemote()), LiveHost.tunnel(LiveHost.fromRemote(), vni: 5),
        LiveHost.tunnel(LiveHost.fromRemote()),
      ], port: 0)
    LiveHost.poll(&worker)
    let seen = observer.take()
    #expect(seen.map(\.packet.verdict) == [.forward, .drop, .forward])
    #expect(seen.map(\.packet.reason) == [.none, .tunnelVNI, .none])
    #expect(seen.map(\.packet.vni) == [LiveHost.vni, 5, LiveHost.vni])
    #expect(seen[0].steps.first == .tunnel && seen[0].steps.dropFirst().first == .ingress)
    #expect(seen[0].steps.filter { $0 == .ingress }.count == 1)
    #expect(seen[1].steps.isEmpty)
    #expect(seen[2].steps.filter { $0 == .tunnel }.count == 1)
    host.expectLevel()
  }

  @Test func onlyWhatMatchesIsSeenAndOrderStays() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let wanted = Self.filter { $0.source.ports = .init(1_003...1_005) }
    let observer = Observer(host, .steps, wanted)
    #expect(observer.begin())
    host.wires.put(
      (0..<20).map { LiveHost.datagram(to: "10.0.1.11", from: UInt16(1_000 + $0)) },
      port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(observer.take().map(\.packet.sourcePort) == [1_003, 1_004, 1_005])
    let ports = host.wires.take(port: LiveHost.dataPort).map { frame in
      Int(frame.bytes[34]) << 8 | Int(frame.bytes[35])
    }
    #expect(ports == Array(1_000..<1_020))
    host.expectLevel()
  }

  @Test func dropsAndReasonsAreSeenAlone() throws {
    let host = try LiveHost(resolved: false)
    var worker = host.worker()
    let frames = [
      LiveHost.datagram(to: "10.0.1.11"), LiveHost.datagram(to: "10.0.1.99"),
      // The engine forwards it, and the loop does not know where to.
      LiveHost.datagram(to: "10.0.1.20"),
    ]
    let dropped = Observer(host, .steps, Self.filter { $0.isDropped = true })
    #expect(dropped.begin())
    host.wires.put(frames, port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(dropped.take().map(\.packet.reason) == [.mappingNone, .underlayNeighbor])
    dropped.end()
    _ = worker.round()
    let only = Self.filter {
      $0.isDropped = true
      $0.reason = .mappingNone
    }
    let reason = Observer(host, .steps, only)
    #expect(reason.begin())
    host.wires.put(frames, port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(reason.take().map(\.packet.reason) == [.mappingNone])
  }

  @Test func interfaceIsSenderOrReceiver() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let data = try #require(host.compiled.slot(ofInterface: "eni-data"))
    let observer = Observer(host, .steps, Self.filter { $0.nic = data })
    #expect(observer.begin())
    let toData = Compose.ethernet(
      to: .router, from: LiveHost.remote,
      Compose.ipv4("10.0.1.20", "10.0.1.11", protocol: 17, Compose.udp(9, 10)))
    host.wires.put([LiveHost.tunnel(LiveHost.fromRemote()), LiveHost.tunnel(toData)], port: 0)
    host.wires.put(
      [
        LiveHost.datagram(to: "10.0.1.11"), LiveHost.datagram(to: "10.0.1.20"),
      ], port: LiveHost.webPort)
    host.wires.put([LiveHost.arp(LiveHost.data)], port: LiveHost.dataPort)
    LiveHost.poll(&worker)
    let seen = observer.take()
    #expect(seen.map(\.packet.place) == [.underlay, .nic(data), .nic(0)])
    #expect(seen.map(\.packet.verdict) == [.forward, .punt, .forward])
    _ = host.punts()
    host.expectLevel()
  }

  @Test(arguments: [
    (false, [1]), (true, [1, 2]),
  ])
  func bothWays(_ isBoth: Bool, _ expected: [Int]) throws {
    let host = try LiveHost()
    var worker = host.worker()
    let prefix = Compose.prefix("10.0.1.20/32")
    let wanted = Self.filter {
      let mask = IPPrefix.mask(family: .v4, length: 32)
      $0.destination.addresses = FlowFilter.Addresses(
        isIPv6: false, high: prefix.address.high, low: prefix.address.low, maskHigh: mask.high,
        maskLow: mask.low)
      $0.matchesBothWays = isBoth
      $0.transport = 17
    }
    let observer = Observer(host, .steps, wanted)
    #expect(observer.begin())
    host.wires.put([LiveHost.datagram(to: "10.0.1.20")], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    host.wires.put([LiveHost.tunnel(LiveHost.fromRemote())], port: 0)
    LiveHost.poll(&worker)
    #expect(observer.take().count == expected.count)
  }

  /// Looking changes nothing: the same traffic, with and without a trace of everything.
  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func lookingChangesNothing(seed: UInt64) throws {
    let contents: [Observation.Content?] = [nil, .steps, .frameBefore, .frameAfter]
    let results = try contents.map { try Self.run(seed, observing: $0) }
    for result in results.dropFirst() {
      #expect(result.frames == results[0].frames)
      #expect(result.drops == results[0].drops)
      #expect(result.connections == results[0].connections)
    }
    #expect(results[0].frames.contains { !$0.isEmpty } && results[0].drops.contains { $0 > 0 })
  }

  private struct Result {
    var frames: [[WireFrame]] = []
    var drops: [UInt64] = []
    var connections: [UInt32] = []
  }

  private static func run(
    _ seed: UInt64, observing content: Observation.Content?
  ) throws -> Result {
    let host = try LiveHost(seed % 2 == 0 ? tracked() : LiveHost.model())
    var worker = host.worker()
    let observer = content.map { Observer(host, $0, hasPayload: true) }
    #expect(observer?.begin() != false)
    var random = SplitMix64(seed: seed)
    let targets = ["10.0.1.11", "10.0.1.20", "10.0.1.99", "10.0.2.1"]
    var result = Result(frames: [[], [], [], []])
    for step in 0..<100 {
      // Far ahead of the clock: how much a port may bring depends on the time.
      worker.setTime(1 << 62 + UInt64(step) * 1_000_000)
      for _ in 0..<Int(random.next() % 20) {
        let port = UInt16(random.next() % 8)
        let target = targets[Int(random.next() % 4)]
        var frame = LiveHost.datagram(to: target, from: port, bytes: Int(random.next() % 1_400))
        if random.next() % 8 == 0 { frame[Int(random.next() % 42)] ^= 1 }
        host.wires.put(
          [WireFrame(bytes: frame, isPartial: random.next() % 4 == 0)], port: LiveHost.webPort)
        if random.next() % 2 == 0 {
          var tunnel = LiveHost.tunnel(LiveHost.fromRemote())
          if random.next() % 4 == 0 {
            tunnel[Int(random.next() % UInt64(tunnel.count))] ^= 0x10
          }
          host.wires.put([tunnel], port: 0)
        }
      }
      _ = worker.round()
      _ = observer?.take()
      _ = host.punts()
    }
    for _ in 0..<1_000 { _ = worker.round() }
    for port in 0..<LiveHost.portCount { result.frames[port] = host.wires.take(port: port) }
    for nic in 0..<2 as Range<TableIndex> {
      for reason in DropReason.allCases {
        result.drops.append(worker.engine.dropCount(nic, reason))
      }
      result.connections.append(worker.engine.nicState(nic).connections)
    }
    host.expectLevel()
    return result
  }

  // MARK: Frames

  @Test(arguments: [false, true])
  func framesAsTheyCome(hasPayload: Bool) throws {
    let host = try LiveHost()
    var worker = host.worker()
    let observer = Observer(host, .frameBefore, hasPayload: hasPayload)
    #expect(observer.begin())
    let sent = LiveHost.datagram(to: "10.0.1.20")
    let received = LiveHost.tunnel(LiveHost.fromRemote())
    host.wires.put([received], port: 0)
    host.wires.put([sent], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let seen = observer.take()
    #expect(seen.map(\.packet.verdict) == [.forward, .forward])
    #expect(seen.map { Int($0.packet.originalLength) } == [received.count, sent.count])
    if hasPayload {
      #expect(seen.map(\.bytes) == [received, sent])
    } else {
      // Ethernet, IPv4, UDP; with Geneve around it the same twice and 8 bytes.
      #expect(seen.map(\.bytes) == [Array(received.prefix(92)), Array(sent.prefix(42))])
    }
  }

  @Test func framesAsTheyLeave() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let observer = Observer(host, .frameAfter, hasPayload: true)
    #expect(observer.begin())
    host.wires.put([LiveHost.tunnel(LiveHost.fromRemote())], port: 0)
    host.wires.put(
      [
        LiveHost.datagram(to: "10.0.1.20"), LiveHost.datagram(to: "10.0.1.99"),
        LiveHost.datagram(to: "10.0.1.11"),
      ], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let seen = observer.take()
    // What is dropped does not leave.
    #expect(seen.map(\.packet.place) == [.nic(0), .underlay, .nic(1)])
    #expect(seen[0].bytes == host.wires.take(port: LiveHost.webPort).first?.bytes)
    #expect(seen[1].bytes == host.wires.take(port: 0).first?.bytes)
    #expect(seen[2].bytes == host.wires.take(port: LiveHost.dataPort).first?.bytes)
    host.expectLevel()
  }

  @Test func uplinkAlone() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let observer = Observer(host, .frameAfter, Self.filter { $0.isOfUnderlay = true })
    #expect(observer.begin())
    host.wires.put(
      [LiveHost.datagram(to: "10.0.1.11"), LiveHost.datagram(to: "10.0.1.20")],
      port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let seen = observer.take()
    #expect(seen.map(\.packet.place) == [.underlay])
    #expect(seen.first?.bytes.count == 92)
  }

  /// What the service thread composed for a guest leaves too.
  @Test func answersOfServicesAreSeenAsTheyLeave() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let observer = Observer(host, .frameAfter, Self.filter { $0.nic = 0 })
    #expect(observer.begin())
    host.wires.put([LiveHost.arp()], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    let punt = try #require(host.punts().first)
    let answer = LiveHost.arp(.router)
    #expect(host.answer(Answer(.reply, to: punt.punt), answer))
    LiveHost.poll(&worker)
    let seen = observer.take()
    #expect(seen.map(\.packet.verdict) == [.reply])
    #expect(seen.first?.bytes == answer && seen.first?.packet.place == .nic(0))
  }

  // MARK: Bounds

  @Test func whatDoesNotFitIsCountedAndGoesOn() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let observer = Observer(host, .steps, capacity: 4)
    #expect(observer.begin())
    host.wires.put(
      (0..<20).map { LiveHost.datagram(to: "10.0.1.20", from: UInt16(1_000 + $0)) },
      port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(observer.overrun == 16 && observer.take().count == 4)
    #expect(host.wires.take(port: 0).count == 20)
    host.expectLevel()
  }

  @Test func timeIsBounded() throws {
    var allowance = WorkAllowance()
    allowance.accrue(now: 1_000_000_000)
    func taken() -> Int {
      var count = 0
      while allowance.take(WorkAllowance.trace) { count += 1 }
      return count
    }
    #expect(taken() == 1_000)
    // One part in 20 of what has passed, a little at a time as well.
    allowance.accrue(now: 1_002_000_000)
    #expect(taken() == 100)
    for step in 1...2_000 { allowance.accrue(now: 1_002_000_000 + UInt64(step) * 1_000) }
    #expect(taken() == 100)
    for step in 1...2_000_000 { allowance.accrue(now: 1_004_000_000 + UInt64(step)) }
    #expect(taken() == 100)
    allowance.accrue(now: 9_000_000_000)
    #expect(taken() == 1_000)
    // Time that went back gives nothing.
    allowance.accrue(now: 8_000_000_000)
    #expect(taken() == 0)
  }

  @Test func workerLetsGo() throws {
    let host = try LiveHost()
    var worker = host.worker()
    let first = Observer(host, .steps)
    let second = Observer(host, .steps)
    #expect(first.begin() && !second.begin())
    LiveHost.poll(&worker, finds: false)
    first.end()
    #expect(host.shared.isObserved(worker: 0))
    LiveHost.poll(&worker, finds: false)
    #expect(!host.shared.isObserved(worker: 0))
    #expect(second.begin())
    host.wires.put([LiveHost.datagram(to: "10.0.1.20")], port: LiveHost.webPort)
    LiveHost.poll(&worker)
    #expect(first.take().isEmpty && second.take().count == 1)
    second.end()
    LiveHost.poll(&worker, finds: false)
  }
}

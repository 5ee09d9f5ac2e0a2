import Datapath
import SlowPath
import TestPackets
import Testing
import VPCModel
import Wire

/// What one guest may not do to another.
@Suite struct TenancyTests {
  @Test("T-08: foreign MAC addresses are spoof.mac, on known connections too")
  func foreignMAC() throws {
    try withLab { lab in
      let packet = Compose.ipv4(
        World.addressA, World.remote, protocol: 17, Compose.udp(4_000, 53))
      for round in 0..<2 {
        for bit in 0..<48 {
          let mac = MACAddress(World.macA.bits ^ 1 << UInt64(bit))
          let seen = lab.send(
            Shot(frame: Compose.ethernet(to: .router, from: mac, packet)))
          #expect(seen.brief == "drop spoof.mac", "\(round) \(bit)")
        }
        let own = lab.guest(packet)
        #expect(own.brief == (round == 0 ? "forward new" : "forward established"))
      }
      #expect(lab.worker.dropCount(World.a, .spoofMAC) == 96)
    }
  }

  @Test("T-08: addresses that are not the interface's are spoof.ip, mapped and link-local ones too")
  func foreignAddresses() throws {
    try withLab { lab in
      let sources = [
        "::ffff:10.0.1.10", "::10.0.1.10", "fe80::ff:fe00:a", "ff02::1", "::", "::1",
        World.addressB6, World.remote6, "fd00:10:0:1::1", "2001:db8::1",
      ]
      for source in sources {
        let seen = lab.guest(
          Compose.ipv6(source, World.remote6, next: 17, Compose.udp(4_000, 53)))
        #expect(seen.brief == "drop spoof.ip", "\(source)")
      }
      let second = lab.guest(
        Compose.ipv4("10.0.1.11", World.remote, protocol: 17, Compose.udp(4_000, 53)))
      #expect(second.brief == "forward new")
      #expect(lab.worker.dropCount(World.a, .spoofIP) == UInt64(sources.count))
    }
  }

  @Test("T-09: to itself, to its neighbour, to routes that lead back: one judgement each, no loop")
  func hairpin() throws {
    try withLab { lab in
      func udp(_ destination: String) -> Outcome {
        lab.guest(
          Compose.ipv4(World.addressA, destination, protocol: 17, Compose.udp(4_000, 53)))
      }
      let itself = udp(World.addressA)
      let other = udp("10.0.1.11")
      let router = udp("10.0.1.1")
      let selfRoute = udp("172.15.0.1")
      #expect(itself.brief == "drop spoof.ip" && other.brief == "drop route.none")
      #expect(router.brief == "drop mapping.none" && selfRoute.brief == "drop route.none")
      let near = udp(World.addressB)
      #expect(near.fate == "forward" && near.output == .nic(World.b))
      // A route to b, which takes only what is its own.
      let detour = udp("172.16.0.1")
      #expect(detour.brief == "drop eni.none")
      let hole = udp("192.168.1.1")
      #expect(hole.brief == "drop route.blackhole")
    }
  }

  @Test("T-09: two interfaces that route to each other get the packet once for each that they send")
  func routeLoop() throws {
    let model = World.model {
      $0.networkInterfaces[1].sourceDestCheck = false
      $0.securityGroups[1].ingress.append(World.rule("any", nil, [], ["10.0.0.0/8"]))
    }
    try withLab(model) { lab in
      let packet = Compose.ipv4(
        World.addressA, "172.16.0.1", protocol: 17, Compose.udp(4_000, 53))
      let out = lab.guest(packet)
      #expect(out.fate == "forward" && out.output == .nic(World.b))
      #expect(Array(out.frame.dropFirst(14)) == packet)
      // b sends it back: by b's route it would come to b itself.
      let back = lab.guest(packet, World.b)
      #expect(back.brief == "drop route.none")
    }
  }

  @Test("T-10: too large with DF is answered with the inner values, a hundred times a second")
  func tooBig() throws {
    try withLab { lab in
      var big = Compose.ipv4(
        World.addressA, World.remote, protocol: 17, Compose.udp(4_000, 53, Pieces.fill(1_460)))
      big[6] = 0x40
      big = Compose.withHeaderChecksum(big)
      var answers = 0
      for number in 0..<1_000 {
        let seen = lab.guest(big)
        #expect(seen.brief == "drop mtu.exceeded" && seen.mtu == 1_450, "\(number)")
        if seen.isAnsweredTooBig { answers += 1 }
        lab.pass(seconds: 0.001)
      }
      #expect(answers == 100)
      #expect(lab.worker.nicState(World.a).connections == 0)

      let frame = Compose.ethernet(to: .router, from: World.macA, big)
      var answer: [UInt8] = []
      let isAnswered = frame.withUnsafeBytes {
        TooBig.answer(
          to: $0, mtu: 1_450, routerV4: Compose.address("10.0.1.1"),
          routerV6: Compose.address("fe80::1"), into: &answer)
      }
      #expect(isAnswered && Array(answer[34..<36]) == [3, 4])
      #expect(Array(answer[40..<42]) == Compose.bytes(1_450, 2))
      #expect(Array(answer[42..<70]) == Array(big.prefix(28)))
    }
  }

  @Test("T-10: a forged path MTU passes only about a live connection of the interface")
  func forgedMTU() throws {
    try withLab { lab in
      let flow = Compose.ipv4(
        World.addressA, World.remote, protocol: 17, Compose.udp(4_000, 53))
      func error4(_ mtu: UInt64, _ quote: [UInt8]) -> Outcome {
        lab.wire(
          Compose.ipv4(
            World.remote, World.addressA, protocol: 1,
            Compose.icmp(3, 4, rest: [0, 0] + Compose.bytes(mtu, 2), Array(quote.prefix(28)))))
      }
      func error6(_ mtu: UInt64, _ quote: [UInt8]) -> Outcome {
        lab.wire(
          Compose.ipv6(
            World.remote6, World.addressA6, next: 58,
            Compose.icmp(2, rest: Compose.bytes(mtu, 4), Array(quote.prefix(48)))))
      }
      let six = Compose.ipv6(
        World.addressA6, World.remote6, next: 17, Compose.udp(4_000, 53))
      for mtu in [0, 68, 552, 1_279, 1_280, 65_535] as [UInt64] {
        let before4 = error4(mtu, flow)
        let before6 = error6(mtu, six)
        #expect(before4.brief == "drop sg.ingress" && before6.brief == "drop sg.ingress")
      }
      lab.guest(flow)
      lab.guest(six)
      let after4 = error4(68, flow)
      let after6 = error6(1_279, six)
      #expect(after4.brief == "forward related" && after6.brief == "forward related")
    }
  }

  @Test("T-11: services cost 1,024 packets a second of the guest that asks, and no other's")
  func linkLocal() throws {
    try withLab { lab in
      let frame = ServiceTests.arp()
      var replies = 0
      for _ in 0..<3_000 where lab.send(Shot(frame: frame)).verdict == .reply { replies += 1 }
      #expect(replies == 1_024)
      #expect(lab.worker.dropCount(World.a, .limitLinkLocal) == 3_000 - 1_024)
      #expect(lab.worker.nicState(World.a).counters.linkLocalExceeded == 3_000 - 1_024)
      lab.pass(seconds: 0.5)
      replies = 0
      for _ in 0..<1_000 where lab.send(Shot(frame: frame)).verdict == .reply { replies += 1 }
      #expect(replies == 512)
      // Where there is no service, nothing is spent and nothing answers.
      for address in ["169.254.169.254", "169.254.0.1"] {
        let seen = lab.guest(
          Compose.ipv4(
            World.addressA, address, protocol: 6, Compose.tcp(1, 80, flags: Compose.tcpSYN)))
        #expect(seen.brief == "drop route.none")
      }
      // The guest's traffic to others goes on.
      let other = lab.guest(
        Compose.ipv4(World.addressA, World.remote, protocol: 17, Compose.udp(1, 53)))
      #expect(other.fate == "forward")
    }
  }

  @Test("T-12: two VPCs with the same addresses share no connection, no error and no fragment")
  func sameAddresses() throws {
    let question = Compose.ipv4(
      World.addressA, World.remote, protocol: 17, Compose.udp(4_000, 5_353))
    let answer = Compose.ipv4(
      World.remote, World.addressA, protocol: 17, Compose.udp(5_353, 4_000))
    let error = Compose.ipv4(
      World.remote, World.addressA, protocol: 1,
      Compose.icmp(3, 1, rest: [0, 0, 0, 0], Array(question.prefix(28))))
    let first = Pieces.v4(1, offset: 0, more: true, Pieces.start(24))
    let last = Pieces.v4(1, offset: 24, more: false, Pieces.fill(8))
    for (mine, vni, host, other, otherVNI, otherHost) in [
      (World.a, World.blueVNI, World.blueHost, World.red, World.redVNI, World.redHost),
      (World.red, World.redVNI, World.redHost, World.a, World.blueVNI, World.blueHost),
    ] {
      try withLab { lab in
        lab.guest(question, mine)
        lab.guest(first, mine)
        let strange = lab.wire(answer, vni: otherVNI, from: otherHost)
        let strangeError = lab.wire(error, vni: otherVNI, from: otherHost)
        let strangeLast = lab.guest(last, other)
        #expect(strange.brief == "drop sg.ingress", "\(mine)")
        #expect(strangeError.brief == "drop sg.ingress", "\(mine)")
        #expect(strangeLast.brief == "drop fragment.orphan", "\(mine)")
        let own = lab.wire(answer, vni: vni, from: host)
        let ownError = lab.wire(error, vni: vni, from: host)
        let ownLast = lab.guest(last, mine)
        #expect(own.brief == "forward established" && ownError.brief == "forward related")
        #expect(ownLast.fate == "forward" && own.output == .nic(mine))
      }
    }
  }
}

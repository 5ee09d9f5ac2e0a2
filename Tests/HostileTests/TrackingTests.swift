import Datapath
import TestPackets
import Testing
import VPCModel
import Wire

/// Connections under attack.
@Suite struct TrackingTests {
  static func udp(_ port: UInt16, isOut: Bool = true, peer: UInt16 = 5_353) -> [UInt8] {
    isOut
      ? Compose.ipv4(World.addressA, World.remote, protocol: 17, Compose.udp(port, peer))
      : Compose.ipv4(World.remote, World.addressA, protocol: 17, Compose.udp(peer, port))
  }

  @Test("C-01: an allowance of connections refuses new ones, and half-open ones push none out")
  func allowance() throws {
    let model = World.model { $0.networkInterfaces[0].limits.connections = 100 }
    try withLab(model) { lab in
      var talk = Talk()
      talk.open(lab)
      var refused = 0
      for number in 0..<10_000 {
        let packet = Compose.ipv4(
          World.remote, World.addressA, protocol: 6,
          Compose.tcp(
            UInt16(number % 50_000 + 1_024), 443, sequence: UInt32(number),
            flags: Compose.tcpSYN))
        let seen = lab.wire(packet)
        if seen.brief == "drop limit.connections" { refused += 1 }
      }
      #expect(refused == 10_000 - 99)
      #expect(lab.worker.nicState(World.a).connections == 100)
      #expect(lab.worker.nicState(World.a).counters.connectionsExceeded == UInt64(refused))
      talk.expectAlive(lab)
      // Half-open ones are gone in 30 seconds; the connection is not.
      lab.pass(seconds: 31)
      talk.expectAlive(lab)
      let fresh = lab.guest(Self.udp(9_000))
      #expect(fresh.brief == "forward new")
    }
  }

  @Test("C-01: one interface cannot fill the table for others, nor for what is established")
  func fullTable() throws {
    try withLab(flows: 1_800) { lab in
      var talk = Talk()
      talk.open(lab)
      var refused = 0
      for number in 0..<5_000 {
        let seen = lab.guest(Self.udp(UInt16(10_000 + number)))
        if seen.brief == "drop limit.connections" { refused += 1 }
      }
      // Its reserve of 300 and the 900 that are nobody's.
      #expect(refused == 5_000 - 1_199 && lab.worker.nicState(World.a).connections == 1_200)
      talk.expectAlive(lab)
      let other = lab.guest(
        Compose.ipv4(World.addressB, World.remote, protocol: 17, Compose.udp(1, 5_353)), World.b)
      #expect(other.brief == "forward new")
    }
  }

  @Test("C-02: resets, ends and data outside of the window are ct.invalid and end nothing")
  func outsideWindow() throws {
    try withLab { lab in
      var talk = Talk()
      talk.open(lab)
      let rst = Compose.tcpRST
      let far: [UInt32] = [100_000, 1_000_000, 0x4000_0000, 0x7FFF_0000]
      for distance in far {
        for ack in [0, Compose.tcpACK] {
          let back = lab.wire(talk.back(rst | ack, sequence: talk.there &+ distance))
          let out = lab.guest(talk.out(rst | ack, sequence: talk.here &+ distance))
          let old = lab.wire(talk.back(rst | ack, sequence: talk.there &- distance))
          for seen in [back, out, old] {
            #expect(seen.brief == "drop ct.invalid", "\(distance) \(ack)")
          }
        }
        let fin = lab.wire(
          talk.back(Compose.tcpFIN | Compose.tcpACK, sequence: talk.there &+ distance))
        let data = lab.wire(
          talk.back(Compose.tcpACK, sequence: talk.there &+ distance, [1, 2, 3]))
        let unseen = lab.wire(
          talk.back(Compose.tcpACK, acknowledgement: talk.here &+ distance))
        for seen in [fin, data, unseen] { #expect(seen.brief == "drop ct.invalid") }
      }
      talk.expectAlive(lab)
    }
  }

  @Test("C-02: of all resets in the window only the exact one ends a connection (RFC 5961)")
  func exactReset() throws {
    try withLab { lab in
      var talk = Talk()
      talk.open(lab)
      for distance in [1, 2, 100, 1_000, 5_000] as [UInt32] {
        lab.wire(talk.back(Compose.tcpRST, sequence: talk.there &+ distance))
        talk.expectAlive(lab)
      }
      let exact = lab.wire(talk.back(Compose.tcpRST))
      #expect(exact.brief == "forward established")
      // It is closed: it ends 10 seconds later, whatever still comes.
      lab.pass(seconds: 11)
      let after = lab.wire(talk.back(Compose.tcpACK, [1]))
      #expect(after.brief == "forward new" || after.verdict == .drop)
      #expect(after.state != .established)
    }
  }

  @Test("C-02: a SYN on a live connection, and an old SYN+ACK, change nothing")
  func strayHandshake() throws {
    try withLab { lab in
      var talk = Talk()
      talk.open(lab)
      for distance in [0, 1, 50_000, 0x4000_0000] as [UInt32] {
        // Of the answering side it is invalid; of the other it passes unbelieved, and the receiver
        // answers with a challenge.
        let back = lab.wire(
          talk.back(Compose.tcpSYN, sequence: talk.there &+ distance, acknowledgement: 0))
        #expect(back.brief == "drop ct.invalid", "\(distance)")
        lab.guest(talk.out(Compose.tcpSYN, sequence: talk.here &+ distance, acknowledgement: 0))
        talk.expectAlive(lab)
        lab.wire(
          talk.back(
            Compose.tcpSYN | Compose.tcpACK, sequence: 1, acknowledgement: talk.here &- 9))
        talk.expectAlive(lab)
      }
      #expect(lab.worker.nicState(World.a).connections == 1)
    }
  }

  @Test("C-02: ports may be used again after both sides closed, and not before")
  func reuse() throws {
    try withLab { lab in
      var talk = Talk()
      talk.open(lab)
      let end = Compose.tcpFIN | Compose.tcpACK
      lab.guest(talk.out(end))
      talk.here &+= 1
      lab.wire(talk.back(end))
      talk.there &+= 1
      let last = lab.guest(talk.out(Compose.tcpACK))
      #expect(last.brief == "forward established")
      let connections = lab.worker.nicState(World.a).connections
      var next = Talk()
      next.here = 900_000
      next.there = 800_000
      next.open(lab)
      #expect(lab.worker.nicState(World.a).connections == connections)
    }
  }

  @Test("C-03: packets from the middle: judged by rules, or ct.invalid with midstream: drop")
  func midstream() throws {
    for policy in [Policy.Midstream.evaluate, .drop] {
      try withLab(World.model { $0.policy.midstream = policy }) { lab in
        for (number, flags) in [
          Compose.tcpACK, Compose.tcpACK | 8, Compose.tcpFIN | Compose.tcpACK, Compose.tcpRST,
          Compose.tcpRST | Compose.tcpACK, Compose.tcpSYN | Compose.tcpACK,
        ].enumerated() {
          var talk = Talk()
          talk.port = UInt16(5_000 + number)
          let seen = lab.guest(talk.out(flags, [1]))
          let picksUp = policy == .evaluate && number < 2
          #expect(seen.brief == (picksUp ? "forward new" : "drop ct.invalid"), "\(flags)")
        }
        // Picked up or not, rules decide: port 80 is closed from outside.
        let closed = lab.wire(
          Compose.ipv4(
            World.remote, World.addressA, protocol: 6,
            Compose.tcp(9, 80, flags: Compose.tcpACK, [1])))
        #expect(
          closed.brief == (policy == .evaluate ? "drop sg.ingress" : "drop ct.invalid"))
      }
    }
  }

  @Test("C-07: keep leaves a connection after its rule, cut ends it at the next packet")
  func ruleChange() throws {
    for cuts in [false, true] {
      let lab = try Lab(isWatching: false)
      var talk = Talk()
      talk.open(lab)
      lab.guest(Self.udp(4_000))
      let closed = World.model { $0.securityGroups[0].egress = [] }
      try lab.change(to: closed, cutsConnections: cuts)
      let out = lab.guest(talk.out(Compose.tcpACK, [1]))
      let back = lab.wire(Self.udp(4_000, isOut: false))
      #expect(out.brief == (cuts ? "drop sg.egress" : "forward established"))
      #expect(back.brief == (cuts ? "drop sg.ingress" : "forward established"))
      let fresh = lab.guest(Self.udp(4_001))
      #expect(fresh.brief == "drop sg.egress")
      #expect(lab.worker.nicState(World.a).connections == (cuts ? 0 : 2))
      try lab.finish()
    }
  }

  @Test("C-06: what an application says of ports opens none, and is not changed")
  func noGateways() throws {
    try withLab { lab in
      let commands = [
        "PORT 10,0,1,10,7,208\r\n", "227 Entering Passive Mode (10,0,1,10,7,208)\r\n",
        "EPRT |1|10.0.1.10|2000|\r\n", "PRIVMSG x :\u{1}DCC CHAT chat 167772426 2000\u{1}\r\n",
        "INVITE sip:a@10.0.1.10:2000 SIP/2.0\r\nContact: <sip:10.0.1.10:2000>\r\n",
        String(repeating: "PORT 1,", count: 200),
      ]
      for (number, command) in commands.enumerated() {
        let port = UInt16(4_000 + number)
        let packet = Compose.ipv4(
          World.addressA, World.remote, protocol: 6,
          Compose.tcp(port, 21, flags: Compose.tcpACK | 8, Array(command.utf8)))
        let seen = lab.guest(packet)
        #expect(seen.fate == "forward" && Array(seen.frame.dropFirst(64)) == packet)
        let data = lab.wire(
          Compose.ipv4(
            World.remote, World.addressA, protocol: 6,
            Compose.tcp(20, 2_000, flags: Compose.tcpSYN)))
        let call = lab.wire(
          Compose.ipv4(World.remote, World.addressA, protocol: 17, Compose.udp(5_060, 2_000)))
        #expect(data.brief == "drop sg.ingress" && call.brief == "drop sg.ingress")
      }
    }
  }

  @Test("C-10: echo answers without their request, or with another's identifier, are ct.invalid")
  func echoes() throws {
    try withLab { lab in
      func echo(_ type: UInt8, _ identifier: UInt16, isOut: Bool) -> Outcome {
        let message = Compose.icmp(type, rest: Compose.bytes(UInt64(identifier), 2) + [0, 1])
        return isOut
          ? lab.guest(Compose.ipv4(World.addressA, World.remote, protocol: 1, message))
          : lab.wire(Compose.ipv4(World.remote, World.addressA, protocol: 1, message))
      }
      for identifier in [0, 1, 7, 0xFFFF] as [UInt16] {
        let early = echo(0, identifier, isOut: false)
        let sent = echo(0, identifier, isOut: true)
        #expect(early.brief == "drop ct.invalid" && sent.brief == "drop ct.invalid")
        let request = echo(8, identifier, isOut: true)
        #expect(request.brief == "forward new")
        // Timestamps, masks, redirects and unknown types are no part of the echo.
        for type in [3, 5, 9, 13, 14, 17, 18, 42] as [UInt8] {
          let mixed = echo(type, identifier, isOut: false)
          #expect(mixed.brief == "drop sg.ingress", "\(type) \(identifier)")
        }
        let other = echo(0, identifier ^ 0x100, isOut: false)
        let turned = echo(8, identifier, isOut: false)
        let answer = echo(0, identifier, isOut: false)
        #expect(other.brief == "drop ct.invalid" && turned.brief == "drop sg.ingress")
        #expect(answer.brief == "forward established")
        // Used again it is the same connection.
        let again = echo(8, identifier, isOut: true)
        #expect(again.brief == "forward established")
      }
      // Every other type needs a rule of its own, and the guest has none for ICMP.
      for type in UInt8(0)...255 where type != 0 {
        let seen = echo(type, 9, isOut: false)
        #expect(seen.brief == "drop sg.ingress", "\(type)")
      }
    }
  }
}

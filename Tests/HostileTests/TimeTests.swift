import Datapath
import TestPackets
import Testing
import VPCModel
import Wire

/// When connections end.
@Suite struct TimeTests {
  /// A tick of the timers, in seconds, rounded up.
  static let tick = 0.0011

  static func other(_ number: UInt8, isOut: Bool = true) -> [UInt8] {
    let payload = [UInt8](repeating: 0, count: 24)
    return isOut
      ? Compose.ipv4(World.addressA, World.remote, protocol: number, payload)
      : Compose.ipv4(World.remote, World.addressA, protocol: number, payload)
  }

  /// Expects an answer to pass just before a timeout and not just after.
  static func expect(
    _ seconds: Double, _ name: String, model: VPCModel = World.model(),
    _ begin: (Lab) -> Void, _ answer: (Lab) -> Outcome
  ) throws {
    for isLate in [false, true] {
      let lab = try Lab(model, isWatching: false)
      begin(lab)
      lab.pass(seconds: seconds + (isLate ? 1 : -1) * tick)
      let seen = answer(lab)
      #expect((seen.state == .established) == !isLate, "\(name), late \(isLate): \(seen)")
      try lab.finish()
    }
  }

  @Test("C-11: UDP ends after 30 s, as a stream after 180 s, or as configured, to a tick")
  func udp() throws {
    for scale in [1, 3] as [UInt64] {
      let model = World.model {
        $0.networkInterfaces[0].connectionTracking.udp *= scale
        $0.networkInterfaces[0].connectionTracking.udpStream *= scale
      }
      try Self.expect(Double(30 * scale), "udp", model: model) {
        $0.guest(TrackingTests.udp(1))
      } _: {
        $0.wire(TrackingTests.udp(1, isOut: false))
      }
      try Self.expect(Double(180 * scale), "stream", model: model) { lab in
        for _ in 0..<2 {
          lab.guest(TrackingTests.udp(1))
          lab.wire(TrackingTests.udp(1, isOut: false))
        }
      } _: {
        $0.wire(TrackingTests.udp(1, isOut: false))
      }
    }
  }

  @Test("C-11: TCP ends after 30 s half-open, 432,000 s or as configured established, 60 s closing")
  func tcp() throws {
    try Self.expect(30, "half-open") {
      $0.guest(Talk().out(Compose.tcpSYN))
    } _: {
      $0.wire(Talk().back(Compose.tcpSYN | Compose.tcpACK, acknowledgement: 1_001))
    }
    for configured in [60, 432_000] as [UInt64] {
      let model = World.model {
        $0.networkInterfaces[0].connectionTracking.tcpEstablished = configured * 1_000_000_000
        $0.policy.midstream = .drop
      }
      var talk = Talk()
      try Self.expect(Double(configured), "established", model: model) {
        talk = Talk()
        talk.open($0)
      } _: {
        $0.wire(talk.back(Compose.tcpACK, [1]))
      }
      try Self.expect(60, "closing", model: model) {
        talk = Talk()
        talk.open($0)
        $0.guest(talk.out(Compose.tcpFIN | Compose.tcpACK))
        talk.here &+= 1
      } _: {
        $0.wire(talk.back(Compose.tcpACK))
      }
    }
  }

  @Test("C-11: echoes end after 30 s, other protocols after 600 s, to a tick")
  func others() throws {
    let echo = Compose.icmp(8)
    let reply = Compose.icmp(0)
    try Self.expect(30, "echo") {
      $0.guest(Compose.ipv4(World.addressA, World.remote, protocol: 1, echo))
    } _: {
      $0.wire(Compose.ipv4(World.remote, World.addressA, protocol: 1, reply))
    }
    for number in [47, 50, 33, 4] as [UInt8] {
      try Self.expect(600, "protocol \(number)") {
        $0.guest(Self.other(number))
      } _: {
        $0.wire(Self.other(number, isOut: false))
      }
    }
  }

  @Test("C-12: every protocol without ports is tracked by addresses and number; DCCP and GRE too")
  func protocols() throws {
    try withLab { lab in
      for number in UInt8(0)...255 where ![1, 6, 17, 132].contains(number) {
        let uninvited = lab.wire(Self.other(number, isOut: false))
        let sent = lab.guest(Self.other(number))
        let answer = lab.wire(Self.other(number, isOut: false))
        #expect(uninvited.brief == "drop sg.ingress", "\(number)")
        #expect(sent.brief == "forward new" && answer.brief == "forward established", "\(number)")
      }
    }
  }

  @Test("C-12: SCTP chunks that collide, in any order, are one connection by addresses")
  func sctp() throws {
    try withLab { lab in
      func chunk(_ type: UInt8, isOut: Bool, tag: UInt32) -> Outcome {
        var message: [UInt8] = isOut ? [0x10, 0, 0, 99] : [0, 99, 0x10, 0]
        message += Compose.bytes(UInt64(tag), 4)
        message += [0, 0, 0, 0, type, 0, 0, 20]
        message += [UInt8](repeating: 0, count: 16)
        return isOut
          ? lab.guest(Compose.ipv4(World.addressA, World.remote, protocol: 132, message))
          : lab.wire(Compose.ipv4(World.remote, World.addressA, protocol: 132, message))
      }
      let refused = chunk(1, isOut: false, tag: 0)
      #expect(refused.brief == "drop sg.ingress")
      let begun = chunk(1, isOut: true, tag: 0)
      #expect(begun.brief == "forward new")
      for type in UInt8(0)...255 {
        for tag in [0, 1, 0xFFFF_FFFF] as [UInt32] {
          let back = chunk(type, isOut: false, tag: tag)
          let out = chunk(type, isOut: true, tag: tag)
          #expect(back.brief == "forward established" && out.brief == "forward established")
        }
      }
      #expect(lab.worker.nicState(World.a).connections == 1)
    }
  }

  @Test("C-09: jumps of the clock, past 2^32 milliseconds too, end what is due and nothing else")
  func jumps() throws {
    let model = World.model { $0.networkInterfaces[0].connectionTracking.udp = 1 << 62 }
    let lab = try Lab(model, isWatching: false)
    lab.guest(TrackingTests.udp(1))
    lab.guest(Self.other(47))
    // 2^32 ms are 49.7 days; forty of those are less than the timeout of the first.
    for round in 0..<40 {
      lab.pass(seconds: 4_294_967.296 + Double(round))
      let kept = lab.wire(TrackingTests.udp(1, isOut: false))
      let ended = lab.wire(Self.other(47, isOut: false))
      #expect(kept.state == .established && ended.brief == "drop sg.ingress", "\(round)")
    }
    #expect(lab.worker.nicState(World.a).connections == 1)
    // A clock that goes back, which ports promise not to have, ends nothing and stops nothing.
    lab.now -= 1_000_000_000_000
    let back = lab.wire(TrackingTests.udp(1, isOut: false))
    lab.now += 2_000_000_000_000
    let again = lab.wire(TrackingTests.udp(1, isOut: false))
    #expect(back.state == .established && again.state == .established)
    try lab.finish()
  }

  @Test("C-09: thousands of connections with all kinds of timeouts end in time while others begin")
  func churn() throws {
    let lab = try Lab(isWatching: false)
    for round in 0..<40 {
      for number in 0..<50 {
        lab.guest(TrackingTests.udp(UInt16(1_000 + round * 50 + number)))
        lab.pass(seconds: 0.02)
      }
      // One connection a fiftieth of a second lives 30 seconds.
      let alive = min(1_500, (round + 1) * 50)
      let counted = Int(lab.worker.nicState(World.a).connections)
      #expect(abs(counted - alive) <= 1, "\(round)")
    }
    try lab.finish()
  }
}

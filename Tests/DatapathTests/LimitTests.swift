import Datapath
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

@Suite struct LimitTests {
  static func model(_ change: (inout Limits) -> Void) -> VPCModel {
    var model = Engine.model()
    change(&model.networkInterfaces[0].limits)
    return model
  }

  static func datagram(_ port: UInt16, _ payload: Int = 10) -> [UInt8] {
    Compose.ipv4(
      "10.0.1.10", "198.51.100.7", protocol: 17,
      Compose.udp(port, 53, [UInt8](repeating: 1, count: payload)))
  }

  static let new = Answer.forward(.new, "udp-out")
  static let established = Answer.forward(.established, "udp-out")

  @Test func `packets a second, refilled to the nanosecond`() throws {
    var engine = try Engine(Self.model { $0.packetsPerSecond = 10 })
    for number in 0..<10 {
      let answer = engine.judge(Self.datagram(1))
      #expect(answer == (number == 0 ? Self.new : Self.established))
    }
    engine.now += 99_999_999
    let early = engine.judge(Self.datagram(1))
    engine.now += 1
    let late = engine.judge(Self.datagram(1))
    #expect(early == .drop(.limitPackets) && late == Self.established)
    let exceeded = engine.worker.nicState(0).counters.packetsExceeded
    #expect(exceeded == 1)
  }

  @Test func `a refused packet pays nothing and leaves no connection`() throws {
    // 1,000 bytes of credit, 8,000 bits a second; frames of 952 and of 52 bytes.
    var engine = try Engine(
      Self.model {
        $0.bandwidthOut = 8_000
        $0.burst = 1_000
        $0.packetsPerSecond = 3
        $0.connectionsPerSecond = 2
      })
    let large = engine.judge(Self.datagram(1, 910))
    #expect(large == Self.new)
    for _ in 0..<10 {
      let refused = engine.judge(Self.datagram(2, 910))
      #expect(refused == .drop(.limitBandwidth))
    }
    let count = engine.worker.flows.count
    #expect(count == 1)
    // Neither the packet nor the connection allowance was touched by the ten refused ones, and the
    // 48 bytes that are left are still there: 43 of header and payload come in less.
    engine.now += 4_000_000
    let small = engine.judge(Self.datagram(2, 10))
    #expect(small == Self.new)
    let third = engine.judge(Self.datagram(3, 10))
    #expect(third == .drop(.limitConnectionRate))
  }

  @Test func `connections are limited, end by time, and others notice nothing`() throws {
    var engine = try Engine(Self.model { $0.connections = 2 })
    let first = [1, 2, 3].map { engine.judge(Self.datagram($0)) }
    #expect(first == [Self.new, Self.new, .drop(.limitConnections)])
    let known = engine.judge(Self.datagram(1))
    #expect(known == Self.established)
    let available = engine.worker.connectionsAvailable(0, engine.compiled.tables)
    #expect(available == 0)
    let other = Compose.ipv4(
      "10.0.1.11", "198.51.100.7", protocol: 17, Compose.udp(9, 53))
    let neighbour = engine.judge(
      frame: Compose.ethernet(to: .router, from: Engine.data, other), nic: 1)
    #expect(neighbour == Self.new)
    // UDP lasts 30 seconds; to the nanosecond.
    engine.now += 30 * Engine.second - 1
    let early = engine.judge(Self.datagram(3))
    engine.now += 1
    let late = engine.judge(Self.datagram(3))
    #expect(early == .drop(.limitConnections) && late == Self.new)
  }

  @Test func `half of the table is shared, half reserved`() throws {
    // 40 connections: 10 for each of the two interfaces, 20 for who comes first.
    var engine = try Engine(Engine.model(), flowCapacity: 40)
    var admitted = 0
    for port in 1...60 as ClosedRange<UInt16> {
      let answer = engine.judge(Self.datagram(port))
      if answer == Self.new { admitted += 1 } else { #expect(answer == .drop(.limitConnections)) }
    }
    #expect(admitted == 30)
    var others = 0
    for port in 1...20 as ClosedRange<UInt16> {
      let packet = Compose.ipv4(
        "10.0.1.11", "198.51.100.7", protocol: 17, Compose.udp(port, 53))
      let answer = engine.judge(
        frame: Compose.ethernet(to: .router, from: Engine.data, packet), nic: 1)
      if answer == Self.new { others += 1 }
    }
    #expect(others == 10)
    // When they end, there is room again.
    engine.pass(seconds: 31)
    let again = engine.judge(Self.datagram(100))
    #expect(again == Self.new)
    let count = engine.worker.flows.count
    #expect(count == 1)
  }

  @Test func `services are charged one by one`() throws {
    var engine = try Engine(Self.model { $0.linkLocalPacketsPerSecond = 2 })
    var answers: [Bool] = []
    for _ in 0..<3 {
      answers.append(
        engine.worker.chargeLinkLocal(nic: 0, time: engine.now, engine.compiled.tables))
    }
    #expect(answers == [true, true, false])
    let exceeded = engine.worker.nicState(0).counters.linkLocalExceeded
    #expect(exceeded == 1)
  }

  @Test("X-05: a burst at the start and after a jump of the clock gets what the bucket holds")
  func bursts() throws {
    var engine = try Engine(Self.model { $0.packetsPerSecond = 100 })
    func burst() -> Int {
      (0..<500).count { _ in engine.judge(Self.datagram(1)).verdict == .forward }
    }
    let first = burst()
    engine.pass(seconds: 36_000)
    let afterJump = burst()
    engine.pass(seconds: 0.25)
    let quarter = burst()
    #expect([first, afterJump, quarter] == [100, 100, 25])
  }

  @Test("X-05: large frames are charged by their bytes, tiny ones by their number")
  func sizes() throws {
    var engine = try Engine(
      Self.model {
        $0.bandwidthOut = 8_000_000
        $0.burst = 100_000
        $0.packetsPerSecond = 20
      })
    let large = (0..<3).map { _ in engine.judge(Self.datagram(1, 49_000)) }
    #expect(large == [Self.new, Self.established, .drop(.limitBandwidth)])
    let tiny = (0..<30).count { _ in engine.judge(Self.datagram(1, 0)).verdict == .forward }
    #expect(tiny == 18)
  }

  static func tcp(
    _ port: UInt16, _ sequence: UInt32, _ flags: UInt8, acknowledges: UInt32 = 0,
    isAnswer: Bool = false
  ) -> [UInt8] {
    let (near, far) = ("10.0.1.10", "198.51.100.7")
    let segment = Compose.tcp(
      isAnswer ? 443 : port, isAnswer ? port : 443, sequence: sequence,
      acknowledgement: acknowledges, flags: flags)
    return Compose.ipv4(
      isAnswer ? far : near, isAnswer ? near : far, protocol: 6, segment)
  }

  /// One that is begun, and one that was established and reset.
  static let twoConnections: [(packet: [UInt8], origin: Origin)] = {
    let (syn, ack, rst): (UInt8, UInt8, UInt8) = (2, 16, 4)
    return [
      (tcp(2, 100, syn), .guest), (tcp(1, 100, syn), .guest),
      (tcp(1, 900, syn | ack, acknowledges: 101, isAnswer: true), .captured),
      (tcp(1, 101, ack, acknowledges: 901), .guest),
      (tcp(1, 101, rst | ack, acknowledges: 901), .guest),
    ]
  }()

  /// A connection that was reset and begins anew takes its own place, but not when the allowance
  /// was lowered meanwhile and is used up without it.
  @Test(arguments: [1, 2])
  func `a connection that begins anew counts once`(allowance: UInt64) throws {
    var engine = try Engine(Self.model { $0.connections = 2 })
    for (packet, origin) in Self.twoConnections {
      let answer = engine.judge(packet, origin)
      #expect(answer.verdict == .forward)
    }
    try engine.change(to: Self.model { $0.connections = allowance })
    let again = engine.judge(Self.tcp(1, 100_000, 2))
    let expected = Answer.forward(.new, "tcp-out")
    #expect(again == (allowance == 2 ? expected : .drop(.limitConnections)))
    #expect(engine.worker.nicState(0).connections == 2)
  }
}

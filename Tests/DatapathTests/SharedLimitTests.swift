import Datapath
import TableCompiler
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

/// Limits of NICs whose packets two workers judge: a refused packet pays nothing here either.
@Suite struct SharedLimitTests {
  private typealias Crew = OwnershipTests.Crew

  private static func crew(_ change: (inout Limits) -> Void) throws -> Crew {
    try Crew(LimitTests.model(change))
  }

  @Test func `a packet that is too many bytes gives back packet and connection`() throws {
    var crew = try Self.crew {
      $0.bandwidthOut = 8_000
      $0.burst = 1_000
      $0.packetsPerSecond = 2
      $0.connections = 5
      $0.connectionsPerSecond = 2
    }
    for _ in 0..<10 {
      let refused = crew.judge(LimitTests.datagram(1, 1_200), at: 0)
      #expect(refused.reason == .limitBandwidth)
    }
    #expect(crew.shared.connections(0) == 0)
    // Had one of the ten paid, the second of these would be one packet or connection too many.
    let first = crew.judge(LimitTests.datagram(2), at: 0)
    let second = crew.judge(LimitTests.datagram(3), at: 0)
    #expect(first.verdict == .forward && second.verdict == .forward)
    #expect(crew.shared.connections(0) == 2)
    var exceeded: UInt64 = 0
    for worker in 0..<2 {
      exceeded += crew.workers[worker].nicState(0).counters.bandwidthOutExceeded
    }
    #expect(exceeded == 10)
  }

  @Test func `connections a second are counted over all workers`() throws {
    var crew = try Self.crew {
      $0.connectionsPerSecond = 5
      $0.connections = 100
    }
    var reasons: [DropReason: Int] = [:]
    for port in UInt16(1)...20 {
      reasons[crew.judge(LimitTests.datagram(port), at: 0).reason, default: 0] += 1
    }
    #expect(reasons == [.none: 5, .limitConnectionRate: 15])
    // The refused ones hold no place.
    #expect(crew.shared.connections(0) == 5)
  }

  /// As `LimitTests` has it for one worker.
  @Test(arguments: [1, 2])
  func `a connection that begins anew counts once`(allowance: UInt64) throws {
    var crew = try Self.crew { $0.connections = 2 }
    for (packet, origin) in LimitTests.twoConnections {
      let answer = crew.judge(packet, at: 0, origin)
      #expect(answer.verdict == .forward)
    }
    crew.follow(
      try TableCompiler.compile(
        LimitTests.model { $0.connections = allowance },
        CompileRequest(generation: 2, previous: crew.compiled)))
    let again = crew.judge(LimitTests.tcp(1, 100_000, 2), at: 0)
    #expect(again.reason == (allowance == 2 ? .none : .limitConnections))
    #expect(crew.shared.connections(0) == 2)
  }

  @Test func `tokens that a worker took in advance come back after their time`() throws {
    // A worker takes 10,000 / 256 = 39 packets ahead.
    var crew = try Self.crew { $0.packetsPerSecond = 10_000 }
    var ports = [0, 0]
    for port in UInt16(1)...40 { ports[crew.judge(LimitTests.datagram(port), at: 0).owner] += 1 }
    #expect(ports[0] > 5 && ports[1] > 5)
    crew.now += 2_000_000
    for port in UInt16(1)...40 { _ = crew.judge(LimitTests.datagram(port), at: 0) }
    // Whatever both still hold, no token is lost: after the bucket's second all is there again.
    crew.now += 2_000_000_000
    var passed = 0
    for round in 0..<12_000 {
      let verdict = crew.judge(LimitTests.datagram(UInt16(1 + round % 40)), at: 0).verdict
      if verdict == .forward { passed += 1 }
    }
    // One worker's last tokens may be out of the other's reach, and leases at their end are given
    // back on top of a full bucket, which holds no more.
    #expect(passed > 10_000 - 100 && passed <= 10_000 + 2 * 64)
  }

  @Test func `services have one link-local allowance at all workers`() throws {
    let crew = try Self.crew { $0.linkLocalPacketsPerSecond = 6 }
    var admitted = 0
    for number in 0..<10
    where crew.workers[number % 2].chargeLinkLocal(
      nic: 0, time: crew.now, crew.compiled.tables)
    {
      admitted += 1
    }
    #expect(admitted == 6)
    var exceeded: UInt64 = 0
    for worker in 0..<2 {
      exceeded += crew.workers[worker].nicState(0).counters.linkLocalExceeded
    }
    #expect(exceeded == 4)
    // Who gets the number of a NIC that went begins with full allowances.
    crew.shared.fill(0)
    let again = crew.workers[0].chargeLinkLocal(nic: 0, time: crew.now, crew.compiled.tables)
    #expect(again)
  }
}

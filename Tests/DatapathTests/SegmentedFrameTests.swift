import Datapath
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

/// TCP frames that their sender left to be segmented: judged once, and paid for as what they become.
@Suite struct SegmentedFrameTests {
  /// Ethernet, IPv4 and TCP without options.
  private static let headers: UInt64 = 54

  private static func engine(
    _ conversation: inout Conversation, _ change: (inout VPCModel) -> Void
  ) throws -> Engine {
    var model = Engine.model()
    change(&model)
    var engine = try Engine(model)
    let opening = conversation.open(&engine)
    #expect(opening.map(\.verdict) == [.forward, .forward, .forward])
    return engine
  }

  private static func answer(
    _ engine: inout Engine, _ conversation: Conversation, payload: Int, segments size: UInt16,
    dontFragment: Bool = true
  ) -> Answer {
    var packet = conversation.fromServer(Compose.tcpACK, payload)
    if dontFragment {
      packet[6] = 0x40
      packet = Compose.withHeaderChecksum(packet)
    }
    return engine.judge(
      frame: Compose.ethernet(to: .router, from: Engine.web, packet), segmentSize: size)
  }

  @Test func `each segment is a packet to the allowance`() throws {
    // Three packets are the handshake, in both directions.
    var conversation = Conversation()
    var engine = try Self.engine(&conversation) {
      $0.networkInterfaces[0].limits.packetsPerSecond = 10
    }
    // 4,001 bytes in segments of 1,000: five, the last with one byte.
    let first = Self.answer(&engine, conversation, payload: 4_001, segments: 1_000)
    let second = Self.answer(&engine, conversation, payload: 4_001, segments: 1_000)
    let third = Self.answer(&engine, conversation, payload: 2_000, segments: 1_000)
    let fourth = Self.answer(&engine, conversation, payload: 10, segments: 1_000)
    #expect(first.verdict == .forward)
    #expect(second == .drop(.limitPackets))
    #expect(third.verdict == .forward)
    #expect(fourth == .drop(.limitPackets))
  }

  @Test(arguments: [0, 1]) func `each segment's headers are paid for`(missing: UInt64) throws {
    // Of egress so far: the SYN with ACK.
    let cost = 4_001 + 5 * Self.headers
    var conversation = Conversation()
    var engine = try Self.engine(&conversation) {
      $0.networkInterfaces[0].limits.bandwidthOut = 8_000
      $0.networkInterfaces[0].limits.burst = Self.headers + cost - missing
    }
    let answer = Self.answer(&engine, conversation, payload: 4_001, segments: 1_000)
    #expect(answer.reason == (missing == 0 ? .none : .limitBandwidth))
  }

  @Test func `a segment's size counts, not the frame's`() throws {
    var conversation = Conversation()
    var engine = try Self.engine(&conversation) {
      var host = Host(
        address: Compose.address("192.0.2.1"), mac: MACAddress(0x02_AA_00_00_00_01),
        gatewayMAC: MACAddress(0x02_AA_00_00_00_FE))
      host.mtu = 1_500
      $0.host = host
    }
    // The underlay leaves 1,450 bytes: 1,410 of payload behind IPv4 and TCP.
    let fits = Self.answer(&engine, conversation, payload: 9_000, segments: 1_410)
    let tooLarge = Self.answer(&engine, conversation, payload: 9_000, segments: 1_411)
    let whole = Self.answer(&engine, conversation, payload: 9_000, segments: 0)
    #expect(fits.verdict == .forward)
    #expect(tooLarge == .drop(.mtuExceeded))
    #expect(whole == .drop(.mtuExceeded))
  }

  @Test func `only whole TCP has segments`() throws {
    var engine = try Engine(LimitTests.model { $0.packetsPerSecond = 2 })
    let datagram = Compose.ethernet(
      to: .router, from: Engine.web, LimitTests.datagram(1, 3_000))
    let first = engine.judge(frame: datagram, segmentSize: 1_000)
    let second = engine.judge(frame: datagram, segmentSize: 1_000)
    let third = engine.judge(frame: datagram, segmentSize: 1_000)
    #expect([first, second].map(\.verdict) == [.forward, .forward])
    #expect(third == .drop(.limitPackets))
  }
}

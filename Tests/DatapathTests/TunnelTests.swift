import Datapath
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

/// Tunnel packets that are cut, that come to another worker than their connection's, and services
/// in pieces.
@Suite struct TunnelTests {
  static func model() -> VPCModel {
    var model = Engine.model()
    model.host = Host(
      address: Compose.address("192.0.2.1"), mac: MACAddress(0x02_AA_00_00_00_01),
      gatewayMAC: MACAddress(0x02_AA_00_00_00_FE))
    return model
  }

  /// What the internet gateway sends of an answer to eni-web, at its public address 202.0.1.10.
  static func fromGateway(_ segment: [UInt8], options: [UInt8] = []) -> [UInt8] {
    let packet = Compose.ipv4("198.51.100.7", "202.0.1.10", protocol: 17, segment)
    let inner = Compose.ethernet(to: Engine.web, from: .router, packet)
    let geneve: [UInt8] = [UInt8(options.count / 4), 0, 0x65, 0x58, 0, 0, 9, 0]
    return Compose.ipv4(
      "192.0.2.254", "192.0.2.1", protocol: 17,
      Compose.udp(50_000, 6081, geneve + options + inner))
  }

  @Test func `a tunnel packet is handed over as it came`() throws {
    var crew = try OwnershipTests.Crew(Self.model())
    var hops = 0
    for port in UInt16(2_000)..<2_050 {
      let there = crew.judge(OwnershipTests.udp(port), at: 0)
      for worker in 0..<2 {
        let back = crew.judge(
          Self.fromGateway(Compose.udp(53, port), options: [1, 2, 3, 1, 0, 0, 0, 0]), at: worker,
          .underlay)
        #expect(back.verdict == .forward && back.owner == there.owner)
        hops += back.hops
      }
    }
    // Of the two places where each came in, one was not its owner's.
    #expect(hops == 50)
  }

  @Test func `a tunnel packet that was cut is truncated, wherever that is`() throws {
    var engine = try Engine(Self.model())
    let question = engine.judge(
      Compose.ipv4("10.0.1.10", "198.51.100.7", protocol: 17, Compose.udp(40, 53)))
    #expect(question.verdict == .forward)
    let frame = Compose.ethernet(
      to: MACAddress(0x02_AA_00_00_00_01), from: MACAddress(0x02_AA_00_00_00_FE),
      Self.fromGateway(Compose.udp(53, 40), options: [1, 2, 3, 1, 0, 0, 0, 0]))
    // Ethernet, IPv4 and UDP are 42 bytes, Geneve 8 and its options 8, the inner headers 42.
    for length in 42..<58 + 42 {
      let answer = engine.judge(frame: frame, nic: .none, .underlay, captured: length)
      #expect(answer == .drop(.parseTruncated), "\(length)")
    }
    // All headers are there: a payload that the capture cut drops nothing.
    let whole = engine.judge(frame: frame, nic: .none, .underlay, captured: 58 + 42)
    #expect(whole.verdict == .forward && whole.state == .established)
  }

  @Test func `an inner frame ends where the outer datagram does`() throws {
    var engine = try Engine(Self.model())
    _ = engine.judge(
      Compose.ipv4("10.0.1.10", "198.51.100.7", protocol: 17, Compose.udp(40, 53)))
    var packet = Self.fromGateway(Compose.udp(53, 40))
    let whole = packet.count - 20
    // UDP and Geneve are 16 bytes, the inner Ethernet header 14: then 19 of 20 bytes of IPv4.
    for (length, reason) in [(whole - 1, DropReason.parseLength), (16 + 14 + 19, .parseTruncated)] {
      packet.replaceSubrange(24..<26, with: [UInt8(length >> 8), UInt8(length & 255)])
      let frame = Compose.ethernet(
        to: MACAddress(0x02_AA_00_00_00_01), from: MACAddress(0x02_AA_00_00_00_FE), packet)
      #expect(engine.judge(frame: frame, nic: .none, .underlay) == .drop(reason))
    }
  }

  @Test func `neighbour discovery and DHCP in pieces are no service's`() throws {
    var model = Engine.model()
    model.vpcs[0].cidrs.append(Compose.prefix("fd00:10::/56"))
    model.subnets[0].cidrs.append(Compose.prefix("fd00:10::/64"))
    model.networkInterfaces[0].addresses.append(Compose.address("fd00:10::a"))
    var engine = try Engine(model)
    let solicitation: [UInt8] =
      [135, 0, 0, 0, 0, 0, 0, 0] + Compose.bytes(Compose.address("fd00:10::1"))
    let neighbor = Compose.ipv6(
      "fd00:10::a", "ff02::1:ff00:1", next: 44,
      Compose.fragmentHeader(next: 58, offset: 0, more: true, identifier: 7) + solicitation)
    let first = engine.judge(
      frame: Compose.ethernet(to: MACAddress(0x33_33_FF_00_00_01), from: Engine.web, neighbor))
    #expect(first == .drop(.serviceND))
    let discover = Compose.ipv4(
      "0.0.0.0", "255.255.255.255", protocol: 17,
      Compose.udp(68, 67, [UInt8](repeating: 1, count: 240)), fragment: 0x2000)
    let second = engine.judge(
      frame: Compose.ethernet(to: MACAddress(0xFFFF_FFFF_FFFF), from: Engine.web, discover))
    #expect(second == .drop(.serviceDHCP))
  }
}

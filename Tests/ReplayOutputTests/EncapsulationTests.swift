import TestPackets
import Testing
import VPCModel
import Wire

@Suite struct EncapsulationTests {
  /// Packets of all kinds between two addresses of a family, with right checksums.
  static func packets(_ v4: (String, String), _ v6: (String, String)) -> [[UInt8]] {
    let segment = Compose.tcp(
      1000, 443, flags: Compose.tcpSYN, options: [2, 4, 5, 0xB4], [1, 2, 3, 4, 5])
    let datagram = Compose.udp(5000, 53, [UInt8](0..<33))
    let big = Compose.udp(5000, 53, (0..<1_300).map { UInt8(truncatingIfNeeded: $0 &* 7) })
    return [
      Compose.ipv4(v4.0, v4.1, protocol: 6, segment),
      Compose.ipv4(v4.0, v4.1, protocol: 17, datagram),
      Compose.ipv4(v4.0, v4.1, protocol: 17, big),
      Compose.ipv4(v4.0, v4.1, protocol: 17, Compose.udp(1, 2, []), options: [148, 4, 0, 0]),
      Compose.ipv4(v4.0, v4.1, protocol: 1, Compose.icmp(8)),
      Compose.ipv4(v4.0, v4.1, protocol: 47, [1, 2, 3]),
      Compose.ipv6(v6.0, v6.1, next: 6, segment), Compose.ipv6(v6.0, v6.1, next: 17, datagram),
      Compose.ipv6(v6.0, v6.1, next: 17, big),
      Compose.ipv6(v6.0, v6.1, next: 58, Compose.icmp(128)),
    ].map(Compose.withTransportChecksum)
  }

  static let toRemote = packets(
    ("10.0.1.10", "10.0.1.20"), ("fd00:10:0:1::a", "fd00:10:0:1::14"))
  static let fromRemote = packets(
    ("10.0.1.20", "10.0.1.10"), ("fd00:10:0:1::14", "fd00:10:0:1::a"))

  @Test(arguments: TwoHosts.underlays) func `outer headers are right and inner frames as sent`(
    _ underlay: TwoHosts.Underlay
  ) throws {
    // Behind some is padding, which never leaves.
    let frames = Self.toRemote.enumerated().map { index, packet in
      Compose.ethernet(to: TwoHosts.remote, from: TwoHosts.web, packet)
        + [UInt8](repeating: 0xEE, count: index % 3 * 6)
    }
    let sent = try Run.frames(frames, TwoHosts.model(host: 1, underlay))
    #expect(sent.count == frames.count)
    for (sent, packet) in zip(sent, Self.toRemote) {
      #expect(sent.place == "underlay")
      let outer = Outer(sent.bytes)
      #expect(outer.faults == [])
      #expect(outer.family == underlay.family)
      #expect(outer.source == Compose.bytes(underlay.address(1)))
      #expect(outer.destination == Compose.bytes(underlay.address(2)))
      #expect(outer.destinationPort == (underlay.encapsulation == .geneve ? 6081 : 4789))
      #expect((49152...65535).contains(outer.sourcePort))
      #expect(outer.vni == TwoHosts.vni)
      #expect(sent.source == MACAddress(0x02_AA_00_00_00_01))
      #expect(sent.destination == MACAddress(0x02_AA_00_00_00_FE))
      #expect(outer.inner == Compose.ethernet(to: TwoHosts.remote, from: TwoHosts.web, packet))
    }
  }

  @Test func `what was sent to the router goes to the receiver's address`() throws {
    let frames = Self.toRemote.map { Compose.ethernet(to: .router, from: TwoHosts.web, $0) }
    let sent = try Run.frames(frames, TwoHosts.model(host: 1))
    #expect(sent.count == frames.count)
    for (sent, packet) in zip(sent, Self.toRemote) {
      #expect(
        Outer(sent.bytes).inner
          == Compose.ethernet(to: TwoHosts.remote, from: TwoHosts.web, packet))
    }
  }

  @Test(arguments: TwoHosts.underlays) func `both directions have one source port`(
    _ underlay: TwoHosts.Underlay
  ) throws {
    func ports(_ packet: [UInt8], host: Int) throws -> [Int] {
      let frame = Compose.ethernet(
        to: .router, from: host == 1 ? TwoHosts.web : TwoHosts.remote, packet)
      return try Run.frames([frame], TwoHosts.model(host: host, underlay)).map {
        Outer($0.bytes).sourcePort
      }
    }
    var distinct: Set<Int> = []
    for port in 1000..<1040 as Range<UInt16> {
      let there = try ports(
        Compose.ipv4("10.0.1.10", "10.0.1.20", protocol: 17, Compose.udp(port, 53)), host: 1)
      let back = try ports(
        Compose.ipv4("10.0.1.20", "10.0.1.10", protocol: 17, Compose.udp(53, port)), host: 2)
      #expect(there == back && there.count == 1)
      distinct.formUnion(there)
    }
    // Forty flows of one pair of hosts spread over many ports.
    #expect(distinct.count > 30)
    let there = try ports(
      Compose.ipv6(
        "fd00:10:0:1::a", "fd00:10:0:1::14", next: 6,
        Compose.tcp(1000, 443, flags: Compose.tcpSYN)), host: 1)
    let back = try ports(
      Compose.ipv6(
        "fd00:10:0:1::14", "fd00:10:0:1::a", next: 6,
        Compose.tcp(443, 1000, flags: Compose.tcpSYN)), host: 2)
    #expect(there == back && there.count == 1)
  }

  @Test(arguments: TwoHosts.underlays) func `what one host sends the other delivers`(
    _ underlay: TwoHosts.Underlay
  ) throws {
    let frames = Self.toRemote.map { Compose.ethernet(to: .router, from: TwoHosts.web, $0) }
    let onWire = try Run.frames(frames, TwoHosts.model(host: 1, underlay))
    let delivered = try Run.frames(
      onWire.filter { $0.place == "underlay" }.map(\.bytes), TwoHosts.model(host: 2, underlay))
    #expect(delivered.map(\.packet) == Self.toRemote)
    for sent in delivered {
      #expect(sent.place == "eni-remote")
      #expect(sent.source == .router && sent.destination == TwoHosts.remote)
    }
    let back = try Run.frames(
      Self.fromRemote.map { Compose.ethernet(to: TwoHosts.web, from: TwoHosts.remote, $0) },
      TwoHosts.model(host: 2, underlay))
    let home = try Run.frames(back.map(\.bytes), TwoHosts.model(host: 1, underlay))
    #expect(home.map(\.packet) == Self.fromRemote)
    #expect(home.allSatisfy { $0.place == "eni-web" && $0.destination == TwoHosts.web })
  }

  @Test func `from one local interface to another`() throws {
    let packets = Self.packets(("10.0.1.10", "10.0.1.11"), ("fd00:10:0:1::a", "fd00:10:0:1::b"))
    let frames = packets.map { Compose.ethernet(to: .router, from: TwoHosts.web, $0) + [0, 0] }
    let sent = try Run.frames(frames, TwoHosts.model(host: 1))
    #expect(sent.map(\.packet) == packets)
    for sent in sent {
      #expect(sent.place == "eni-data")
      #expect(sent.source == .router && sent.destination == TwoHosts.data)
    }
  }
}

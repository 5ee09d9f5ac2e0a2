import Datapath
import TestPackets
import Testing
import Wire

/// Fields that every value of can be tried: flags, checksums, addresses.
@Suite struct FlagTests {
  static func syn(_ port: UInt16, flags: UInt8, _ payload: [UInt8] = []) -> [UInt8] {
    Compose.ipv4(
      World.addressA, World.remote, protocol: 6, Compose.tcp(port, 443, flags: flags, payload))
  }

  @Test("P-13: every combination of TCP flags: impossible ones are ct.flags, others begin or not")
  func flags() throws {
    try withLab { lab in
      let possible: Set<UInt8> = [0x02, 0x22, 0x12, 0x04, 0x14, 0x11, 0x31, 0x10, 0x30]
      for flags in UInt8(0)...255 {
        for payload in [[], [1, 2, 3]] as [[UInt8]] {
          let port = 1_000 + UInt16(flags) * 2 + UInt16(payload.count & 1)
          let seen = lab.guest(Self.syn(port, flags: flags, payload))
          let core = flags & 0x37
          let expected =
            !possible.contains(core)
            ? "drop ct.flags"
            : [0x02, 0x22, 0x10, 0x30].contains(core) ? "forward new" : "drop ct.invalid"
          #expect(seen.brief == expected, "\(flags)")
        }
      }
      // SYN, SYN+URG, ACK and ACK+URG, each with any of PSH, ECE and CWR, with and without data.
      #expect(lab.worker.nicState(World.a).connections == 4 * 8 * 2)
    }
  }

  @Test("P-13: flags are looked at inside live connections too, and change nothing there")
  func flagsInside() throws {
    try withLab { lab in
      var talk = Talk()
      talk.open(lab)
      for flags in UInt8(0)...255
      where ![0x02, 0x22, 0x12, 0x04, 0x14, 0x11, 0x31, 0x10, 0x30].contains(flags & 0x37) {
        let seen = lab.guest(talk.out(flags))
        #expect(seen.brief == "drop ct.flags", "\(flags)")
        let back = lab.wire(talk.back(flags))
        #expect(back.brief == "drop ct.flags", "\(flags)")
      }
      talk.expectAlive(lab)
    }
  }

  @Test("P-13: foreign, group, loopback and unspecified sources, and land, are spoof.ip")
  func sources() throws {
    try withLab { lab in
      let sources = [
        World.addressB, "10.0.2.31", "10.0.1.1", "0.0.0.0", "255.255.255.255", "127.0.0.1",
        "224.0.0.1", "239.255.255.255", "169.254.169.254", "240.0.0.1", "203.0.113.10",
      ]
      for source in sources {
        for number in [1, 6, 17, 47] as [UInt8] {
          let seen = lab.guest(
            Compose.ipv4(
              source, World.remote, protocol: number,
              number == 17
                ? Compose.udp(1, 53) : Compose.tcp(1, 443, flags: Compose.tcpSYN)))
          #expect(seen.brief == "drop spoof.ip", "\(source) \(number)")
        }
      }
      for address in [World.addressA, "10.0.1.11"] {
        let land = lab.guest(
          Compose.ipv4(
            address, address, protocol: 6, Compose.tcp(80, 80, flags: Compose.tcpSYN)))
        #expect(land.brief == "drop spoof.ip")
      }
      let land6 = lab.guest(
        Compose.ipv6(World.addressA6, World.addressA6, next: 17, Compose.udp(7, 7)))
      #expect(land6.brief == "drop spoof.ip")
      #expect(lab.worker.nicState(World.a).connections == 0)
    }
  }

  @Test("P-13: land is spoof.ip without the source check too")
  func landWithoutCheck() throws {
    let model = World.model { $0.networkInterfaces[0].sourceDestCheck = false }
    try withLab(model) { lab in
      for address in [World.addressA, World.remote, "9.9.9.9"] {
        let seen = lab.guest(
          Compose.ipv4(address, address, protocol: 17, Compose.udp(7, 7)))
        #expect(seen.brief == "drop spoof.ip", "\(address)")
      }
    }
  }

  @Test("P-13: time to live of 0, 1 and 255, and port 0, are no faults and stay as they are")
  func timeToLive() throws {
    try withLab { lab in
      for life in [0, 1, 2, 64, 255] as [UInt8] {
        var packet = Self.syn(3_000 + UInt16(life), flags: Compose.tcpSYN)
        packet[8] = life
        packet = Compose.withHeaderChecksum(packet)
        let seen = lab.guest(packet)
        #expect(seen.brief == "forward new" && Array(seen.frame.dropFirst(64)) == packet)
      }
      let zero = lab.guest(
        Compose.ipv4(
          World.addressA, World.remote, protocol: 6, Compose.tcp(0, 0, flags: Compose.tcpACK)))
      #expect(zero.brief == "forward new")
      let inbound = lab.wire(
        Compose.ipv4(
          World.remote, World.addressA, protocol: 6, Compose.tcp(0, 0, flags: Compose.tcpACK)))
      #expect(inbound.brief == "forward established")
      let refused = lab.wire(
        Compose.ipv4(
          World.remote, World.addressA, protocol: 6, Compose.tcp(9, 0, flags: Compose.tcpACK)))
      #expect(refused.brief == "drop sg.ingress")
    }
  }

  @Test("P-11: every wrong IPv4 header checksum is parse.checksum, outside and inside a tunnel")
  func headerChecksum() throws {
    try withLab { lab in
      let packet = Compose.ipv4(World.addressA, World.remote, protocol: 17, Compose.udp(1, 2))
      let right = UInt16(packet[10]) << 8 | UInt16(packet[11])
      let inner = Compose.ipv4(World.remote, World.addressA, protocol: 17, Compose.udp(1, 53))
      for value in stride(from: 0, through: 0xFFFF, by: 41) where UInt16(value) != right {
        var wrong = packet
        wrong.replaceSubrange(10..<12, with: Compose.bytes(UInt64(value), 2))
        let seen = lab.guest(wrong)
        #expect(seen.brief == "drop parse.checksum", "\(value)")
      }
      for bit in 0..<160 {
        var wrong = inner
        wrong[bit / 8] ^= 1 << UInt8(bit % 8)
        let seen = lab.wire(wrong)
        #expect(seen.verdict == .drop, "\(bit)")
        // Version and header length are looked at first, and who may send from an address.
        let isSource = bit >= 96 && bit < 128
        if bit >= 8 { #expect(seen.reason == (isSource ? .tunnelPeer : .parseChecksum), "\(bit)") }
        var outer = Tunnel.geneve(
          Compose.ethernet(to: World.macA, from: World.remoteMAC, inner))
        outer[14 + bit / 8] ^= 1 << UInt8(bit % 8)
        let tunnel = lab.send(Shot(frame: outer, origin: .underlay))
        #expect(tunnel.verdict == .drop, "\(bit)")
      }
      #expect(lab.worker.nicState(World.a).connections == 0)
    }
  }

  @Test("P-11: transport checksums are not verified and not made right: what came in goes out")
  func transportChecksum() throws {
    try withLab { lab in
      for value in stride(from: 0, through: 0xFFFF, by: 257) {
        let field = Compose.bytes(UInt64(value), 2)
        var segment = Compose.tcp(
          4_000 + UInt16(value / 257), 443, flags: Compose.tcpSYN)
        segment.replaceSubrange(16..<18, with: field)
        var datagram = Compose.udp(4_000 + UInt16(value / 257), 53)
        datagram.replaceSubrange(6..<8, with: field)
        for (number, payload) in [(6, segment), (17, datagram)] as [(UInt8, [UInt8])] {
          let packet = Compose.ipv4(World.addressA, World.remote, protocol: number, payload)
          let seen = lab.guest(packet)
          #expect(seen.brief == "forward new")
          #expect(Array(seen.frame.dropFirst(64)) == packet)
          let six = Compose.ipv6(World.addressA6, World.remote6, next: number, payload)
          let seen6 = lab.guest(six)
          #expect(Array(seen6.frame.dropFirst(64)) == six)
        }
      }
    }
  }
}

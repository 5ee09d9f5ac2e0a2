import Datapath
import SlowPath
import TestPackets
import Testing
import Wire

/// More fragments than anybody needs.
@Suite struct FragmentFloodTests {
  @Test("F-01: of first fragments without end 1,024 datagrams are remembered, for 15 seconds")
  func firstFragments() throws {
    try withLab { lab in
      var counts: [String: Int] = [:]
      for number in 0..<20_000 {
        let seen = lab.guest(
          Pieces.v4(
            number, offset: 0, more: true, Pieces.start(24),
            destination: number % 2 == 0 ? World.remote : World.addressB))
        counts[seen.brief, default: 0] += 1
      }
      #expect(counts["drop fragment.limit"] == 20_000 - 1_024)
      #expect(lab.worker.dropCount(World.a, .fragmentLimit) == 20_000 - 1_024)
      lab.pass(seconds: 14.9)
      let still = lab.guest(Pieces.v4(30_000, offset: 0, more: true, Pieces.start(24)))
      #expect(still.brief == "drop fragment.limit")
      lab.pass(seconds: 0.2)
      let again = lab.guest(Pieces.v4(30_000, offset: 0, more: true, Pieces.start(24)))
      #expect(again.verdict == .forward)
    }
  }

  @Test("F-01: pieces without end leave other interfaces their room for fragments")
  func piecesWithoutEnd() throws {
    // 8 pieces for each datagram that fits, here 8 x 64 for all interfaces together.
    try withLab(fragments: 64) { lab in
      var refused = 0
      for number in 0..<4 {
        lab.guest(Pieces.v4(number, offset: 0, more: true, Pieces.start(24)))
        for piece in 1..<256 {
          let seen = lab.guest(
            Pieces.v4(number, offset: 24 + piece * 8, more: true, Pieces.fill(8)))
          if seen.reason == .fragmentLimit { refused += 1 }
        }
      }
      #expect(refused > 0)
      // Another interface's datagram, whole.
      for identifier in 500..<505 {
        let first = lab.guest(
          Pieces.v4(
            identifier, offset: 0, more: true, Pieces.start(24), source: World.addressB), World.b)
        let last = lab.guest(
          Pieces.v4(
            identifier, offset: 24, more: false, Pieces.fill(8), source: World.addressB), World.b)
        #expect(first.verdict == .forward && last.verdict == .forward)
      }
    }
  }

  @Test("F-01: datagrams without end leave other interfaces their room for fragments")
  func datagramsWithoutEnd() throws {
    try withLab(fragments: 384) { lab in
      for number in 0..<2_000 {
        lab.guest(Pieces.v4(number, offset: 0, more: true, Pieces.start(24)))
      }
      for identifier in 500..<505 {
        let first = lab.guest(
          Pieces.v4(
            identifier, offset: 0, more: true, Pieces.start(24), source: World.addressB), World.b)
        let last = lab.guest(
          Pieces.v4(
            identifier, offset: 24, more: false, Pieces.fill(8), source: World.addressB), World.b)
        #expect(first.verdict == .forward && last.verdict == .forward)
      }
    }
  }

  @Test("F-01: what an interface left behind is cleared away when others need the room")
  func leftBehind() throws {
    try withLab(fragments: 384) { lab in
      for number in 0..<2_000 {
        lab.guest(Pieces.v4(number, offset: 0, more: true, Pieces.start(24)))
      }
      lab.pass(seconds: 16)
      // Interface a sends no more; b may have what is not reserved for the others.
      let passed = (0..<150).count {
        lab.guest(
          Pieces.v4(
            3_000 + $0, offset: 0, more: true, Pieces.start(24), source: World.addressB), World.b
        ).verdict == .forward
      }
      #expect(passed == 150)
    }
  }

  @Test("F-02: a first fragment that cannot be remembered in full does not pass")
  func unrememberedFirst() throws {
    try withLab(fragments: 64) { lab in
      for number in 0..<4 {
        for piece in 0..<256 {
          lab.guest(
            Pieces.v4(
              number, offset: piece == 0 ? 0 : 24 + piece * 8, more: true,
              piece == 0 ? Pieces.start(24) : Pieces.fill(8)))
        }
      }
      // Forwarding it without a note of its bytes would let a later piece write over its ports.
      let first = lab.guest(Pieces.v4(900, offset: 0, more: true, Pieces.start(24)))
      #expect(first.brief == "drop fragment.limit")
      let over = lab.guest(Pieces.v4(900, offset: 8, more: true, Pieces.fill(16)))
      #expect(over.verdict == .drop)
    }
  }

  @Test("F-06: fragments are never left to a service, and those that are cut again lose no byte")
  func slowPath() throws {
    try withLab { lab in
      let discover = [UInt8](repeating: 0, count: 300)
      let first = lab.guest(
        Pieces.v4(
          1, offset: 0, more: true, Array(Compose.udp(68, 67, discover).prefix(64)),
          source: "0.0.0.0", destination: "255.255.255.255"))
      #expect(first.brief == "drop service.dhcp")
      var solicitation = Pieces.v6(
        2, offset: 0, more: true,
        Compose.icmp(135, rest: [0, 0, 0, 0], [UInt8](repeating: 0, count: 32)), next: 58,
        destination: "fd00:10:0:1::1")
      solicitation[7] = 255
      let neighbor = lab.guest(solicitation)
      #expect(neighbor.brief == "drop service.nd")

      // A fragment larger than the path.
      for (offset, more) in [(0, true), (1_600, true), (3_200, false)] {
        let payload = offset == 0 ? Pieces.start(1_600) : Pieces.fill(1_600, UInt8(offset / 16))
        let packet = Pieces.v4(3, offset: offset, more: more, payload)
        let seen = lab.guest(packet)
        #expect(seen.needsFragmentation && seen.mtu == 1_450)
        var rebuilt: [UInt8] = []
        var last: [UInt8] = []
        let isCut = seen.frame.withUnsafeBytes { frame in
          Fragmenter.fragment(frame, mtu: Int(seen.mtu)) { piece in
            last = [UInt8](piece)
            let place = Int(last[20]) << 8 | Int(last[21])
            #expect((place & 0x1FFF) * 8 == offset + rebuilt.count && last.count <= 1_464)
            rebuilt += last[34...]
          }
        }
        #expect(isCut && rebuilt == payload)
        #expect((last[20] & 0x20 != 0) == more)
      }
    }
  }

  @Test("F-09: pieces that the host cuts keep the sender's identification, so none is made up")
  func identification() {
    for identifier in [0, 1, 0x1234, 0xFFFF] as [UInt16] {
      let packet = Compose.ipv4(
        World.addressA, World.remote, protocol: 17, Pieces.start(1_900), identifier: identifier)
      let frame = Compose.ethernet(to: .router, from: World.macA, packet)
      var seen: [UInt16] = []
      let isCut = frame.withUnsafeBytes { bytes in
        Fragmenter.fragment(bytes, mtu: 576) { seen.append(UInt16($0[18]) << 8 | UInt16($0[19])) }
      }
      #expect(isCut && seen.count == 4 && Set(seen) == [identifier])
    }
  }

  @Test(
    "F-12: pieces of tunnel packets are tunnel.fragment and never opened",
    arguments: [6_081, 4_789] as [UInt16])
  func outerFragments(port: UInt16) throws {
    try withLab { lab in
      let inner = Compose.ethernet(
        to: World.macA, from: World.remoteMAC,
        Compose.ipv4(World.remote, World.addressA, protocol: 17, Compose.udp(1, 53)))
      let whole =
        port == 6_081
        ? Tunnel.geneve(inner) : Tunnel.vxlan(inner)
      let passed = lab.send(Shot(frame: whole, origin: .underlay))
      #expect(passed.verdict == .forward)
      let payload = Array(whole.dropFirst(34))
      for cut in stride(from: 8, to: payload.count, by: 8) {
        let first = lab.send(
          Shot(
            frame: Tunnel.frame(
              Pieces.v4(
                cut, offset: 0, more: true, Array(payload[..<cut]), source: World.blueHost,
                destination: World.host)), origin: .underlay))
        let last = lab.send(
          Shot(
            frame: Tunnel.frame(
              Pieces.v4(
                cut, offset: cut, more: false, Array(payload[cut...]), source: World.blueHost,
                destination: World.host)), origin: .underlay))
        #expect(first.brief == "drop tunnel.fragment" && last.brief == "drop tunnel.fragment")
      }
    }
  }

  @Test("F-12: the same of an IPv6 underlay; an atomic fragment is a whole packet")
  func outerFragments6() throws {
    let model = World.model {
      $0.host?.address = Compose.address("2001:db8::1")
      for index in $0.mappings.indices {
        $0.mappings[index].host = Compose.address(index < 2 ? "2001:db8::2" : "2001:db8::3")
      }
      $0.internetGateways = []
      $0.routeTables[0].routes.removeFirst()
    }
    let lab = try Lab(model, isWatching: false)
    let inner = Compose.ethernet(
      to: World.macA, from: World.remoteMAC,
      Compose.ipv4(World.remote, World.addressA, protocol: 17, Compose.udp(1, 53)))
    let payload = Compose.udp(
      50_000, 6_081, [0, 0, 0x65, 0x58] + Compose.bytes(UInt64(World.blueVNI) << 8, 4) + inner)
    func piece(_ offset: Int, _ more: Bool, _ bytes: [UInt8]) -> Outcome {
      lab.send(
        Shot(
          frame: Tunnel.frame(
            Pieces.v6(
              1, offset: offset, more: more, bytes, source: "2001:db8::2",
              destination: "2001:db8::1")), origin: .underlay))
    }
    let whole = piece(0, false, payload)
    let first = piece(0, true, Array(payload[..<24]))
    let last = piece(24, false, Array(payload[24...]))
    #expect(whole.brief == "forward new")
    #expect(first.brief == "drop tunnel.fragment" && last.brief == "drop tunnel.fragment")
    try lab.finish()
  }
}

import Datapath
import TestPackets
import Testing
import Wire

/// Tunnel headers, and who may use a tunnel.
@Suite struct TunnelTests {
  static let inner = Compose.ethernet(
    to: World.macA, from: World.remoteMAC,
    Compose.ipv4(World.remote, World.addressA, protocol: 17, Compose.udp(9, 53, [1, 2])))

  static func arrive(_ lab: Lab, _ frame: [UInt8]) -> Outcome {
    lab.send(Shot(frame: frame, origin: .underlay))
  }

  @Test("T-01: every Geneve option length, option lengths past it and critical options")
  func geneveOptions() throws {
    try withLab { lab in
      // The length says more or less than there is: what is behind it is taken for the frame.
      for declared in UInt8(1)...63 {
        let seen = Self.arrive(lab, Tunnel.geneve(Self.inner, first: declared))
        #expect(seen.verdict == .drop, "\(declared)")
        if Int(declared) * 4 > Self.inner.count {
          #expect(seen.reason == .tunnelHeader, "\(declared)")
        }
      }
      for size in UInt8(0)...31 {
        for room in 0...31 {
          for critical in [0, 0x80] as [UInt8] {
            let option =
              [0, 1, critical, size] + [UInt8](repeating: 0, count: room * 4)
            let seen = Self.arrive(lab, Tunnel.geneve(Self.inner, options: option))
            // Zeros behind a shorter option are further options, of no length.
            let passes = critical == 0 && Int(size) <= room
            #expect(
              seen.fate == (passes ? "forward" : "drop tunnel.header"), "\(size) \(room)")
          }
        }
      }
      // Every bit of an option's type: the highest is the critical one.
      for type in UInt8(0)...255 {
        let seen = Self.arrive(lab, Tunnel.geneve(Self.inner, options: [1, 2, type, 0]))
        #expect(seen.fate == (type < 128 ? "forward" : "drop tunnel.header"), "\(type)")
      }
    }
  }

  @Test("T-02: Geneve versions, flags, reserved bits and protocols that are not ours")
  func geneveHeader() throws {
    try withLab { lab in
      for version in UInt8(1)...3 {
        let seen = Self.arrive(lab, Tunnel.geneve(Self.inner, first: version << 6))
        #expect(seen.brief == "drop tunnel.header")
      }
      // OAM, critical options present, and six reserved bits.
      for second in UInt8(0)...255 {
        let seen = Self.arrive(lab, Tunnel.geneve(Self.inner, second: second))
        #expect(seen.fate == (second == 0 ? "forward" : "drop tunnel.header"), "\(second)")
        let last = Self.arrive(lab, Tunnel.geneve(Self.inner, reserved: second))
        #expect(last.fate == (second == 0 ? "forward" : "drop tunnel.header"), "\(second)")
      }
      for type in [0, 0x0800, 0x86DD, 0x6557, 0x6559, 0x8847, 0xFFFF] as [UInt16] {
        let seen = Self.arrive(lab, Tunnel.geneve(Self.inner, type: type))
        #expect(seen.brief == "drop tunnel.header", "\(type)")
      }
    }
  }

  @Test("T-03: VXLAN flags and reserved bits, each of them, and unknown networks")
  func vxlanHeader() throws {
    try withLab { lab in
      for bit in 0..<32 {
        let seen = Self.arrive(
          lab, Tunnel.vxlan(Self.inner, word: 0x0800_0000 ^ 1 << UInt32(bit)))
        #expect(seen.brief == "drop tunnel.header", "\(bit)")
      }
      for reserved in UInt8(1)...255 {
        let seen = Self.arrive(lab, Tunnel.vxlan(Self.inner, reserved: reserved))
        #expect(seen.brief == "drop tunnel.header", "\(reserved)")
      }
      for vni in [0, 2, 99, 101, 199, 201, 0x640000, 0xFFFFFF] as [UInt32] {
        let seen = Self.arrive(lab, Tunnel.vxlan(Self.inner, vni: vni))
        #expect(seen.brief == "drop tunnel.vni", "\(vni)")
        let geneve = Self.arrive(lab, Tunnel.geneve(Self.inner, vni: vni))
        #expect(geneve.brief == "drop tunnel.vni", "\(vni)")
      }
    }
  }

  @Test("T-03: inner frames of every length, and truncated outer ones")
  func innerLengths() throws {
    try withLab { lab in
      for length in 0..<Self.inner.count {
        let seen = Self.arrive(lab, Tunnel.vxlan(Array(Self.inner[..<length])))
        let isCut = length < 14 + 28
        #expect(seen.fate == (isCut ? "drop parse.truncated" : "drop parse.length"), "\(length)")
      }
      for whole in [Tunnel.geneve(Self.inner, options: [0, 1, 2, 0]), Tunnel.vxlan(Self.inner)] {
        for length in 0..<whole.count {
          let seen = Self.arrive(lab, Array(whole[..<length]))
          #expect(seen.verdict == .drop, "\(length)")
          #expect(
            seen.reason == .parseTruncated || seen.reason == .parseLength, "\(length) \(seen)")
        }
      }
    }
  }

  @Test("T-03: a tunnel packet in a tunnel packet is payload for the guest, to any depth")
  func nested() throws {
    try withLab { lab in
      var frame = Self.inner
      for depth in 1...8 {
        // The inner one is a datagram to the guest's port 4789, which a rule lets in.
        var payload: [UInt8] = [8, 0, 0, 0]
        payload += Compose.bytes(UInt64(World.redVNI) << 8, 4)
        payload += frame
        let packet = Compose.ipv4(
          World.remote, World.addressA, protocol: 17, Compose.udp(50_000, 4_789, payload))
        let seen = lab.wire(packet)
        #expect(seen.fate == "forward" && seen.output == .nic(World.a), "\(depth)")
        #expect(Array(seen.frame.dropFirst(14)) == packet)
        frame = Compose.ethernet(to: World.macA, from: World.remoteMAC, packet)
      }
    }
  }

  @Test("T-04: tunnel packets only from the host that has the inner source, in its network")
  func peers() throws {
    try withLab { lab in
      let others = [
        World.redHost, World.gatewayHost, World.host, "192.0.2.9", "224.0.0.1", "127.0.0.1",
        "0.0.0.0", "255.255.255.255", "10.0.2.30",
      ]
      for host in others {
        let geneve = Self.arrive(lab, Tunnel.geneve(Self.inner, from: host))
        let vxlan = Self.arrive(lab, Tunnel.vxlan(Self.inner, from: host))
        #expect(geneve.brief == "drop tunnel.peer" && vxlan.brief == "drop tunnel.peer", "\(host)")
      }
      let red = Self.arrive(
        lab, Tunnel.geneve(Self.inner, vni: World.redVNI, from: World.blueHost))
      let gateway = Self.arrive(
        lab, Tunnel.geneve(Self.inner, vni: World.gatewayVNI, from: World.blueHost))
      #expect(red.brief == "drop tunnel.peer" && gateway.brief == "drop tunnel.peer")
      // Where the frame says that it is of another version of IP.
      let right = Self.arrive(lab, Tunnel.geneve(Self.inner))
      #expect(right.fate == "forward")
    }
  }

  @Test("T-04: what a guest sends to a tunnel port is a datagram like any other")
  func guestTunnels() throws {
    try withLab { lab in
      for port in [4_789, 6_081] as [UInt16] {
        var payload: [UInt8] = port == 4_789 ? [8, 0, 0, 0] : [0, 0, 0x65, 0x58]
        payload += Compose.bytes(UInt64(World.redVNI) << 8, 4)
        payload += Self.inner
        for destination in [World.remote, World.addressB] {
          let packet = Compose.ipv4(
            World.addressA, destination, protocol: 17, Compose.udp(50_000, port, payload))
          let seen = lab.guest(packet)
          let isLetIn = destination == World.remote || port == 4_789
          #expect(seen.fate == (isLetIn ? "forward" : "drop sg.ingress"), "\(destination)")
          if isLetIn { #expect(Array(seen.frame.suffix(packet.count)) == packet) }
        }
        // No rule and no route leads to the host itself.
        let host = lab.guest(
          Compose.ipv4(
            World.addressA, World.host, protocol: 17, Compose.udp(50_000, port, payload)))
        #expect(host.brief == "drop sg.egress")
      }
    }
  }

  @Test("T-05: inner sources that do not live at the sending host are tunnel.peer")
  func innerSources() throws {
    try withLab { lab in
      let sources = [
        World.addressB, World.addressA, "10.0.2.31", "10.0.1.1", "0.0.0.0", "127.0.0.1",
        "224.0.0.1", "255.255.255.255", World.outside, "169.254.169.254", World.host,
      ]
      for source in sources {
        for host in [World.blueHost, World.redHost] {
          let seen = lab.wire(
            Compose.ipv4(source, World.addressA, protocol: 17, Compose.udp(9, 53)), from: host)
          #expect(seen.brief == "drop tunnel.peer", "\(source)")
        }
      }
      for source in [
        World.addressB6, "fd00:10:0:2::1f", "fe80::1", "::", "::1", "ff02::1",
        "::ffff:10.0.2.30",
      ] {
        let seen = lab.wire(
          Compose.ipv6(source, World.addressA6, next: 17, Compose.udp(9, 53)))
        #expect(seen.brief == "drop tunnel.peer", "\(source)")
      }
      // The gateway may send what is outside of the VPC, and to public addresses only.
      let inside = lab.wire(
        Compose.ipv4(World.remote, "203.0.113.10", protocol: 17, Compose.udp(9, 53)),
        vni: World.gatewayVNI, from: World.gatewayHost)
      let outside = lab.wire(
        Compose.ipv4(World.outside, "203.0.113.10", protocol: 17, Compose.udp(9, 53)),
        to: .router, vni: World.gatewayVNI, from: World.gatewayHost)
      let direct = lab.wire(
        Compose.ipv4(World.outside, World.addressA, protocol: 17, Compose.udp(9, 53)),
        to: .router, vni: World.gatewayVNI, from: World.gatewayHost)
      #expect(inside.brief == "drop tunnel.peer" && direct.brief == "drop eni.none")
      #expect(outside.brief == "drop sg.ingress" || outside.fate == "forward")
    }
  }

  @Test("T-05: what a tunnel carries and is not IP, or is for another MAC, is not delivered")
  func innerFrames() throws {
    try withLab { lab in
      for type in [0x0806, 0x88CC, 0x8847, 0] as [UInt16] {
        let seen = Self.arrive(
          lab,
          Tunnel.geneve(
            Compose.ethernet(
              to: World.macA, from: World.remoteMAC, type: type,
              [UInt8](repeating: 0, count: 46))))
        #expect(seen.brief == "drop l2.ethertype", "\(type)")
      }
      let packet = Compose.ipv4(
        World.remote, World.addressA, protocol: 17, Compose.udp(9, 53))
      for mac in [World.macB, World.remoteMAC, .broadcast, MACAddress(0x0100_5E00_0001)] {
        let seen = lab.wire(packet, to: mac)
        #expect(seen.brief == "drop eni.mac", "\(mac)")
      }
      let nobody = lab.wire(
        Compose.ipv4(World.remote, "10.0.1.99", protocol: 17, Compose.udp(9, 53)))
      #expect(nobody.brief == "drop eni.none")
    }
  }
}

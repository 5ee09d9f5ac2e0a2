import Datapath
import TestPackets
import Testing
import Wire

/// Headers that do not belong there, or too many of them.
@Suite struct HeaderTests {
  static let udp = Compose.udp(4_000, 53, [1, 2, 3, 4])
  static let plain = Compose.ipv4(World.addressA, World.remote, protocol: 17, udp)

  static func v6(_ next: UInt8, _ payload: [UInt8]) -> [UInt8] {
    Compose.ipv6(World.addressA6, World.remote6, next: next, payload)
  }

  /// A destination options header of `units` times 8 bytes, all of it padding.
  static func options(next: UInt8, units: Int = 1) -> [UInt8] {
    [next, UInt8(units - 1), 1, UInt8(min(255, units * 8 - 4))]
      + [UInt8](repeating: 0, count: units * 8 - 4)
  }

  @Test("P-06: labels and stacked VLAN tags are l2.ethertype and l2.vlan, at any depth")
  func tagsAndLabels() throws {
    try withLab { lab in
      for tag in [0x8100, 0x88A8] as [UInt16] {
        for depth in 1...20 {
          var inner = [UInt8]()
          for _ in 1..<depth { inner += [0, 5] + Compose.bytes(UInt64(tag), 2) }
          let payload = inner + [0, 5, 8, 0] + Self.plain
          let frame = Compose.ethernet(to: .router, from: World.macA, type: tag, payload)
          let seen = lab.send(Shot(frame: frame))
          #expect(seen.brief == "drop l2.vlan", "\(depth)")
          let tunnelled = lab.send(
            Shot(
              frame: Tunnel.geneve(
                Compose.ethernet(to: World.macA, from: World.remoteMAC, type: tag, payload)),
              origin: .underlay))
          #expect(tunnelled.brief == "drop l2.vlan", "\(depth)")
        }
      }
      for type in [0x8847, 0x8848, 0x9100] as [UInt16] {
        for labels in 1...20 {
          var stack = [UInt8]()
          for label in 1...labels { stack += [0, 1, label == labels ? 1 : 0, 64] }
          let seen = lab.send(
            Shot(
              frame: Compose.ethernet(
                to: .router, from: World.macA, type: type, stack + Self.plain)))
          #expect(seen.brief == "drop l2.ethertype", "\(labels)")
        }
      }
    }
  }

  @Test("P-06: of all ethertypes only IPv4, IPv6 and ARP are read")
  func ethertypes() throws {
    try withLab { lab in
      for type in stride(from: 0, through: 0xFFFF, by: 1) {
        let isNear = [0x0800, 0x8100, 0x86DD, 0x8847, 0x88A8, 0x9100].contains {
          abs($0 - type) < 9
        }
        if !isNear && type % 41 != 0 { continue }
        let seen = lab.send(
          Shot(
            frame: Compose.ethernet(
              to: .router, from: World.macA, type: UInt16(type), Self.plain)))
        let expected =
          switch type {
          case 0x0800: "forward"
          case 0x0806: "drop service.arp"
          case 0x86DD: "drop parse.header"
          case 0x8100, 0x88A8: "drop l2.vlan"
          default: "drop l2.ethertype"
          }
        // 32 bytes are no IPv6 header.
        let isShort = type == 0x86DD && seen.brief == "drop parse.truncated"
        guard !seen.brief.hasPrefix(expected) && !isShort else { continue }
        Issue.record("\(type): \(seen)")
      }
    }
  }

  @Test("P-07: up to 8 extension headers and 256 bytes of them are walked, more is parse.extension")
  func chains() throws {
    try withLab { lab in
      for count in 1...64 {
        var payload = [UInt8]()
        for number in 1...count { payload += Self.options(next: number == count ? 17 : 60) }
        let seen = lab.guest(Self.v6(60, payload + Self.udp))
        #expect((seen.verdict == .forward) == (count <= 8), "\(count): \(seen)")
        if count > 8 { #expect(seen.brief == "drop parse.extension", "\(count)") }
      }
      for units in 1...64 {
        let seen = lab.guest(Self.v6(60, Self.options(next: 17, units: units) + Self.udp))
        // Beyond 256 bytes one padding option cannot fill the header, which has precedence too.
        #expect((seen.verdict == .forward) == (units <= 32), "\(units): \(seen)")
        if units > 32 { #expect(seen.brief == "drop parse.extension", "\(units)") }
      }
    }
  }

  @Test("P-07: the upper layer behind extension headers is the one that rules judge")
  func upperLayer() throws {
    try withLab { lab in
      // UDP 53 may enter, other ports and TCP 80 may not, behind any chain.
      for count in 0...8 {
        for (number, port, passes) in [(17, 53, true), (17, 54, false), (6, 80, false)] {
          var payload = [UInt8]()
          for index in 0..<count {
            payload += Self.options(next: index == count - 1 ? UInt8(number) : 60)
          }
          let upper =
            number == 17
            ? Compose.udp(UInt16(5_000 + count), UInt16(port))
            : Compose.tcp(5_000, UInt16(port), flags: Compose.tcpSYN)
          let packet = Compose.ipv6(
            World.remote6, World.addressA6, next: count == 0 ? UInt8(number) : 60, payload + upper)
          let seen = lab.wire(packet)
          #expect(seen.brief == (passes ? "forward new" : "drop sg.ingress"), "\(count) \(port)")
        }
      }
      // A header that nobody knows, and no next header, are protocols without ports: no rule of
      // the receiver is for them.
      for number in [59, 253, 254, 135, 139, 140] as [UInt8] {
        let seen = lab.wire(
          Compose.ipv6(World.remote6, World.addressA6, next: number, Self.udp))
        #expect(seen.brief == "drop sg.ingress", "\(number)")
      }
    }
  }

  @Test("P-07: hop-by-hop behind another, routing type 0, segments left and repeats are dropped")
  func misplaced() throws {
    try withLab { lab in
      let hop = [UInt8](arrayLiteral: 17, 0, 1, 4, 0, 0, 0, 0)
      let first = lab.guest(Self.v6(0, hop + Self.udp))
      #expect(first.verdict == .forward)
      for before in [60, 43, 51] as [UInt8] {
        let head: [UInt8] =
          before == 51 ? [0, 0, 0, 0, 0, 0, 0, 0] : [0, 0, before == 43 ? 4 : 1, 0, 0, 0, 0, 0]
        let fixed = before == 60 ? [0, 0, 1, 4, 0, 0, 0, 0] : head
        let seen = lab.guest(Self.v6(before, fixed + hop + Self.udp))
        #expect(seen.brief == "drop parse.extension", "\(before)")
      }
      let twice = lab.guest(Self.v6(0, [0] + hop.dropFirst() + hop + Self.udp))
      #expect(twice.brief == "drop parse.extension")
      for type in UInt8(0)...255 {
        for left in [0, 1, 2, 255] as [UInt8] {
          let seen = lab.guest(Self.v6(43, [17, 0, type, left, 0, 0, 0, 0] + Self.udp))
          let passes = type != 0 && left == 0
          #expect((seen.verdict == .forward) == passes, "\(type) \(left)")
          if !passes { #expect(seen.reason == .parseExtension) }
        }
      }
    }
  }

  @Test("P-07: every length field of every extension header, and every truncation, is survived")
  func lengthsAndTruncations() throws {
    try withLab { lab in
      for kind in [0, 43, 51, 60] as [UInt8] {
        for field in UInt8(0)...255 {
          let head: [UInt8] = kind == 43 ? [17, field, 4, 0] : [17, field, 1, 4]
          let packet = Self.v6(kind, head + [0, 0, 0, 0] + Self.udp)
          let seen = lab.guest(packet)
          let size = kind == 51 ? (Int(field) + 2) * 4 : (Int(field) + 1) * 8
          let fits = size == 8
          #expect((seen.verdict == .forward) == fits, "\(kind) \(field): \(seen)")
        }
      }
      let chain = Self.options(next: 43) + [51, 0, 4, 0, 0, 0, 0, 0] + [60, 0, 0, 0, 0, 0, 0, 0]
      let packet = Self.v6(60, chain + Self.options(next: 17) + Self.udp)
      let whole = Compose.ethernet(to: .router, from: World.macA, packet)
      let passed = lab.send(Shot(frame: whole))
      #expect(passed.verdict == .forward)
      for length in 0..<whole.count {
        let seen = lab.send(Shot(frame: Array(whole[..<length])))
        let isCut = length < whole.count - 4
        #expect(seen.brief == (isCut ? "drop parse.truncated" : "drop parse.length"), "\(length)")
      }
    }
  }

  @Test("P-08: a segment routing header longer than its packet is parse.extension")
  func segmentRouting() throws {
    try withLab { lab in
      for field in UInt8(0)...255 {
        for left in [0, 1, 3] as [UInt8] {
          let header: [UInt8] = [17, field, 4, left, 1, 0, 0, 0] + [UInt8](repeating: 1, count: 16)
          let seen = lab.guest(Self.v6(43, header + Self.udp))
          // 24 bytes of header and 12 behind it are there. Where a shorter or longer one ends, no
          // UDP header of the right length follows, and that fault goes first.
          let passes = field == 2 && left == 0
          #expect((seen.verdict == .forward) == passes, "\(field) \(left): \(seen)")
          if left > 0 && field == 2 { #expect(seen.reason == .parseExtension) }
          if Int(field) * 8 + 8 > 36 {
            #expect([.parseExtension, .parseTruncated].contains(seen.reason), "\(field)")
          }
        }
      }
    }
  }

  @Test("P-09: a packet of IP protocol 0, or any other, does not change how later ones are seen")
  func protocolZero() throws {
    try withLab { lab in
      let before = lab.guest(Self.plain)
      for number in UInt8(0)...255 {
        for payload in [[], [0], [0, 53, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]] as [[UInt8]] {
          lab.guest(
            Compose.ipv4(World.addressA, World.remote, protocol: number, payload))
          lab.guest(Self.v6(number, payload))
        }
        let after = lab.guest(Self.plain)
        #expect(after.frame == before.frame && after.verdict == .forward, "\(number)")
        let refused = lab.wire(
          Compose.ipv4(World.remote, World.addressA, protocol: 17, Compose.udp(9, 54)))
        #expect(refused.brief == "drop sg.ingress")
      }
    }
  }

  @Test("P-12: every header is read the same at every alignment")
  func alignment() throws {
    try withLab { lab in
      let fragment = Compose.ipv4(
        World.addressA, World.remote, protocol: 17, Self.udp + [1, 2, 3, 4], identifier: 9,
        fragment: 0x2000)
      let stream = Compose.ipv4(
        World.addressA, World.remote, protocol: 6,
        Compose.tcp(
          4_000, 443, flags: Compose.tcpSYN, options: [1, 3, 3, 7, 4, 2, 1, 1]))
      let v6 = Self.v6(60, Self.options(next: 17) + Self.udp)
      for packet in [Self.plain, fragment, stream, v6] {
        let frame = Compose.ethernet(to: .router, from: World.macA, packet)
        let inner = Compose.ethernet(
          to: World.macA, from: World.remoteMAC,
          Compose.ipv4(World.remote, World.addressA, protocol: 17, Compose.udp(53, 53)))
        let first = lab.send(Shot(frame: frame))
        #expect(first.verdict == .forward)
        for offset in 0..<16 {
          let seen = lab.send(Shot(frame: frame, alignment: offset))
          #expect(seen.frame == first.frame && seen.verdict == .forward, "\(offset)")
          let received = lab.send(
            Shot(frame: Tunnel.vxlan(inner), origin: .underlay, alignment: offset))
          #expect(received.verdict == .forward && received.frame.count == inner.count)
        }
      }
    }
  }

  @Test("P-14: source routes are parse.option; record route and router alert pass as they are")
  func options4() throws {
    try withLab { lab in
      for kind in UInt8(2)...255 {
        let packet = Compose.ipv4(
          World.addressA, World.remote, protocol: 17, Self.udp, options: [kind, 4, 0, 0])
        let seen = lab.guest(packet)
        let routes = kind == 131 || kind == 137
        #expect(seen.brief.hasPrefix(routes ? "drop parse.option" : "forward"), "\(kind)")
        if !routes { #expect(Array(seen.frame.dropFirst(64)) == packet) }
      }
      // Behind others, behind padding, and cut by the end of the header.
      for options in [[1, 1, 131, 3, 4, 0, 0, 0], [7, 4, 4, 0, 137, 4, 4, 0]] as [[UInt8]] {
        let seen = lab.guest(
          Compose.ipv4(
            World.addressA, World.remote, protocol: 17, Self.udp, options: options))
        #expect(seen.brief == "drop parse.option")
      }
      for length in UInt8(0)...255 where length != 4 && length != 3 && length != 2 {
        let seen = lab.guest(
          Compose.ipv4(
            World.addressA, World.remote, protocol: 17, Self.udp, options: [7, length, 4, 0]))
        #expect(seen.brief == "drop parse.option", "\(length)")
      }
    }
  }

  @Test("P-14: an ICMP redirect passes only about a live connection; ICMPv6's is service.nd")
  func redirects() throws {
    try withLab { lab in
      let quote = Array(Self.plain.prefix(28))
      let redirect = Compose.ipv4(
        World.remote, World.addressA, protocol: 1,
        Compose.icmp(5, 1, rest: [10, 0, 2, 99], quote))
      let unknown = lab.wire(redirect)
      #expect(unknown.brief == "drop sg.ingress")
      lab.guest(Self.plain)
      let known = lab.wire(redirect)
      #expect(known.brief == "forward related")
      let six = Compose.icmp(137, rest: [0, 0, 0, 0], [UInt8](repeating: 0, count: 32))
      for destination in [World.remote6, World.addressB6, "ff02::1"] {
        var packet = Compose.ipv6(World.addressA6, destination, next: 58, six)
        packet[7] = 255
        let seen = lab.guest(packet)
        #expect(seen.brief == "drop service.nd", "\(destination)")
      }
      let inbound = lab.wire(
        Compose.ipv6(World.remote6, World.addressA6, next: 58, six))
      #expect(inbound.brief == "drop sg.ingress")
    }
  }
}

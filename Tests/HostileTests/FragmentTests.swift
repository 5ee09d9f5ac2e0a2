import Datapath
import TestPackets
import Testing
import Wire

/// Datagrams in pieces, made by hand.
enum Pieces {
  /// A piece of an IPv4 datagram; `offset` in bytes.
  static func v4(
    _ identifier: Int, offset: Int, more: Bool, _ payload: [UInt8], protocol number: UInt8 = 17,
    source: String = World.addressA, destination: String = World.remote
  ) -> [UInt8] {
    Compose.ipv4(
      source, destination, protocol: number, payload,
      identifier: UInt16(truncatingIfNeeded: identifier),
      fragment: UInt16(offset / 8) | (more ? 0x2000 : 0))
  }

  static func v6(
    _ identifier: Int, offset: Int, more: Bool, _ payload: [UInt8], next: UInt8 = 17,
    source: String = World.addressA6, destination: String = World.remote6
  ) -> [UInt8] {
    Compose.ipv6(
      source, destination, next: 44,
      Compose.fragmentHeader(
        next: next, offset: offset, more: more, identifier: UInt32(truncatingIfNeeded: identifier))
        + payload)
  }

  static func of(
    _ family: IPFamily, _ identifier: Int, offset: Int, more: Bool, _ payload: [UInt8],
    number: UInt8 = 17
  ) -> [UInt8] {
    family == .v4
      ? v4(identifier, offset: offset, more: more, payload, protocol: number)
      : v6(identifier, offset: offset, more: more, payload, next: number)
  }

  /// The first `count` bytes of a datagram to port 53.
  static func start(_ count: Int, port: UInt16 = 53) -> [UInt8] {
    Array(Compose.udp(4_000, port, [UInt8](repeating: 0x33, count: 2_000)).prefix(count))
  }

  static func fill(_ count: Int, _ byte: UInt8 = 0x44) -> [UInt8] {
    [UInt8](repeating: byte, count: count)
  }
}

@Suite struct FragmentTests {
  static let families: [IPFamily] = [.v4, .v6]

  @Test("F-02: overlaps of every offset and length are fragment.overlap, and so is the rest")
  func overlaps() throws {
    try withLab { lab in
      var identifier = 0
      for family in Self.families {
        for offset in stride(from: 0, through: 56, by: 8) {
          // Without an offset and without more to come it would be no fragment.
          for length in [1, 8, 16, 24, 40, 64] where offset > 0 || length > 1 {
            identifier += 1
            // Bytes 0..24 and 32..48 are there.
            let first = lab.guest(
              Pieces.of(family, identifier, offset: 0, more: true, Pieces.start(24)))
            let second = lab.guest(
              Pieces.of(family, identifier, offset: 32, more: true, Pieces.fill(16)))
            #expect(first.verdict == .forward && second.verdict == .forward)
            let seen = lab.guest(
              Pieces.of(
                family, identifier, offset: offset, more: length % 8 == 0,
                Pieces.fill(length, 0x55)))
            let end = offset + length
            let overlaps = offset < 24 || offset < 48 && end > 32
            let isTaken = overlaps ? "drop fragment.overlap" : "forward"
            #expect(seen.fate == isTaken, "\(family) \(offset) \(length)")
            let rest = lab.guest(
              Pieces.of(family, identifier, offset: 200, more: false, Pieces.fill(8)))
            #expect(rest.fate == isTaken, "\(family) \(offset) \(length)")
          }
        }
      }
    }
  }

  @Test("F-02: a second first fragment with other ports is fragment.overlap, never a new verdict")
  func otherPorts() throws {
    try withLab { lab in
      for (number, family) in Self.families.enumerated() {
        // The refused port first: an allowed one cannot open the datagram again.
        for (allowed, refused, expected) in [
          (54, 53, "drop sg.ingress"), (53, 54, "drop fragment.overlap"),
        ] as [(UInt16, UInt16, String)] {
          let identifier = number * 10 + Int(allowed)
          func inbound(_ offset: Int, _ more: Bool, _ payload: [UInt8]) -> Outcome {
            lab.wire(
              family == .v4
                ? Pieces.v4(
                  identifier, offset: offset, more: more, payload, source: World.remote,
                  destination: World.addressA)
                : Pieces.v6(
                  identifier, offset: offset, more: more, payload, source: World.remote6,
                  destination: World.addressA6))
          }
          _ = inbound(0, true, Pieces.start(24, port: allowed))
          let again = inbound(0, true, Pieces.start(24, port: refused))
          let rest = inbound(24, false, Pieces.fill(8))
          #expect(again.brief == expected && rest.brief == expected)
        }
      }
    }
  }

  @Test("F-02: teardrop, and pieces in reverse order, never pass behind their first")
  func reverse() throws {
    try withLab { lab in
      for (number, family) in Self.families.enumerated() {
        let identifier = 50 + number
        let last = lab.guest(
          Pieces.of(family, identifier, offset: 48, more: false, Pieces.fill(9)))
        let middle = lab.guest(
          Pieces.of(family, identifier, offset: 24, more: true, Pieces.fill(24)))
        #expect(last.brief == "drop fragment.orphan" && middle.brief == "drop fragment.orphan")
        let first = lab.guest(
          Pieces.of(family, identifier, offset: 0, more: true, Pieces.start(24)))
        let again = lab.guest(
          Pieces.of(family, identifier, offset: 24, more: true, Pieces.fill(24)))
        #expect(first.verdict == .forward && again.verdict == .forward)
        // The second piece lies inside the first.
        let whole = lab.guest(
          Pieces.of(family, identifier + 9, offset: 0, more: true, Pieces.start(40)))
        let inside = lab.guest(
          Pieces.of(family, identifier + 9, offset: 24, more: false, Pieces.fill(4)))
        #expect(whole.verdict == .forward && inside.brief == "drop fragment.overlap")
      }
    }
  }

  @Test("F-03: an exact copy of a fragment follows its datagram and does no harm")
  func copies() throws {
    try withLab { lab in
      for (number, family) in Self.families.enumerated() {
        let pieces = [
          Pieces.of(family, number, offset: 0, more: true, Pieces.start(24)),
          Pieces.of(family, number, offset: 24, more: true, Pieces.fill(24)),
          Pieces.of(family, number, offset: 48, more: false, Pieces.fill(5)),
        ]
        for _ in 0..<300 {
          for piece in pieces {
            let seen = lab.guest(piece)
            #expect(seen.verdict == .forward)
          }
        }
        // The same place with other bytes is no copy.
        let forged = lab.guest(
          Pieces.of(family, number, offset: 24, more: true, Pieces.fill(24, 0x45)))
        let after = lab.guest(pieces[2])
        #expect(forged.reason == .fragmentOverlap && after.reason == .fragmentOverlap)
      }
    }
  }

  @Test("F-05: every piece that ends past 65,535 is parse.length, up to there it is judged")
  func pingOfDeath() throws {
    try withLab { lab in
      for family in Self.families {
        lab.guest(Pieces.of(family, 7, offset: 0, more: true, Pieces.start(24)))
        for offset in stride(from: 65_440, through: 65_528, by: 8) {
          for length in 1...96 {
            let seen = lab.guest(
              Pieces.of(family, 70_000 + offset, offset: offset, more: false, Pieces.fill(length)))
            let isPast = offset + length > 65_535
            #expect(
              seen.reason == (isPast ? .parseLength : .fragmentOrphan), "\(offset) \(length)")
          }
        }
        let end = lab.guest(
          Pieces.of(family, 7, offset: 65_528, more: false, Pieces.fill(7)))
        let past = lab.guest(
          Pieces.of(family, 7, offset: 65_528, more: false, Pieces.fill(8)))
        #expect(end.verdict == .forward && past.reason == .parseLength)
      }
    }
  }

  @Test("F-05: a datagram of 65,535 bytes and an Ethernet header is measured without wrapping")
  func largestDatagram() throws {
    try withLab { lab in
      for total in [65_535, 65_534, 65_522, 65_521] {
        let packet = Compose.ipv4(
          World.addressA, World.addressB, protocol: 17,
          Compose.udp(5_000, 53, Pieces.fill(total - 28)))
        let seen = lab.guest(packet)
        #expect(seen.verdict == .forward && seen.frame.count == total + 14, "\(total)")
        let remote = lab.guest(
          Compose.ipv4(
            World.addressA, World.remote, protocol: 17,
            Compose.udp(5_000, 53, Pieces.fill(total - 28))))
        #expect(remote.needsFragmentation && remote.mtu == 1_450)
      }
    }
  }

  @Test("F-07: first fragments of every length below their transport header are fragment.tiny")
  func tiny() throws {
    try withLab { lab in
      for (number, whole) in [(6, 20), (6, 40), (17, 8), (1, 8), (58, 8), (132, 12)] {
        for family in Self.families {
          if number == 1 && family == .v6 || number == 58 && family == .v4 { continue }
          let options = whole == 40 ? [UInt8](repeating: 1, count: 20) : []
          let segment =
            number == 6
            ? Compose.tcp(9, 443, flags: Compose.tcpSYN, options: options, Pieces.fill(40))
            : number == 17
              ? Pieces.start(64)
              : Compose.icmp(number == 1 ? 8 : 128, rest: [0, 7, 0, 1], Pieces.fill(56))
          for length in stride(from: 0, through: 48, by: 8) {
            let identifier = number * 1_000 + whole * 10 + length
            let seen = lab.guest(
              Pieces.of(
                family, identifier, offset: 0, more: true, Array(segment.prefix(length)),
                number: UInt8(number)))
            let isTiny = length < whole
            #expect(
              (seen.brief == "drop fragment.tiny") == isTiny, "\(number) \(length) \(seen)")
            // RFC 3128: what follows, at offset 8 too, has the fate of the first.
            let next = lab.guest(
              Pieces.of(
                family, identifier, offset: max(8, length), more: false, Pieces.fill(24),
                number: UInt8(number)))
            #expect((next.verdict == .forward) == !isTiny, "\(number) \(length) \(next)")
          }
        }
      }
    }
  }

  @Test("F-08: an atomic fragment is a whole packet, and leaves its identifier free")
  func atomic() throws {
    try withLab { lab in
      for round in 0..<50 {
        let seen = lab.guest(
          Pieces.v6(5, offset: 0, more: false, Compose.udp(UInt16(1_000 + round), 53)))
        #expect(seen.verdict == .forward)
      }
      let first = lab.guest(Pieces.v6(5, offset: 0, more: true, Pieces.start(24)))
      let between = lab.guest(Pieces.v6(5, offset: 0, more: false, Compose.udp(7_000, 53)))
      let last = lab.guest(Pieces.v6(5, offset: 24, more: false, Pieces.fill(1)))
      #expect(first.verdict == .forward && between.verdict == .forward)
      #expect(last.verdict == .forward)
      // Its ports are judged.
      let refused = lab.wire(
        Pieces.v6(
          5, offset: 0, more: false, Compose.udp(1, 54), source: World.remote6,
          destination: World.addressA6))
      #expect(refused.brief == "drop sg.ingress")
    }
  }

  @Test("F-08: pieces with more to come whose length is no multiple of 8 are parse.length")
  func oddLengths() throws {
    try withLab { lab in
      for family in Self.families {
        for length in 17...64 {
          for offset in [0, 64] {
            let identifier = length * 100 + offset
            if offset > 0 {
              lab.guest(Pieces.of(family, identifier, offset: 0, more: true, Pieces.start(64)))
            }
            let seen = lab.guest(
              Pieces.of(
                family, identifier, offset: offset, more: true,
                offset == 0 ? Pieces.start(length) : Pieces.fill(length)))
            let isOdd = length % 8 != 0
            #expect(seen.fate == (isOdd ? "drop parse.length" : "forward"), "\(length)")
          }
        }
      }
    }
  }

  @Test("F-08: a fragment header behind another or before hop-by-hop is parse.extension")
  func oddPlaces() throws {
    try withLab { lab in
      let header = Compose.fragmentHeader(next: 44, offset: 0, more: false, identifier: 1)
      let inner = Compose.fragmentHeader(next: 17, offset: 0, more: false, identifier: 2)
      let twice = lab.guest(
        Compose.ipv6(
          World.addressA6, World.remote6, next: 44, header + inner + Compose.udp(1, 53)))
      #expect(twice.brief == "drop parse.extension")
      let hop = lab.guest(
        Compose.ipv6(
          World.addressA6, World.remote6, next: 44,
          Compose.fragmentHeader(next: 0, offset: 0, more: false, identifier: 1)
            + [17, 0, 1, 4, 0, 0, 0, 0] + Compose.udp(1, 53)))
      #expect(hop.brief == "drop parse.extension")
      let behind = lab.guest(
        Compose.ipv6(
          World.addressA6, World.remote6, next: 60,
          HeaderTests.options(next: 44)
            + Compose.fragmentHeader(next: 17, offset: 0, more: true, identifier: 9)
            + Pieces.start(24)))
      #expect(behind.verdict == .forward)
    }
  }

  @Test("F-10: later fragments without their first are fragment.orphan, whatever the rules allow")
  func orphans() throws {
    try withLab { lab in
      for offset in stride(from: 8, through: 65_520, by: 4_088) {
        for number in [1, 6, 17, 58, 132, 47] as [UInt8] {
          let sent4 = lab.guest(
            Pieces.v4(offset, offset: offset, more: true, Pieces.fill(8), protocol: number))
          let sent6 = lab.guest(
            Pieces.v6(offset, offset: offset, more: true, Pieces.fill(8), next: number))
          let received = lab.wire(
            Pieces.v4(
              offset, offset: offset, more: true, Pieces.fill(8), protocol: number,
              source: World.remote, destination: World.addressA))
          let local = lab.guest(
            Pieces.v4(
              offset, offset: offset, more: true, Pieces.fill(8), protocol: number,
              destination: World.addressB))
          for seen in [sent4, sent6, received, local] {
            #expect(seen.brief == "drop fragment.orphan", "\(offset) \(number)")
          }
        }
      }
      // Nor when the first is another protocol's, another identifier's, another address's or of the
      // other direction.
      lab.guest(Pieces.v4(77, offset: 0, more: true, Pieces.start(24)))
      let others = [
        lab.guest(Pieces.v4(77, offset: 24, more: false, Pieces.fill(8), protocol: 6)),
        lab.guest(Pieces.v4(78, offset: 24, more: false, Pieces.fill(8))),
        lab.guest(
          Pieces.v4(77, offset: 24, more: false, Pieces.fill(8), source: "10.0.1.11")),
        lab.wire(
          Pieces.v4(
            77, offset: 24, more: false, Pieces.fill(8), source: World.remote,
            destination: World.addressA)),
      ]
      for seen in others { #expect(seen.brief == "drop fragment.orphan") }
    }
  }
}

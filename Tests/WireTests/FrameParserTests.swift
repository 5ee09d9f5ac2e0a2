import TestPackets
import Testing
import Wire

/// A frame, the reason its parsing ends with, and where its headers end.
struct ParserCase: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var frame: [UInt8]
  var reason = DropReason.none
  /// Bytes on the wire, where a capture has fewer.
  var originalLength: Int?
  /// As a capture on the sending host has it.
  var offloaded = false
}

@Suite struct FrameParserTests {
  static func frame(_ packet: [UInt8]) -> [UInt8] {
    Compose.ethernet(to: .router, from: MACAddress(0x02_00_00_00_00_0A), packet)
  }

  static func v4(
    _ number: UInt8, _ payload: [UInt8], options: [UInt8] = [], fragment: UInt16 = 0
  ) -> [UInt8] {
    Compose.ipv4(
      "10.0.1.10", "10.0.1.11", protocol: number, payload, options: options, fragment: fragment)
  }

  static func v6(_ next: UInt8, _ payload: [UInt8]) -> [UInt8] {
    Compose.ipv6("fd00::a", "fd00::b", next: next, payload)
  }

  /// Replaces bytes of a packet; an IPv4 header checksum is put right again.
  static func changed(_ packet: [UInt8], _ changes: [Int: UInt8]) -> [UInt8] {
    var packet = packet
    for (offset, byte) in changes { packet[offset] = byte }
    return packet[0] >> 4 == 6 ? packet : Compose.withHeaderChecksum(packet)
  }

  static func parse(
    _ frame: [UInt8], originalLength: Int? = nil, offloaded: Bool = false,
    _ look: (borrowing Headers) -> Void
  ) {
    let guarded = GuardedBytes(frame)
    var headers = Headers()
    FrameParser.parse(
      guarded.start, length: guarded.count, originalLength: originalLength ?? guarded.count,
      offloaded: offloaded, into: &headers)
    look(headers)
  }

  static let udp = Compose.udp(1000, 53)
  static let tcp = Compose.tcp(1000, 443, flags: Compose.tcpSYN)
  static let hopByHop: [UInt8] = [60, 0, 5, 2, 0, 0, 1, 0]
  static let destinationOptions: [UInt8] = [17, 0, 1, 4, 0, 0, 0, 0]

  // MARK: Reasons

  static let good: [ParserCase] = [
    .init(testDescription: "TCP", frame: frame(v4(6, tcp))),
    .init(
      testDescription: "TCP with options",
      frame: frame(v4(6, Compose.tcp(1, 2, flags: 2, options: [2, 4, 5, 0xB4], [1, 2])))),
    .init(testDescription: "UDP", frame: frame(v4(17, udp))),
    .init(testDescription: "UDP without payload", frame: frame(v4(17, Compose.udp(1, 2, [])))),
    .init(testDescription: "ICMP", frame: frame(v4(1, Compose.icmp(8)))),
    .init(testDescription: "SCTP", frame: frame(v4(132, [0, 1, 0, 2] + zeros(8)))),
    .init(testDescription: "another protocol", frame: frame(v4(47, [1]))),
    .init(testDescription: "record route", frame: frame(v4(17, udp, options: [7, 3, 4, 0]))),
    .init(testDescription: "router alert", frame: frame(v4(17, udp, options: [148, 4, 0, 0]))),
    .init(testDescription: "padding behind", frame: frame(v4(17, udp)) + zeros(14)),
    .init(testDescription: "TCP over IPv6", frame: frame(v6(6, tcp))),
    .init(testDescription: "UDP over IPv6", frame: frame(v6(17, udp))),
    .init(testDescription: "ICMPv6", frame: frame(v6(58, Compose.icmp(128)))),
    .init(
      testDescription: "hop-by-hop and destination options",
      frame: frame(v6(0, hopByHop + destinationOptions + udp))),
    .init(
      testDescription: "routing header without segments left",
      frame: frame(v6(43, [17, 0, 4, 0, 0, 0, 0, 0] + udp))),
    .init(
      testDescription: "atomic fragment",
      frame: frame(
        v6(44, Compose.fragmentHeader(next: 17, offset: 0, more: false, identifier: 1) + udp))),
    .init(
      testDescription: "authentication header over IPv6",
      frame: frame(v6(51, [17, 4] + zeros(22) + udp))),
    .init(testDescription: "last header is none", frame: frame(v6(59, []))),
    .init(
      testDescription: "offloaded checksum and length",
      frame: frame(replaced(v4(6, tcp), [2: 0, 3: 0, 10: 0, 11: 0])), offloaded: true),
    .init(
      testDescription: "ARP",
      frame: Compose.ethernet(
        to: .broadcast, from: .router, type: 0x0806, zeros(28))),
  ]

  static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

  static func replaced(_ bytes: [UInt8], _ changes: [Int: UInt8]) -> [UInt8] {
    var bytes = bytes
    for (offset, byte) in changes { bytes[offset] = byte }
    return bytes
  }

  static let bad: [ParserCase] = [
    bad("version 5", changed(v4(17, udp), [0: 0x55]), .parseHeader),
    bad("IHL 4", replaced(v4(17, udp), [0: 0x44]), .parseHeader),
    bad("TCP data offset 4", v4(6, replaced(tcp, [12: 0x40])), .parseHeader),
    .init(
      testDescription: "version 4 in an IPv6 frame",
      frame: Compose.ethernet(
        to: .router, from: .router, type: 0x86DD, replaced(v6(17, udp), [0: 0x40])),
      reason: .parseHeader),
    bad("a flipped bit", replaced(v4(17, udp), [8: 63]), .parseChecksum),
    bad("checksum zero, live", replaced(v4(17, udp), [10: 0, 11: 0]), .parseChecksum),
    bad("total length beyond the frame", changed(v4(17, udp), [3: 33]), .parseLength),
    bad("total length below the header", changed(v4(17, udp), [3: 19]), .parseLength),
    bad("total length zero, live", changed(v4(17, udp), [3: 0]), .parseLength),
    bad("UDP length 7", v4(17, replaced(udp, [5: 7])), .parseLength),
    bad("UDP length beyond the packet", v4(17, replaced(udp, [5: 13])), .parseLength),
    bad("UDP of 7 bytes", v4(17, Array(udp[..<7])) + zeros(20), .parseLength),
    bad("TCP of 19 bytes", v4(6, Array(tcp[..<19])) + zeros(20), .parseLength),
    bad("TCP options beyond the packet", v4(6, replaced(tcp, [12: 0x60])) + zeros(9), .parseLength),
    bad("ICMP of 7 bytes", v4(1, [8, 0, 0, 0, 0, 0, 0]) + zeros(20), .parseLength),
    bad("fragment of 12 bytes with more", v4(17, udp, fragment: 0x2000), .parseLength),
    bad("fragment past 65535", v4(17, zeros(16), fragment: 0x1FFF), .parseLength),
    bad("IPv6 payload beyond the frame", replaced(v6(17, udp), [5: 13]), .parseLength),
    bad("jumbo payload", v6(0, [17, 0, 0xC2, 4, 0, 1, 0, 0] + udp), .parseLength),
    bad(
      "hop-by-hop second",
      v6(60, [0, 0, 1, 4, 0, 0, 0, 0] + hopByHop + destinationOptions + udp), .parseExtension),
    bad(
      "two fragment headers",
      v6(44, fragmentAtom(44) + fragmentAtom(17) + udp), .parseExtension),
    bad("routing type 0", v6(43, [17, 0, 0, 0, 0, 0, 0, 0] + udp), .parseExtension),
    bad("segments left", v6(43, [17, 0, 4, 1, 0, 0, 0, 0] + udp), .parseExtension),
    bad("extension past the end", v6(60, [17, 9, 1, 4, 0, 0, 0, 0]) + zeros(80), .parseExtension),
    bad("nine extension headers", v6(60, chain(9) + udp), .parseExtension),
    bad(
      "264 bytes of extension headers",
      v6(
        60,
        [17, 32, 1, 253] + zeros(253) + [1, 5] + zeros(5)
          + udp), .parseExtension),
    bad("loose source route", v4(17, udp, options: [131, 3, 4, 0]), .parseOption),
    bad("strict source route", v4(17, udp, options: [137, 3, 4, 0]), .parseOption),
    bad("option of length 1", v4(17, udp, options: [7, 1, 0, 0]), .parseOption),
    bad("option past the header", v4(17, udp, options: [7, 5, 0, 0]), .parseOption),
    bad("option without length", v4(17, udp, options: [1, 1, 1, 7]), .parseOption),
    bad("IPv6 option past its header", v6(60, [17, 0, 1, 5, 0, 0, 0, 0] + udp), .parseOption),
    bad("IPv6 option without length", v6(60, [17, 0, 1, 3, 0, 0, 0, 5] + udp), .parseOption),
  ]

  static func bad(_ what: String, _ packet: [UInt8], _ reason: DropReason) -> ParserCase {
    ParserCase(testDescription: what, frame: frame(packet), reason: reason)
  }

  static func fragmentAtom(_ next: UInt8) -> [UInt8] {
    Compose.fragmentHeader(next: next, offset: 0, more: false, identifier: 1)
  }

  /// Destination options headers, one behind the other, before UDP.
  static func chain(_ count: Int) -> [UInt8] {
    (1...count).flatMap { [$0 == count ? 17 : 60, 0, 1, 4, 0, 0, 0, 0] as [UInt8] }
  }

  @Test(arguments: good + bad) func reasons(_ example: ParserCase) {
    Self.parse(
      example.frame, originalLength: example.originalLength, offloaded: example.offloaded
    ) { headers in
      #expect(headers.faults.reason == example.reason)
    }
  }

  /// What is missing has precedence over what is wrong, as far as the walk goes: eight headers.
  @Test(arguments: [
    (
      v6(60, [0, 0, 1, 4, 0, 0, 0, 0] + hopByHop + destinationOptions + udp), 8,
      DropReason.parseTruncated
    ),
    (v6(44, fragmentAtom(44) + fragmentAtom(17) + udp), 8, .parseTruncated),
    (v6(60, chain(9) + udp), 16, .parseExtension),
    (v6(60, chain(9) + udp), 17, .parseExtension),
  ])
  func cutBehindBadExtension(packet: [UInt8], missing: Int, reason: DropReason) {
    let whole = Self.frame(packet)
    Self.parse(
      Array(whole.dropLast(missing)), originalLength: whole.count, offloaded: false
    ) { headers in
      #expect(headers.faults.reason == reason)
    }
  }

  @Test func `every parse reason has a case`() {
    let all = DropReason.allCases.filter { $0.name.hasPrefix("parse.") && $0 != .parseTruncated }
    #expect(Set(Self.bad.map(\.reason)) == Set(all))
  }

  @Test func `eight extension headers pass`() {
    Self.parse(Self.frame(Self.v6(60, Self.chain(8) + Self.udp))) { headers in
      #expect(headers.faults.isEmpty)
      #expect(headers.transport == 17 && headers.destinationPort == 53)
    }
  }

  // MARK: Truncation

  /// Cut at every byte: without a header it is truncated, without payload it is whole; and nothing
  /// behind the last byte is read.
  @Test(arguments: good) func `a frame cut anywhere`(_ example: ParserCase) {
    var headerEnd = 0
    Self.parse(example.frame, offloaded: true) { headers in
      headerEnd = Self.headerEnd(headers, frame: example.frame)
    }
    for length in 0..<example.frame.count {
      Self.parse(
        Array(example.frame.prefix(length)), originalLength: example.frame.count, offloaded: true
      ) { headers in
        let expected = length < headerEnd ? DropReason.parseTruncated : .none
        #expect(headers.faults.reason == expected, "\(length) of \(example.frame.count) bytes")
      }
    }
  }

  static func headerEnd(_ headers: borrowing Headers, frame: [UInt8]) -> Int {
    guard headers.isIP else { return 14 + 28 }
    let transport = Int(headers.transportOffset)
    switch headers.transport {
    case 6: return transport + Int(frame[transport + 12] >> 4) * 4
    case 17, 1, 58: return transport + 8
    case 132: return transport + 12
    default: return transport
    }
  }

  @Test(arguments: bad) func `a damaged frame cut anywhere is read within its bytes`(
    _ example: ParserCase
  ) {
    for length in 0...example.frame.count {
      Self.parse(Array(example.frame.prefix(length)), originalLength: example.frame.count) {
        #expect(!$0.faults.isEmpty || length >= 34)
      }
      Self.parse(Array(example.frame.prefix(length))) { headers in
        #expect(!headers.faults.isEmpty)
      }
    }
  }

  @Test func `random bytes are read within their bounds`() {
    var random = SplitMix64(seed: 5)
    for _ in 0..<20_000 {
      let start = Self.good[Int(random.next() % UInt64(Self.good.count))].frame
      var frame = Array(start.prefix(Int(random.next() % UInt64(start.count + 1))))
      for _ in 0..<(random.next() % 4) where frame.count > 14 {
        frame[12 + Int(random.next() % UInt64(frame.count - 12))] =
          UInt8(truncatingIfNeeded: random.next())
      }
      Self.parse(frame, originalLength: frame.count + Int(random.next() % 3)) { headers in
        #expect(
          headers.faults.reason != .none || !headers.isIP
            || Int(headers.transportOffset) <= frame.count)
      }
    }
  }

  // MARK: What is read

  @Test func `fields of a TCP segment`() {
    let segment = Compose.tcp(
      1000, 443, sequence: 7, flags: Compose.tcpSYN | Compose.tcpACK, options: [1, 1, 1, 1], [5, 6])
    Self.parse(Self.frame(Self.v4(6, segment)) + [0, 0, 0]) { headers in
      #expect(headers.link == .ipv4 && headers.family == .v4)
      #expect(headers.source == Compose.address("10.0.1.10"))
      #expect(headers.destination == Compose.address("10.0.1.11"))
      #expect(headers.sourcePort == 1000 && headers.destinationPort == 443)
      #expect(headers.tcpFlags == [.syn, .ack])
      #expect(headers.networkOffset == 14 && headers.transportOffset == 34)
      #expect(headers.datagramLength == 46 && headers.segmentLength == 26)
      #expect(!headers.isFragment && headers.hasTransport && !headers.dontFragment)
      #expect(headers.ruleKey == 6 << 16 | 443 && headers.reversedRuleKey == 6 << 16 | 1000)
    }
  }

  @Test func `fields of fragments`() {
    Self.parse(Self.frame(Self.v4(17, Self.zeros(8) + Self.zeros(8), fragment: 0x2000))) {
      #expect($0.isFragment && !$0.isLaterFragment && $0.moreFragments)
      // A UDP length of zero is one fault; that a first fragment declares more is none.
      #expect($0.faults == .length)
    }
    let first = Compose.udp(1, 2, Self.zeros(92))
    Self.parse(Self.frame(Self.v4(17, Array(first.prefix(16)), fragment: 0x6000))) {
      #expect($0.faults.isEmpty && $0.dontFragment && $0.hasTransport && $0.fragmentLength == 16)
    }
    Self.parse(Self.frame(Self.v4(17, Array(first.dropFirst(16)), fragment: 2))) {
      #expect($0.faults.isEmpty && $0.isLaterFragment && !$0.hasTransport)
      #expect($0.fragmentOffset == 16 && $0.fragmentLength == 84 && $0.fragmentPayloadOffset == 34)
    }
    Self.parse(Self.frame(Self.v4(6, Self.zeros(16), fragment: 0x2000))) {
      #expect($0.isTiny && $0.faults.isEmpty)
    }
    let header = Compose.fragmentHeader(next: 17, offset: 16, more: true, identifier: 0xABCD)
    Self.parse(Self.frame(Self.v6(44, header + Self.zeros(8)))) {
      #expect($0.fragmentID == 0xABCD && $0.fragmentProtocol == 17 && $0.fragmentOffset == 16)
      #expect($0.moreFragments && $0.faults.isEmpty)
    }
  }

  @Test func `ICMP keys by type and code`() {
    Self.parse(Self.frame(Self.v4(1, Compose.icmp(3, 4)))) {
      #expect($0.ruleKey == 1 << 16 | 3 << 8 | 4 && $0.isICMP && !$0.hasPorts)
    }
    // ICMP in IPv6 is just a protocol number.
    Self.parse(Self.frame(Self.v6(1, Compose.icmp(3, 4)))) {
      #expect($0.ruleKey == 1 << 16 && !$0.isICMP)
    }
  }
}

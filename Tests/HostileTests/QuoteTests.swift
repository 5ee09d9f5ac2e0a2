import Datapath
import TestPackets
import Testing
import Wire

/// ICMP errors, and what they quote.
@Suite struct QuoteTests {
  static let flow = Compose.ipv4(
    World.addressA, World.remote, protocol: 17, Compose.udp(4_000, 5_353))
  static let quote = Array(flow.prefix(28))

  static func error(
    _ quote: [UInt8], type: UInt8 = 3, code: UInt8 = 1, from source: String = World.remote
  ) -> [UInt8] {
    Compose.ipv4(
      source, World.addressA, protocol: 1,
      Compose.icmp(type, code, rest: [0, 0, 0, 0], quote))
  }

  /// The quote with bytes replaced.
  static func changed(_ offset: Int, _ bytes: [UInt8]) -> [UInt8] {
    var quote = quote
    quote.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    return quote
  }

  @Test("C-04: an ICMP error belongs to the live connection it quotes, or needs a rule")
  func quotes() throws {
    try withLab { lab in
      let before = lab.wire(Self.error(Self.quote))
      #expect(before.brief == "drop sg.ingress")
      lab.guest(Self.flow)
      let wrong: [(String, [UInt8])] = [
        ("other source", Self.changed(12, [10, 0, 1, 11])),
        ("other destination", Self.changed(16, [10, 0, 2, 31])),
        ("other protocol", Self.changed(9, [6])), ("unknown protocol", Self.changed(9, [99])),
        ("other source port", Self.changed(20, [0, 1])),
        ("other destination port", Self.changed(22, [0, 1])),
        ("reversed", Self.changed(12, Array(Self.quote[16..<20]) + Array(Self.quote[12..<16]))),
        ("later fragment", Self.changed(6, [0, 1])), ("version 6", Self.changed(0, [0x65])),
        ("short header", Self.changed(0, [0x44])), ("long header", Self.changed(0, [0x4F])),
        ("an error", Self.changed(9, [1])),
      ]
      for (name, quote) in wrong {
        let seen = lab.wire(Self.error(quote))
        #expect(seen.brief == "drop sg.ingress", "\(name): \(seen)")
      }
      for length in 0..<28 {
        let seen = lab.wire(Self.error(Array(Self.quote[..<length])))
        #expect(seen.brief == "drop sg.ingress", "\(length)")
      }
      // The quote's own header checksum is what a router on the way made of it.
      let checksum = lab.wire(Self.error(Self.changed(10, [0, 0])))
      let right = lab.wire(Self.error(Self.quote))
      #expect(right.brief == "forward related" && checksum.brief == "forward related")
      #expect(Array(right.frame.dropFirst(14)) == Self.error(Self.quote))
      // It keeps nothing alive and makes nothing new.
      #expect(lab.worker.nicState(World.a).connections == 1)
      lab.pass(seconds: 31)
      let late = lab.wire(Self.error(Self.quote))
      #expect(late.brief == "drop sg.ingress")
    }
  }

  @Test("C-04: only errors are related: of all ICMP types five, and they change no connection")
  func types() throws {
    try withLab { lab in
      lab.guest(Self.flow)
      for type in UInt8(0)...255 {
        for code in [0, 1, 4, 255] as [UInt8] {
          let seen = lab.wire(Self.error(Self.quote, type: type, code: code))
          let expected =
            [3, 4, 5, 11, 12].contains(type)
            ? "forward related" : type == 0 ? "drop ct.invalid" : "drop sg.ingress"
          #expect(seen.brief == expected, "\(type) \(code)")
        }
      }
      let answer = lab.wire(
        Compose.ipv4(World.remote, World.addressA, protocol: 17, Compose.udp(5_353, 4_000)))
      #expect(answer.brief == "forward established")
    }
  }

  @Test("C-04: the same of ICMPv6, with truncated and endless extension headers in the quote")
  func quotes6() throws {
    try withLab { lab in
      let flow = Compose.ipv6(
        World.addressA6, World.remote6, next: 17, Compose.udp(4_000, 5_353))
      func error(_ quote: [UInt8], type: UInt8 = 1) -> Outcome {
        lab.wire(
          Compose.ipv6(
            World.remote6, World.addressA6, next: 58,
            Compose.icmp(type, rest: [0, 0, 0, 0], quote)))
      }
      lab.guest(flow)
      let right = error(Array(flow.prefix(48)))
      #expect(right.brief == "forward related")
      for length in 0..<48 {
        let seen = error(Array(flow.prefix(length)))
        #expect(seen.brief == "drop sg.ingress", "\(length)")
      }
      for kind in [0, 43, 44, 51, 60] as [UInt8] {
        for field in UInt8(0)...255 {
          var quote = Array(flow.prefix(40))
          quote[6] = kind
          quote += [kind, field, 0, 0, 0, 0, 0, 0]
          let seen = error(quote + [UInt8](repeating: kind, count: 64))
          #expect(seen.brief == "drop sg.ingress", "\(kind) \(field)")
        }
      }
      for type in UInt8(128)...255 where type != 129 {
        let seen = error(Array(flow.prefix(48)), type: type)
        #expect(seen.brief == "drop sg.ingress", "\(type)")
      }
    }
  }

  @Test("C-05: one guest's ICMP errors are not rationed by what another one caused")
  func rations() throws {
    func big(_ source: String) -> [UInt8] {
      var packet = Compose.ipv4(
        source, World.remote, protocol: 17, Compose.udp(4_000, 53, Pieces.fill(1_460)))
      packet[6] = 0x40
      return Compose.withHeaderChecksum(packet)
    }
    // Answers that b gets, with and without a asking as often as it can.
    var counts: [Int] = []
    for isLoud in [false, true] {
      try withLab { lab in
        var answers = 0
        for _ in 0..<200 {
          for _ in 0..<(isLoud ? 5 : 0) { lab.guest(big(World.addressA)) }
          if lab.guest(big(World.addressB), World.b).isAnsweredTooBig { answers += 1 }
          lab.pass(seconds: 0.001)
        }
        counts.append(answers)
      }
    }
    #expect(counts == [20, 20])
  }
}

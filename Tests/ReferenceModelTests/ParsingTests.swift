import Testing

/// Section "Parsing (first fault in this order)", and the link layer.
@Suite struct ParsingTests {
  static let good = ip4("10.0.1.10", "10.0.2.20", 17, udp(1, 2, bytes(20)))

  @Test("parse.truncated: a header, TCP with its options, is outside the captured bytes")
  func truncatedHeaders() {
    var lab = Lab()
    let options = frame(
      ip4("10.0.1.10", "10.0.2.20", 6, tcp(1, 2, "S", options: [1, 1, 1, 0])))
    #expect(
      lab.brief(Array(options.prefix(14 + 20 + 23)), original: options.count)
        == "drop parse.truncated")
    #expect(
      lab.brief(Array(options.prefix(14 + 19)), original: options.count) == "drop parse.truncated")
    #expect(lab.brief(options) == "forward new")
  }

  @Test("a payload that the capture cut drops nothing")
  func cutPayload() {
    var lab = Lab()
    let whole = frame(Self.good)
    #expect(lab.brief(Array(whole.prefix(42)), original: whole.count) == "forward new")
  }

  @Test("parse.header: wrong version, IHL < 5, TCP data offset < 5")
  func headers() {
    var lab = Lab()
    let udp = udp(1, 2)
    #expect(
      lab.brief(frame(type: 0x0800, ip6("fd00:10:0:1::a", "fd00::1", next: 17, udp)))
        == "drop parse.header")
    #expect(
      lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 17, udp, first: 0x44))) == "drop parse.header")
    let short = ip4("10.0.1.10", "10.0.2.20", 6, tcp(1, 2, "S", offset: 4))
    #expect(lab.brief(frame(short)) == "drop parse.header")
  }

  @Test("parse.checksum: IPv4 header; a header checksum of zero is what offload leaves")
  func checksum() {
    var lab = Lab()
    #expect(
      lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 17, udp(1, 2), checksum: 0x1234)))
        == "drop parse.checksum")
    #expect(
      lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 17, udp(1, 2), checksum: 0))) == "forward new")
  }

  @Test("faults are named in the order of the list: header before checksum before length")
  func order() {
    var lab = Lab()
    let both = ip4("10.0.1.10", "10.0.2.20", 17, udp(1, 2), total: 900, checksum: 0x1234)
    #expect(lab.brief(frame(both)) == "drop parse.checksum")
    let offset = ip4(
      "10.0.1.10", "10.0.2.20", 6, tcp(1, 2, "S", offset: 4), total: 900, checksum: 0x1234)
    #expect(lab.brief(frame(offset)) == "drop parse.header")
  }

  @Test("parse.length: IPv4 total length, UDP, TCP or ICMP (under 8) lengths that do not fit")
  func lengths() {
    var lab = Lab()
    #expect(
      lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 17, udp(1, 2), total: 29)))
        == "drop parse.length")
    #expect(
      lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 17, udp(1, 2, length: 9))))
        == "drop parse.length")
    #expect(
      lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 17, udp(1, 2, length: 7))))
        == "drop parse.length")
    // Padding follows the packet.
    let padded = ip4("10.0.1.10", "10.0.2.20", 1, icmp(8), total: 27)
    #expect(lab.brief(frame(padded)) == "drop parse.length")
    let jumbo: [UInt8] = [17, 0, 0xC2, 4, 0, 1, 0, 0]
    let packet = ip6("fd00:10:0:1::a", "fd00:10:0:1::20", next: 0, jumbo + udp(1, 2))
    #expect(lab.brief(frame(packet)) == "drop parse.length")
  }

  @Test("a total length of zero: the frame's length counts")
  func totalLengthZero() {
    var lab = Lab()
    #expect(
      lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 17, udp(1, 2), total: 0, checksum: 0)))
        == "forward new")
  }

  @Test("a fragment with M set whose length is no multiple of 8, or that ends past 65,535")
  func fragmentLengths() {
    var lab = Lab()
    let odd = ip4("10.0.1.10", "10.0.2.20", 17, bytes(15), piece: Piece(offset: 8, more: true))
    #expect(lab.brief(frame(odd)) == "drop parse.length")
    let far = ip4(
      "10.0.1.10", "10.0.2.20", 17, bytes(16), piece: Piece(offset: 65_528, more: false))
    #expect(lab.brief(frame(far)) == "drop parse.length")
  }

  @Test(
    "parse.extension: more than 8 headers or 256 bytes, hop-by-hop not first, routing",
    arguments: [
      (
        UInt8(60), [[UInt8]](repeating: [60, 0, 1, 4, 0, 0, 0, 0], count: 9), "drop parse.extension"
      ),
      (60, [[UInt8]](repeating: [60, 0, 1, 4, 0, 0, 0, 0], count: 8), "forward new"),
      (60, [[60, 31, 1, 252] + bytes(252), [60, 0, 1, 4, 0, 0, 0, 0]], "drop parse.extension"),
      (60, [[0, 0, 1, 4, 0, 0, 0, 0], [17, 0, 1, 4, 0, 0, 0, 0]], "drop parse.extension"),
      (44, [[44, 0, 0, 0, 0, 0, 0, 1], [17, 0, 0, 0, 0, 0, 0, 2]], "drop parse.extension"),
      (43, [[17, 0, 0, 0, 0, 0, 0, 0]], "drop parse.extension"),
      (43, [[17, 0, 2, 1, 0, 0, 0, 0]], "drop parse.extension"),
      (43, [[17, 0, 2, 0, 0, 0, 0, 0]], "forward new"),
      (51, [[17, 1] + bytes(10)], "forward new"),
      (60, [[17, 0, 1, 9, 0, 0, 0, 0]], "drop parse.option"),
    ])
  func extensions(_ next: UInt8, _ headers: [[UInt8]], _ expected: String) {
    var lab = Lab()
    var chain = headers
    if !chain.isEmpty { chain[chain.count - 1][0] = 17 }
    let packet = ip6(
      "fd00:10:0:1::a", "fd00:10:0:1::20", next: next, chain.flatMap { $0 } + udp(1, 2))
    #expect(lab.brief(frame(packet)) == expected)
  }

  @Test(
    "parse.option: source-route or malformed IPv4 option; record route and router alert pass",
    arguments: [
      ([131, 3, 4, 0] as [UInt8], "drop parse.option"), ([137, 3, 4, 0], "drop parse.option"),
      ([1, 1, 1, 9], "drop parse.option"), ([9, 1, 0, 0], "drop parse.option"),
      ([9, 5, 0, 0], "drop parse.option"), ([7, 3, 4, 0], "forward new"),
      ([148, 4, 0, 0], "forward new"),
    ])
  func options(_ options: [UInt8], _ expected: String) {
    var lab = Lab()
    let packet = ip4("10.0.1.10", "10.0.2.20", 17, udp(1, 2), options: options)
    #expect(lab.brief(frame(packet)) == expected)
  }

  @Test("up to two VLAN tags of a plain capture are looked through; with --at nic any is l2.vlan")
  func tags() {
    var lab = Lab()
    let one = frame(type: 0x8100, [0, 5, 8, 0] + Self.good)
    let two = frame(type: 0x88A8, [0, 5, 0x81, 0, 0, 6, 8, 0] + Self.good)
    #expect(lab.brief(one) == "forward new")
    #expect(lab.brief(two) == "forward established")
    lab = Lab()
    lab.options.atNIC = true
    #expect(lab.brief(one) == "drop l2.vlan")
  }

  @Test("raw IP and Linux cooked captures are judged; unknown link types: ignore")
  func linkTypes() {
    var lab = Lab()
    for link: UInt16 in [12, 14, 101, 228] {
      let verdict = lab.judge(Self.good, link: link)
      #expect(verdict.verdict == "forward" && verdict.eni == "eni-a")
    }
    let cooked: [UInt8] = [0, 0, 0, 1, 0, 6] + macOctets(Lab.elsewhere) + [0, 0, 8, 0]
    #expect(lab.brief(cooked + Self.good, link: 113) == "forward established")
    let cooked2: [UInt8] =
      [8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6] + macOctets(Lab.elsewhere) + [0, 0]
    #expect(lab.brief(cooked2 + Self.good, link: 276) == "forward established")
    #expect(lab.brief(frame(Self.good), link: 147) == "ignore eni.none")
  }
}

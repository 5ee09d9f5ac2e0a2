import SlowPath
import Testing
import Wire

@Suite struct InternetChecksumTests {
  @Test func example() {
    // The words of the example in RFC 1071 section 3; their sum is ddf2.
    var checksum = InternetChecksum()
    checksum.add(bytes("0001 f203 f4f5 f6f7"))
    #expect(checksum.value == ~0xDDF2)
  }

  @Test func oddLength() {
    var checksum = InternetChecksum()
    checksum.add([0x12, 0x34, 0x56])
    // 1234 + 5600 = 6834; its complement.
    #expect(checksum.value == 0x97CB)
  }

  @Test func carriesFold() {
    var checksum = InternetChecksum()
    checksum.add([UInt8](repeating: 0xFF, count: 100_000))
    #expect(checksum.value == 0)
  }

  @Test func pseudoHeader() {
    // 0a00 + 0001 + 0a00 + 0002 + 0011 + 0008 = 141c.
    let checksum = InternetChecksum(
      source: .of("10.0.0.1"), destination: .of("10.0.0.2"), protocolNumber: 17, length: 8)
    #expect(checksum.value == ~0x141C)
  }
}

@Suite struct EthernetTests {
  let header = EthernetHeader(
    destination: .of("02:00:00:00:00:0a"), source: .router, etherType: EtherType.ipv6)
  let octets = bytes("02000000000a 026170757301 86dd")

  @Test func parse() {
    #expect(reading(octets) { EthernetView($0).map(EthernetHeader.init) } == header)
  }

  @Test func emit() {
    var frame = [UInt8]()
    header.emit(into: &frame)
    #expect(frame == octets)
  }

  @Test func impossibleLengths() {
    #expect(shortestAccepted(of: octets) { EthernetView($0) != nil } == 14)
  }
}

@Suite struct IPv4Tests {
  let octets = bytes("45000020 00004000 4011b8b4 c0a80001 c0a800c7 000102030405060708090a0b")

  var header: IPv4Header {
    IPv4Header(
      protocolNumber: IPProtocol.udp, source: .of("192.168.0.1"),
      destination: .of("192.168.0.199"))
  }

  @Test func parse() {
    #expect(reading(octets) { IPv4View($0).map(IPv4Header.init) } == header)
    reading(octets + [0xEE, 0xEE]) { octets in
      let view = IPv4View(octets)
      #expect(view?.payload.array == Array(0...11))
      #expect(view?.dontFragment == true)
      #expect(view?.isCut == false)
    }
  }

  @Test func emit() {
    var packet = [UInt8]()
    header.emit(payloadLength: 12, into: &packet)
    // 4500 + 0020 + 4000 + 4011 + c0a8 + 0001 + c0a8 + 00c7 = 24749, folded 474b: its complement.
    #expect(packet == Array(octets.prefix(20)))
  }

  @Test func impossibleLengths() {
    #expect(shortestAccepted(of: octets) { IPv4View($0) != nil } == 20)
    reading(Array(octets.prefix(25))) { cut in
      #expect(IPv4View(cut)?.isCut == true)
      #expect(IPv4View(cut)?.payload.count == 5)
    }
    for first in [0x44, 0x55, 0x4F, 0x65] as [UInt8] {
      var changed = octets
      changed[0] = first
      #expect(reading(changed) { IPv4View($0) == nil }, "version and IHL \(first)")
    }
    var short = octets
    short[3] = 19
    #expect(reading(short) { IPv4View($0) == nil })
  }
}

@Suite struct IPv6Tests {
  let octets = bytes(
    """
    60000000 0004 3a ff fe80000000000000 0000000000000001 ff02000000000000 0000000000000002
    01020304
    """)

  var header: IPv6Header {
    IPv6Header(
      nextHeader: 58, hopLimit: 255, source: .of("fe80::1"), destination: .of("ff02::2"))
  }

  @Test func parse() {
    #expect(reading(octets) { IPv6View($0).map(IPv6Header.init) } == header)
    #expect(reading(octets + [9, 9]) { IPv6View($0)?.payload.array } == [1, 2, 3, 4])
  }

  @Test func emit() {
    var packet = [UInt8]()
    header.emit(payloadLength: 4, into: &packet)
    #expect(packet == Array(octets.prefix(40)))
  }

  @Test func impossibleLengths() {
    #expect(shortestAccepted(of: octets) { IPv6View($0) != nil } == 40)
    reading(Array(octets.prefix(42))) { cut in
      #expect(IPv6View(cut)?.isCut == true)
      #expect(IPv6View(cut)?.payload.count == 2)
    }
    #expect(reading([0x45] + octets.dropFirst()) { IPv6View($0) == nil })
  }

  /// Hop-by-hop (8), destination options (16), fragment at offset 8 with M set.
  @Test func upperLayer() {
    let chain = bytes(
      "3c00000000000000 2c01000000000000 0000000000000000 1100000900000001 cafe")
    var packet = [UInt8]()
    var header = header
    header.nextHeader = 0
    header.emit(payloadLength: chain.count, into: &packet)
    reading(packet + chain) { octets in
      let upper = IPv6View(octets).flatMap(IPv6UpperLayer.init)
      #expect(upper?.protocolNumber == 17)
      #expect(upper?.fragmentOffset == 8)
      #expect(upper?.moreFragments == true)
      #expect(upper?.payload.array == [0xCA, 0xFE])
    }
    let shortest = shortestAccepted(of: packet + chain) {
      IPv6View($0).flatMap(IPv6UpperLayer.init) != nil
    }
    #expect(shortest == 40 + 32)
  }
}

@Suite struct UDPTests {
  let octets = bytes("0043 0044 000a 0000 abcd")

  @Test func parse() {
    let header = UDPHeader(sourcePort: 67, destinationPort: 68)
    #expect(reading(octets) { UDPView($0).map(UDPHeader.init) } == header)
    #expect(reading(octets + [1]) { UDPView($0)?.payload.array } == [0xAB, 0xCD])
  }

  @Test func emit() {
    var datagram = [UInt8]()
    UDPHeader(sourcePort: 67, destinationPort: 68).emit(
      payload: [0xAB, 0xCD], source: .of("10.0.0.1"), destination: .of("10.0.0.2"),
      into: &datagram)
    // Pseudo header 0a00+1+0a00+2+11+a = 141e; datagram 43+44+a+abcd = ac5e; sum c07c.
    #expect(datagram == bytes("0043 0044 000a 3f83 abcd"))
  }

  @Test func zeroChecksumIsSentAsOnes() {
    var datagram = [UInt8]()
    // Without payload the sum is 141c + 43 + 44 + 8 = 14ab; the payload makes it ffff.
    UDPHeader(sourcePort: 67, destinationPort: 68).emit(
      payload: [0xEB, 0x50], source: .of("10.0.0.1"), destination: .of("10.0.0.2"),
      into: &datagram)
    #expect(Array(datagram[6..<8]) == [0xFF, 0xFF])
  }

  @Test func impossibleLengths() {
    #expect(shortestAccepted(of: octets) { UDPView($0) != nil } == 8)
    #expect(reading(bytes("0043 0044 0007 0000")) { UDPView($0) == nil })
  }
}

@Suite struct ARPFormatTests {
  let octets = bytes(
    "0001 0800 06 04 0001 02000000000a 0a00010a 000000000000 0a000101")
  let message = ARPMessage(
    operation: .request, senderHardware: Fixture.web, senderProtocol: .of("10.0.1.10"),
    targetHardware: MACAddress(0), targetProtocol: .of("10.0.1.1"))

  @Test func parse() {
    #expect(reading(octets) { ARPView($0).flatMap(ARPMessage.init) } == message)
  }

  @Test func emit() {
    var payload = [UInt8]()
    message.emit(into: &payload)
    #expect(payload == octets)
  }

  @Test func impossibleLengths() {
    #expect(shortestAccepted(of: octets) { ARPView($0) != nil } == 28)
  }

  @Test(arguments: [(1, 6), (2, 0x86), (4, 8), (5, 16), (7, 3)])
  func otherKinds(offset: Int, value: UInt8) {
    var changed = octets + [UInt8](repeating: 0, count: 40)
    changed[offset] = value
    #expect(reading(changed) { ARPView($0) != nil })
    #expect(reading(changed) { ARPView($0).flatMap(ARPMessage.init) == nil })
  }
}

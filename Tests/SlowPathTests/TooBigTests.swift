import SlowPath
import Testing
import Wire

@Suite struct TooBigTests {
  private func answer(_ frame: [UInt8], mtu: Int = 1450) -> [UInt8]? {
    var answer = [UInt8]()
    let isAnswered = frame.withUnsafeBytes {
      TooBig.answer(
        to: $0, mtu: mtu, routerV4: .of("10.0.1.1"), routerV6: .of("fd00:10:0:1::1"),
        into: &answer)
    }
    #expect(isAnswered == !answer.isEmpty)
    return isAnswered ? answer : nil
  }

  private func udp4(_ length: Int, destination: String = "10.0.2.20") -> [UInt8] {
    Guest.ipv4(
      17, [UInt8](repeating: 0, count: length), source: "10.0.1.10", destination: destination)
  }

  private func udp6(_ length: Int, destination: String = "fd00:10:0:2::50") -> [UInt8] {
    Guest.ipv6(
      17, [UInt8](repeating: 0, count: length), source: "fd00:10:0:1::a",
      destination: destination)
  }

  /// The frame, with its checksums, was computed apart from this code.
  @Test func goldenAnswer() {
    let zeros = [UInt8](repeating: 0, count: 100)
    let expected = bytes(
      """
      02000000000a 026170757301 0800 45c0 0094 0000 4000 40 01 239f 0a000101 0a00010a
      0304 f751 0000 05aa 4500 0078 0000 4000 40 11 2358 0a00010a 0a000214
      """)
    #expect(answer(udp4(100)) == expected + zeros)
    // Padding of the link layer is not quoted.
    #expect(answer(udp4(100) + [1, 2, 3]) == expected + zeros)
  }

  @Test func longestV4() {
    let frame = udp4(3000)
    let answer = answer(frame) ?? []
    #expect(answer.count == 14 + 576)
    reading(answer) { answer in
      let packet = IPv4View(answer.dropFirst(14))
      let message = packet.map(\.payload).flatMap(ICMPView.init)
        .flatMap(FragmentationNeeded.init)
      #expect(message?.mtu == 1450)
      #expect(message?.quote == Array(frame[14..<(14 + 548)]))
      var checksum = InternetChecksum()
      if let packet { checksum.add(packet.payload) }
      #expect(checksum.value == 0)
    }
  }

  @Test func longestV6() {
    let frame = udp6(3000)
    let answer = answer(frame) ?? []
    #expect(answer.count == 14 + 1280)
    reading(answer) { answer in
      guard let packet = IPv6View(answer.dropFirst(14)) else {
        Issue.record("no IPv6 packet")
        return
      }
      #expect(packet.source == .of("fd00:10:0:1::1"))
      #expect(packet.destination == .of("fd00:10:0:1::a"))
      #expect(packet.nextHeader == 58)
      let message = ICMPView(packet.payload).flatMap(PacketTooBig.init)
      #expect(message?.mtu == 1450)
      #expect(message?.quote == Array(frame[14..<(14 + 1232)]))
      var checksum = InternetChecksum(
        source: packet.source, destination: packet.destination, protocolNumber: 58,
        length: packet.payload.count)
      checksum.add(packet.payload)
      #expect(checksum.value == 0)
    }
  }

  @Test func errorsGetNoAnswer() {
    for type in UInt8.min...UInt8.max {
      let message = [type, 0, 0, 0] + [UInt8](repeating: 0, count: 60)
      let v4 = Guest.ipv4(1, message, source: "10.0.1.10", destination: "10.0.2.20")
      #expect((answer(v4) == nil) == [3, 4, 5, 11, 12].contains(type), "ICMP \(type)")
      let v6 = Guest.ipv6(
        58, message, source: "fd00:10:0:1::a", destination: "fd00:10:0:2::50")
      #expect((answer(v6) == nil) == (type < 128 || type == 137), "ICMPv6 \(type)")
    }
  }

  @Test(arguments: ["224.0.0.1", "239.1.2.3", "255.255.255.255", "0.0.0.0", "127.0.0.1"])
  func manyHostsV4(address: String) {
    #expect(answer(udp4(100, destination: address)) == nil)
    let from = Guest.ipv4(17, [0, 0, 0, 0], source: address, destination: "10.0.2.20")
    #expect(answer(from) == nil)
  }

  @Test(arguments: ["ff02::1", "::", "::1"])
  func manyHostsV6(address: String) {
    #expect(answer(udp6(100, destination: address)) == nil)
    let from = Guest.ipv6(17, [0, 0, 0, 0], source: address, destination: "fd00::1")
    #expect(answer(from) == nil)
  }

  @Test func linkLayerBroadcast() {
    var frame = udp4(100)
    frame[0] = 1
    #expect(answer(frame) == nil)
  }

  @Test func laterFragments() {
    var first = udp4(100)
    first[20] = 0x20
    #expect(answer(first) != nil)
    first[21] = 1
    #expect(answer(first) == nil)
    for (low, isAnswered) in [(1, true), (9, false)] as [(UInt8, Bool)] {
      let payload = [17, 0, 0, low, 0, 0, 0, 1] + [UInt8](repeating: 0, count: 60)
      let frame = Guest.ipv6(
        44, payload, source: "fd00:10:0:1::a", destination: "fd00:10:0:2::50")
      #expect((answer(frame) != nil) == isAnswered)
    }
  }

  @Test func notIP() {
    #expect(answer(Guest.arp("10.0.1.1")) == nil)
    #expect(answer([]) == nil)
    for length in 0..<34 { #expect(answer(Array(udp4(100).prefix(length))) == nil) }
    for length in 0..<54 { #expect(answer(Array(udp6(100).prefix(length))) == nil) }
  }

  @Test func mtuOutOfRange() {
    for (mtu, expected) in [(-1, 0), (70_000, 65535)] as [(Int, UInt16)] {
      let answer = answer(udp4(100), mtu: mtu) ?? []
      let message = reading(answer) { answer in
        ICMPView(answer.dropFirst(34)).flatMap(FragmentationNeeded.init)
      }
      #expect(message?.mtu == expected)
    }
  }
}

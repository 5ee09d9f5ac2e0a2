import Tables
import Testing
import VPCModel
import Wire

@testable import Replay

/// A recorded frame and whom it belongs to.
struct AttributionCase: CustomTestStringConvertible {
  var testDescription: String
  var frame: [UInt8]
  var linkType: UInt16 = 1
  var preferred: TableIndex = .none
  var expected: Attribution
}

@Suite struct AttributionTests {
  static let ip: UInt16 = 0x0800
  static let far = "198.51.100.7"

  static func attribute(_ frame: [UInt8], linkType: UInt16, preferred: TableIndex) -> Attribution {
    let attributor = Attributor(model: Fixture.model(), preferred: preferred)
    return frame.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress,
        let link = LinkLayer(linkType: linkType, bytes: start, captured: bytes.count)
      else { return .ignore }
      return attributor.attribute(link, start, bytes.count)
    }
  }

  static func frame(
    to: MACAddress = Fixture.stranger, from: MACAddress = Fixture.stranger, tags: [UInt16] = [],
    _ type: UInt16, _ payload: [UInt8]
  ) -> [UInt8] {
    Fixture.ethernet(to: to, from: from, tags: tags, type: type, payload)
  }

  static func frame(
    to: MACAddress = Fixture.stranger, from: MACAddress = Fixture.stranger, tags: [UInt16] = [],
    _ packet: [UInt8]
  ) -> [UInt8] {
    Fixture.ethernet(to: to, from: from, tags: tags, type: ip, packet)
  }

  static let cases: [AttributionCase] = [
    .init(
      testDescription: "source MAC wins over source IP",
      frame: frame(from: Fixture.data, Fixture.ipv4("10.0.1.10", far)), expected: .guest(1)),
    .init(
      testDescription: "source IP where the MAC is unknown",
      frame: frame(Fixture.ipv4("10.0.1.11", far)), expected: .guest(1)),
    .init(
      testDescription: "source IP of two NICs: model order",
      frame: frame(Fixture.ipv4("10.0.1.10", far)), expected: .guest(0)),
    .init(
      testDescription: "source IP of two NICs: --eni settles doubt",
      frame: frame(Fixture.ipv4("10.0.1.10", far)), preferred: 2, expected: .guest(2)),
    .init(
      testDescription: "--eni adopts nothing that no address claims",
      frame: frame(Fixture.ipv4(far, far)), preferred: 2, expected: .ignore),
    .init(
      testDescription: "between local NICs it is the sender's",
      frame: frame(to: Fixture.data, Fixture.ipv4("10.0.1.12", "10.0.1.11")), expected: .guest(0)),
    .init(
      testDescription: "destination IP",
      frame: frame(Fixture.ipv4(far, "10.0.1.11")), expected: .captured(1)),
    .init(
      testDescription: "destination IP of two NICs: by MAC",
      frame: frame(to: Fixture.green, Fixture.ipv4(far, "10.0.1.10")), expected: .captured(2)),
    .init(
      testDescription: "destination MAC wins over --eni",
      frame: frame(to: Fixture.web, Fixture.ipv4(far, "10.0.1.10")), preferred: 2,
      expected: .captured(0)),
    .init(
      testDescription: "to a NIC's MAC but to no address of it",
      frame: frame(to: Fixture.data, Fixture.ipv4(far, "10.0.9.9")), expected: .captured(1)),
    .init(
      testDescription: "public addresses attribute nothing",
      frame: frame(Fixture.ipv4(far, "203.0.113.10")), expected: .ignore),
    .init(
      testDescription: "IPv6 by source",
      frame: frame(0x86DD, Fixture.ipv6("fd00:10:0:1::a", "2001:db8::1")), expected: .guest(0)),
    .init(
      testDescription: "IPv6 by destination",
      frame: frame(0x86DD, Fixture.ipv6("2001:db8::1", "fd00:10:0:1::a")), expected: .captured(0)),
    .init(
      testDescription: "multicast is judged only as sent",
      frame: frame(to: Fixture.data, Fixture.ipv4(far, "224.0.0.251")), expected: .ignore),
    .init(
      testDescription: "multicast that was sent",
      frame: frame(Fixture.ipv4("10.0.1.11", "224.0.0.251")), expected: .guest(1)),
    .init(
      testDescription: "limited broadcast from elsewhere",
      frame: frame(Fixture.ipv4(far, "255.255.255.255")), expected: .ignore),
    .init(
      testDescription: "a NIC's address in a broadcast frame from elsewhere",
      frame: frame(to: .broadcast, Fixture.ipv4(far, "10.0.1.11")), expected: .ignore),
    .init(
      testDescription: "a later fragment of UDP to the host",
      frame: frame(Fixture.ipv4(far, Fixture.host).enumerated().map { $0 == 7 ? 9 : $1 }),
      expected: .underlay),
    .init(
      testDescription: "IPv6 multicast from elsewhere",
      frame: frame(0x86DD, Fixture.ipv6("2001:db8::1", "ff02::1")), expected: .ignore),
    .init(
      testDescription: "Geneve to the host",
      frame: frame(Fixture.ipv4(far, Fixture.host, Fixture.udp(5000, 6081))),
      expected: .underlay),
    .init(
      testDescription: "VXLAN to the host",
      frame: frame(Fixture.ipv4(far, Fixture.host, Fixture.udp(5000, 4789))),
      expected: .underlay),
    .init(
      testDescription: "a tunnel's port behind the end of a packet to the host",
      frame: frame(
        Fixture.ipv4(far, Fixture.host, Fixture.udp(5000, 4789)).enumerated().map {
          $0 == 3 ? 27 : $1
        }), expected: .ignore),
    .init(
      testDescription: "a later fragment of UDP to the host with a header of 16 bytes",
      frame: frame(
        Fixture.ipv4(far, Fixture.host).enumerated().map { $0 == 7 ? 9 : $0 == 0 ? 0x44 : $1 }),
      expected: .ignore),
    .init(
      testDescription: "other traffic to the host",
      frame: frame(Fixture.ipv4(far, Fixture.host)), expected: .ignore),
    .init(
      testDescription: "TCP to a tunnel port of the host",
      frame: frame(
        Fixture.ipv4(far, Fixture.host, protocol: 6, Fixture.tcp(5000, 6081, flags: 2))),
      expected: .ignore),
    .init(
      testDescription: "traffic from the host to a NIC's address",
      frame: frame(Fixture.ipv4(Fixture.host, "10.0.1.11")), expected: .ignore),
    .init(
      testDescription: "a guest's own tunnel is its payload",
      frame: frame(
        from: Fixture.web, Fixture.ipv4("10.0.1.10", Fixture.host, Fixture.udp(5000, 6081))),
      expected: .guest(0)),
    .init(
      testDescription: "ARP by sender protocol address",
      frame: frame(
        to: .broadcast, 0x0806, Fixture.arp(sender: "10.0.1.11", target: "10.0.1.1")),
      expected: .guest(1)),
    .init(
      testDescription: "ARP by target protocol address",
      frame: frame(to: .broadcast, 0x0806, Fixture.arp(sender: far, target: "10.0.1.11")),
      expected: .captured(1)),
    .init(
      testDescription: "ARP probe by MAC",
      frame: frame(
        to: .broadcast, from: Fixture.web, 0x0806,
        Fixture.arp(sender: "0.0.0.0", target: "10.0.1.10")), expected: .guest(0)),
    .init(
      testDescription: "another EtherType from a NIC",
      frame: frame(from: Fixture.web, 0x88CC, [1, 2]), expected: .guest(0)),
    .init(
      testDescription: "another EtherType to a NIC",
      frame: frame(to: Fixture.web, 0x88CC, [1, 2]), expected: .captured(0)),
    .init(
      testDescription: "another EtherType of strangers", frame: frame(0x88CC, [1, 2]),
      expected: .ignore),
    .init(
      testDescription: "through two tags",
      frame: frame(tags: [0x88A8, 0x8100], Fixture.ipv4("10.0.1.11", far)), expected: .guest(1)),
    .init(
      testDescription: "not through three tags",
      frame: frame(tags: [0x8100, 0x8100, 0x8100], Fixture.ipv4("10.0.1.11", far)),
      expected: .ignore),
    .init(
      testDescription: "cut behind the IP header",
      frame: Array(frame(Fixture.ipv4("10.0.1.11", far)).prefix(34)), expected: .guest(1)),
    .init(
      testDescription: "cut within the IP header",
      frame: Array(frame(Fixture.ipv4("10.0.1.11", far)).prefix(33)), expected: .ignore),
    .init(
      testDescription: "cut behind the MAC addresses",
      frame: Array(frame(from: Fixture.web, Fixture.ipv4(far, far)).prefix(12)),
      expected: .guest(0)),
    .init(
      testDescription: "cut within the MAC addresses",
      frame: Array(frame(to: Fixture.web, Fixture.ipv4(far, far)).prefix(11)), expected: .ignore),
    .init(
      testDescription: "raw IP", frame: Fixture.ipv4(far, "10.0.1.11"), linkType: 101,
      expected: .captured(1)),
    .init(
      testDescription: "raw IPv6", frame: Fixture.ipv6("fd00:10:0:1::a", "2001:db8::1"),
      linkType: 12, expected: .guest(0)),
    .init(
      testDescription: "raw that is neither", frame: [0x10] + Fixture.ipv4(far, "10.0.1.11"),
      linkType: 101, expected: .ignore),
    .init(
      testDescription: "Linux cooked v1 by its link-layer address",
      frame: [0, 4, 0, 1, 0, 6] + Fixture.bytes(Fixture.data.bits, 6) + [0, 0, 8, 0]
        + Fixture.ipv4("10.0.1.10", far), linkType: 113, expected: .guest(1)),
    .init(
      testDescription: "Linux cooked v2",
      frame: [8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6] + Fixture.bytes(Fixture.stranger.bits, 6) + [
        0, 0,
      ]
        + Fixture.ipv4(far, "10.0.1.11"), linkType: 276, expected: .captured(1)),
    .init(
      testDescription: "an unknown link type",
      frame: frame(from: Fixture.web, Fixture.ipv4(far, far)), linkType: 105, expected: .ignore),
  ]

  @Test(arguments: cases) func attributes(_ example: AttributionCase) {
    #expect(
      Self.attribute(example.frame, linkType: example.linkType, preferred: example.preferred)
        == example.expected)
  }

  @Test func everyPrefixOfAFrameIsSafe() {
    for example in Self.cases {
      for length in 0...example.frame.count {
        // Exactly as much memory as there are bytes, for the address sanitizer to watch.
        _ = Self.attribute(
          Array(example.frame.prefix(length)), linkType: example.linkType, preferred: .none)
      }
    }
  }

  /// Of 20 bytes of payload 16 are headers up to the port; as many as 256 of extensions are parsed.
  @Test(arguments: [
    (20, 1, true), (16, 1, true), (15, 1, false), (268, 32, true), (276, 33, false),
  ])
  func tunnelBehindExtensionHeaders(payload: Int, words: Int, isTunnel: Bool) throws {
    var model = Fixture.model()
    let host = Fixture.address("2001:db8::1")
    model.host = Host(address: host, mac: Fixture.stranger, gatewayMAC: Fixture.stranger)
    let attributor = Attributor(model: model)
    let size = 8 * words - 2
    let padding: [UInt8] = [1, UInt8(clamping: size - 2)] + [UInt8](repeating: 0, count: size - 2)
    var packet = Fixture.ipv6(
      "2001:db8::2", "2001:db8::1", next: 60,
      [17, UInt8(words - 1)] + padding + Fixture.udp(9, 6081))
    packet.replaceSubrange(4..<6, with: Fixture.bytes(UInt64(payload), 2))
    try Self.frame(0x86DD, packet).withUnsafeBytes { bytes in
      let start = try #require(bytes.baseAddress)
      let link = try #require(LinkLayer(linkType: 1, bytes: start, captured: bytes.count))
      #expect(
        attributor.attribute(link, start, bytes.count) == (isTunnel ? .underlay : .ignore))
    }
  }
}

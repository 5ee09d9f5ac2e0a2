import TestPackets
import Testing
import VPCModel
import Wire

/// The internet gateway's one-to-one translation, both ways.
@Suite struct TranslationTests {
  static let far = "198.51.100.7"
  static let own = "10.0.1.10"
  static let ours = "203.0.113.10"

  static let payloads: [(UInt8, [UInt8])] = [
    (6, Compose.tcp(1000, 443, flags: Compose.tcpSYN, [1, 2, 3])),
    (17, Compose.udp(5000, 53, [1, 2, 3])), (1, Compose.icmp(8)),
  ]

  private func leaves(_ packet: [UInt8]) throws -> [UInt8] {
    let sent = try Run.frames(
      [Compose.ethernet(to: .router, from: TwoHosts.web, packet)], TwoHosts.model(host: 1))
    let frame = try #require(sent.first)
    let outer = Outer(frame.bytes)
    #expect(sent.count == 1 && outer.faults == [] && outer.vni == TwoHosts.gatewayVNI)
    #expect(outer.destination == [192, 0, 2, 254])
    return Array(outer.inner[14...])
  }

  private func arrives(_ packet: [UInt8]) throws -> [UInt8] {
    let inner = Compose.ethernet(to: TwoHosts.web, from: .router, packet)
    let geneve = [0, 0, 0x65, 0x58] + Compose.bytes(UInt64(TwoHosts.gatewayVNI) << 8, 4) + inner
    let outer = Compose.ipv4(
      "192.0.2.254", "192.0.2.1", protocol: 17, Compose.udp(50000, 6081, geneve))
    let sent = try Run.frames(
      [Compose.ethernet(to: .router, from: .router, outer)], TwoHosts.model(host: 1))
    let frame = try #require(sent.first)
    #expect(sent.count == 1 && frame.place == "eni-web")
    #expect(frame.destination == TwoHosts.web && frame.source == .router)
    return frame.packet
  }

  @Test func `the source becomes the public address`() throws {
    for (number, payload) in Self.payloads {
      let packet = Compose.withTransportChecksum(
        Compose.ipv4(Self.own, Self.far, protocol: number, payload))
      let expected = Compose.withTransportChecksum(
        Compose.ipv4(Self.ours, Self.far, protocol: number, payload))
      #expect(try leaves(packet) == expected)
      #expect(Checksums.isTransportValid(expected))
    }
  }

  @Test func `the destination becomes the private address`() throws {
    for (number, payload) in Self.payloads {
      let packet = Compose.withTransportChecksum(
        Compose.ipv4(Self.far, Self.ours, protocol: number, payload))
      let expected = Compose.withTransportChecksum(
        Compose.ipv4(Self.far, Self.own, protocol: number, payload))
      #expect(try arrives(packet) == expected)
    }
  }

  @Test func `a UDP checksum of zero stays zero, and none becomes zero`() throws {
    let none = Compose.ipv4(Self.own, Self.far, protocol: 17, Compose.udp(5000, 53))
    let sent = try leaves(none)
    #expect(Array(sent[26..<28]) == [0, 0] && Checksums.isHeaderValid(sent))
    // A payload for which the translated sum is all ones: the field would be zero.
    var packet = Compose.withTransportChecksum(
      Compose.ipv4(Self.ours, Self.far, protocol: 17, Compose.udp(5000, 53, [0, 0])))
    let field = [packet[26], packet[27]]
    packet.replaceSubrange(28..<30, with: field)
    packet = Compose.withTransportChecksum(packet)
    #expect(Array(packet[26..<28]) == [0xFF, 0xFF])
    let inside = Compose.withTransportChecksum(
      Compose.ipv4(Self.own, Self.far, protocol: 17, Compose.udp(5000, 53, field)))
    let translated = try leaves(inside)
    #expect(translated == packet)
  }

  @Test func `a wrong checksum stays wrong`() throws {
    var packet = Compose.withTransportChecksum(
      Compose.ipv4(Self.own, Self.far, protocol: 17, Compose.udp(5000, 53)))
    packet[27] ^= 0x10
    let sent = try leaves(packet)
    #expect(!Checksums.isTransportValid(sent) && Checksums.isHeaderValid(sent))
  }

  @Test func `an ICMP error is translated with what it quotes`() throws {
    func error(_ source: String, _ destination: String, quoting quote: [UInt8]) -> [UInt8] {
      Compose.withTransportChecksum(
        Compose.ipv4(
          source, destination, protocol: 1,
          Compose.icmp(3, 1, rest: [0, 0, 0, 0], Array(quote.prefix(28)))))
    }
    func quote(_ source: String, _ destination: String) -> [UInt8] {
      Compose.ipv4(source, destination, protocol: 17, Compose.udp(5000, 53, [7, 7]))
    }
    let out = try leaves(error(Self.own, Self.far, quoting: quote(Self.far, Self.own)))
    #expect(out == error(Self.ours, Self.far, quoting: quote(Self.far, Self.ours)))
    let home = try arrives(error(Self.far, Self.ours, quoting: quote(Self.ours, Self.far)))
    #expect(home == error(Self.far, Self.own, quoting: quote(Self.own, Self.far)))
  }

  /// No rule lets it in: it comes because it is about a connection of the private address.
  @Test func `an ICMP error about a translated connection belongs to it`() throws {
    var model = TwoHosts.model(host: 1)
    for index in model.securityGroups.indices { model.securityGroups[index].ingress = [] }
    let sent = Compose.ipv4(Self.own, Self.far, protocol: 17, Compose.udp(5000, 53, [7, 7]))
    let quote = Compose.ipv4(Self.ours, Self.far, protocol: 17, Compose.udp(5000, 53, [7, 7]))
    let error = Compose.withTransportChecksum(
      Compose.ipv4(
        "192.0.2.77", Self.ours, protocol: 1,
        Compose.icmp(3, 1, rest: [0, 0, 0, 0], Array(quote.prefix(28)))))
    let inner = Compose.ethernet(to: TwoHosts.web, from: .router, error)
    let geneve = [0, 0, 0x65, 0x58] + Compose.bytes(UInt64(TwoHosts.gatewayVNI) << 8, 4) + inner
    let outer = Compose.ipv4(
      "192.0.2.254", "192.0.2.1", protocol: 17, Compose.udp(50000, 6081, geneve))
    let frames = try Run.frames(
      [
        Compose.ethernet(to: .router, from: TwoHosts.web, sent),
        Compose.ethernet(to: .router, from: .router, outer),
      ], model)
    #expect(frames.map(\.place) == ["underlay", "eni-web"])
  }

  @Test func `IPv6 passes untranslated`() throws {
    let packet = Compose.withTransportChecksum(
      Compose.ipv6("fd00:10:0:1::a", "2001:db8:77::1", next: 17, Compose.udp(5000, 53)))
    #expect(try leaves(packet) == packet)
    let back = Compose.withTransportChecksum(
      Compose.ipv6("2001:db8:77::1", "fd00:10:0:1::a", next: 17, Compose.udp(53, 5000)))
    #expect(try arrives(back) == back)
  }
}

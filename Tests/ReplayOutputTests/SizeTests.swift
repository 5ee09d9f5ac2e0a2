import TestPackets
import Testing
import VPCModel
import Wire

@Suite struct SizeTests {
  static let payload = (0..<4_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

  @Test(arguments: TwoHosts.underlays) func `fragments reassemble to what was sent`(
    _ underlay: TwoHosts.Underlay
  ) throws {
    let packet = Compose.withTransportChecksum(
      Compose.ipv4(
        "10.0.1.10", "10.0.1.20", protocol: 17, Compose.udp(5000, 53, Self.payload),
        identifier: 0x1234))
    let guest = Compose.ethernet(to: TwoHosts.remote, from: TwoHosts.web, packet)
    let sent = try Run.frames([guest], TwoHosts.model(host: 1, underlay))
    let limit = underlay.family == .v4 ? 1450 : 1430
    var body: [UInt8] = []
    #expect(sent.count == 3)
    for (index, frame) in sent.enumerated() {
      let outer = Outer(frame.bytes)
      #expect(outer.faults == [] && outer.vni == TwoHosts.vni)
      #expect(Array(outer.inner[..<14]) == Array(guest[..<14]))
      let piece = Array(outer.inner[14...])
      #expect(piece.count <= limit && Checksums.isHeaderValid(piece))
      #expect(Array(piece[4..<6]) == [0x12, 0x34])
      let word = Int(piece[6]) << 8 | Int(piece[7])
      #expect((word & 0x1FFF) * 8 == body.count)
      #expect((word & 0x2000 != 0) == (index < sent.count - 1))
      body += piece[20...]
    }
    #expect(body == Array(packet[20...]))
    // Through the other host, the guest gets the pieces.
    let delivered = try Run.frames(sent.map(\.bytes), TwoHosts.model(host: 2, underlay))
    #expect(delivered.flatMap { $0.packet[20...] } == Array(packet[20...]))
  }

  @Test func `fragmentation needed quotes the packet`() throws {
    let packet = Compose.withTransportChecksum(
      Compose.ipv4(
        "10.0.1.10", "10.0.1.20", protocol: 17, Compose.udp(5000, 53, Self.payload),
        fragment: 0x4000))
    let sent = try Run.frames(
      [Compose.ethernet(to: .router, from: TwoHosts.web, packet)], TwoHosts.model(host: 1))
    #expect(sent.map(\.place) == ["eni-web"])
    let answer = try #require(sent.first)
    #expect(answer.destination == TwoHosts.web && answer.source == .router)
    let bytes = answer.packet
    #expect(Checksums.isHeaderValid(bytes) && Checksums.isTransportValid(bytes))
    #expect(Array(bytes[12..<20]) == [10, 0, 1, 1, 10, 0, 1, 10])
    // Type 3, code 4, the inner packet's limit (RFC 1191).
    #expect(bytes[20] == 3 && bytes[21] == 4 && Array(bytes[26..<28]) == [0x05, 0xAA])
    #expect(Array(bytes[28...]) == Array(packet.prefix(bytes.count - 28)))
    #expect(bytes.count >= 28 + 28)
  }

  @Test func `packet too big quotes the packet`() throws {
    let packet = Compose.withTransportChecksum(
      Compose.ipv6(
        "fd00:10:0:1::a", "fd00:10:0:1::14", next: 17, Compose.udp(5000, 53, Self.payload)))
    let sent = try Run.frames(
      [Compose.ethernet(to: .router, from: TwoHosts.web, packet)], TwoHosts.model(host: 1))
    let answer = try #require(sent.first)
    let bytes = answer.packet
    #expect(sent.count == 1 && answer.place == "eni-web" && answer.destination == TwoHosts.web)
    #expect(Checksums.isTransportValid(bytes))
    #expect(bytes[40] == 2 && bytes[41] == 0 && Array(bytes[44..<48]) == [0, 0, 0x05, 0xAA])
    #expect(Array(bytes[48...]) == Array(packet.prefix(bytes.count - 48)))
    #expect(bytes.count <= 1280)
  }
}

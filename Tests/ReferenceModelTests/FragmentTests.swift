import Testing
import VPCModel
import Wire

/// Section "Fragments", and what "Details" says of them.
@Suite struct FragmentTests {
  /// A fragment of eni-a's UDP to another host.
  static func piece(
    _ offset: Int, _ payload: [UInt8], more: Bool = true, id: Int = 1, to: String = "10.0.2.20"
  ) -> [UInt8] {
    frame(
      ip4("10.0.1.10", to, 17, payload, piece: Piece(identifier: id, offset: offset, more: more)))
  }

  static let first = udp(9, 53, bytes(8), length: 48)

  @Test("later ones follow its verdict; a later fragment has its first fragment's state")
  func follow() {
    var lab = Lab()
    #expect(lab.brief(Self.piece(0, Self.first)) == "forward new")
    let later = lab.judge(Self.piece(16, bytes(16)))
    #expect(later.verdict == "forward" && later.state == "new" && later.rule == "sg/egress/0")
    #expect(lab.brief(Self.piece(0, Self.first, id: 2)) == "forward established")
    #expect(lab.brief(Self.piece(16, bytes(16), id: 2)) == "forward established")
  }

  @Test("Without a known first fragment: fragment.orphan; order of arrival opens no hole")
  func orphan() {
    var lab = Lab()
    #expect(lab.brief(Self.piece(16, bytes(16))) == "drop fragment.orphan")
    #expect(lab.brief(Self.piece(0, Self.first)) == "forward new")
    #expect(lab.brief(Self.piece(16, bytes(16), id: 2)) == "drop fragment.orphan")
  }

  @Test("an entry lives 15 s from its first fragment")
  func lifetime() {
    var lab = Lab()
    #expect(lab.brief(Self.piece(0, Self.first)) == "forward new")
    #expect(lab.brief(Self.piece(16, bytes(8)), at: 14_999) == "forward new")
    #expect(lab.brief(Self.piece(24, bytes(8)), at: 15_000) == "drop fragment.orphan")
  }

  @Test("Overlap: fragment.overlap, and the rest of that datagram with it")
  func overlap() {
    var lab = Lab()
    #expect(lab.brief(Self.piece(0, Self.first)) == "forward new")
    #expect(lab.brief(Self.piece(8, bytes(16))) == "drop fragment.overlap")
    #expect(lab.brief(Self.piece(32, bytes(8), more: false)) == "drop fragment.overlap")
  }

  @Test("an exact duplicate (offset, length, bytes) follows its datagram")
  func duplicate() {
    var lab = Lab()
    #expect(lab.brief(Self.piece(0, Self.first)) == "forward new")
    #expect(lab.brief(Self.piece(16, bytes(8))) == "forward new")
    #expect(lab.brief(Self.piece(16, bytes(8))) == "forward new")
    #expect(lab.brief(Self.piece(0, Self.first)) == "forward new")
    #expect(lab.brief(Self.piece(16, [1] + bytes(7))) == "drop fragment.overlap")
  }

  @Test(
    "A first fragment without a full transport header: fragment.tiny, and the rest"
  )
  func tiny() {
    var lab = Lab()
    let packet = ip4(
      "10.0.1.10", "10.0.2.20", 6, Array(tcp(1, 2, "S").prefix(16)),
      piece: Piece(offset: 0, more: true))
    #expect(lab.brief(frame(packet)) == "drop fragment.tiny")
    let later = ip4("10.0.1.10", "10.0.2.20", 6, bytes(8), piece: Piece(offset: 16, more: false))
    #expect(lab.brief(frame(later)) == "drop fragment.tiny")
  }

  @Test("the reason of a refused first fragment is given to the rest")
  func refused() {
    var lab = Lab()
    #expect(lab.brief(Self.piece(0, Self.first, to: "192.168.0.1")) == "drop route.blackhole")
    let later = lab.judge(Self.piece(16, bytes(8), to: "192.168.0.1"))
    #expect(later.reason == "route.blackhole" && later.rule == "rtb/192.168.0.0/16")
  }

  @Test("at most 1,024 datagrams a NIC are remembered")
  func limit() {
    var lab = Lab()
    for id in 1...1_024 { _ = lab.judge(Self.piece(0, Self.first, id: id)) }
    #expect(lab.brief(Self.piece(0, Self.first, id: 2_000)) == "drop fragment.limit")
    #expect(lab.brief(Self.piece(16, bytes(8), id: 2_000)) == "drop fragment.orphan")
    #expect(lab.brief(Self.piece(0, Self.first, id: 2_001), at: 15_000) == "forward established")
  }

  @Test("IPv6 atomic fragments are whole packets")
  func atomic() {
    var lab = Lab()
    let header: [UInt8] = [17, 0, 0, 0, 0, 0, 0, 5]
    let packet = ip6("fd00:10:0:1::a", "fd00:10:0:1::20", next: 44, header + udp(1, 2))
    #expect(lab.brief(frame(packet)) == "forward new")
    #expect(lab.brief(frame(packet)) == "forward established")
  }

  @Test("later fragments pay size and limits themselves")
  func pay() {
    var lab = Lab { $0.networkInterfaces[0].limits.packetsPerSecond = 2 }
    #expect(lab.brief(Self.piece(0, Self.first)) == "forward new")
    #expect(lab.brief(Self.piece(16, bytes(8))) == "forward new")
    #expect(lab.brief(Self.piece(24, bytes(8))) == "drop limit.packets")
    #expect(lab.brief(Self.piece(24, bytes(8)), at: 500) == "forward new")
  }

  @Test("A packet between two local NICs: both judge its fragments")
  func local() {
    var lab = Lab()
    #expect(
      lab.brief(Self.piece(0, udp(9, 80, bytes(8), length: 48), to: "10.0.2.10"))
        == "drop sg.ingress")
    #expect(lab.brief(Self.piece(16, bytes(8), to: "10.0.2.10")) == "drop sg.ingress")
  }
}

import SlowPath
import Testing
import VPCModel
import Wire

@Suite struct NeighborServiceTests {
  private func solicit(
    _ target: String, source: String = "fd00:10:0:1::a", destination: String? = nil,
    option: MACAddress? = Fixture.web, hopLimit: UInt8 = 255, mac: MACAddress = Fixture.web,
    change: (inout [UInt8]) -> Void = { _ in }
  ) -> [UInt8] {
    let address = IPAddress.of(target)
    let group = IPAddress(v6: 0xFF02 << 48, 0x1_FF00_0000 | address.low & 0xFF_FFFF)
    let destination = destination ?? "\(group)"
    var message = NeighborSolicitation(target: address, sourceLinkLayerAddress: option)
      .emit(source: .of(source), destination: .of(destination))
    change(&message)
    return Guest.ipv6(
      IPProtocol.icmpV6, message, source: source, destination: destination,
      hopLimit: hopLimit, mac: mac)
  }

  private func outcome(_ frame: [UInt8], from nic: Int = 0, atNIC: Bool = true) -> ServiceOutcome {
    let (outcome, answer) = Fixture.ask(.neighborDiscovery, frame, from: nic, atNIC: atNIC)
    #expect(answer.isEmpty == (outcome != .reply))
    return outcome
  }

  /// Both frames, with checksums, were computed apart from this code.
  @Test func goldenAnswer() {
    let request = bytes(
      """
      3333ff000014 02000000000a 86dd 60000000 0020 3a ff
      fd000010000000010000000000 00000a ff0200000000000000000001ff000014
      8700 7d3f 00000000 fd000010000000010000000000 000014 0101 02000000000a
      """)
    let (outcome, answer) = Fixture.ask(.neighborDiscovery, request)
    #expect(outcome == .reply)
    #expect(
      answer
        == bytes(
          """
          02000000000a 020000000014 86dd 60000000 0020 3a ff
          fd000010000000010000000000 000014 fd000010000000010000000000 00000a
          8800 1c28 60000000 fd000010000000010000000000 000014 0201 020000000014
          """))
  }

  @Test(arguments: [
    ("fd00:10:0:1::14", Fixture.neighbor, false), ("fd00:10:0:1::99", Fixture.remote, false),
    ("fd00:10:0:1::1", MACAddress.router, true), ("fe80::1", MACAddress.router, true),
    ("fd00:10:0:2::50", MACAddress.of("02:00:00:00:00:50"), false),
  ])
  func answered(target: String, mac: MACAddress, isRouter: Bool) {
    for source in ["fd00:10:0:1::a", "fd00:10:0:1::b", "fe80::ff:fe00:a", "fe80::1234"] {
      for destination in [nil, target] {
        let frame = solicit(target, source: source, destination: destination)
        let (outcome, answer) = Fixture.ask(.neighborDiscovery, frame)
        #expect(outcome == .reply)
        expectAdvertisement(
          answer, target: target, mac: mac, isRouter: isRouter, isSolicited: true, to: source)
      }
    }
  }

  private func expectAdvertisement(
    _ answer: [UInt8], target: String, mac: MACAddress, isRouter: Bool, isSolicited: Bool,
    to destination: String
  ) {
    reading(answer) { answer in
      let packet = EthernetView(answer).map(\.payload).flatMap(IPv6View.init)
      let view = packet.map(\.payload).flatMap(NeighborDiscoveryView.init)
      guard let packet, let view else {
        Issue.record("no neighbour discovery message")
        return
      }
      #expect(packet.hopLimit == 255)
      #expect(packet.source == .of(target))
      #expect(packet.destination == .of(destination))
      #expect(view.hasRightChecksum(source: packet.source, destination: packet.destination))
      #expect(
        NeighborAdvertisement(view)
          == NeighborAdvertisement(
            target: .of(target), isRouter: isRouter, isSolicited: isSolicited, overrides: true,
            targetLinkLayerAddress: mac))
    }
  }

  /// A duplicate test for an address of somebody else is told so, at all nodes.
  @Test(arguments: ["fd00:10:0:1::14", "fe80::1"])
  func duplicateOfAnother(target: String) {
    let frame = solicit(target, source: "::", option: nil)
    let (outcome, answer) = Fixture.ask(.neighborDiscovery, frame)
    #expect(outcome == .reply)
    let isRouter = target == "fe80::1"
    expectAdvertisement(
      answer, target: target, mac: isRouter ? .router : Fixture.neighbor, isRouter: isRouter,
      isSolicited: false, to: "ff02::1")
    #expect(Array(answer.prefix(6)) == bytes("333300000001"))
  }

  @Test func ownAddress() {
    #expect(outcome(solicit("fd00:10:0:1::a")) == .consume)
    #expect(outcome(solicit("fd00:10:0:1::b", source: "::", option: nil)) == .consume)
    #expect(outcome(solicit("fe80::ff:fe00:a", source: "::", option: nil)) == .consume)
    #expect(outcome(solicit("fe80::ff:fe00:a")) == .consume)
    #expect(outcome(solicit("fe80::77", source: "fe80::77")) == .consume)
    #expect(outcome(solicit("fe80::77", source: "::", option: nil)) == .consume)
  }

  /// Unknown, another subnet's router, another guest's link-local address.
  @Test(arguments: ["fd00:10:0:1::77", "fd00:10:0:2::1", "fe80::77", "::"])
  func unanswered(target: String) {
    #expect(outcome(solicit(target)) == .drop(.serviceND))
  }

  @Test func foreignSource() {
    for source in ["fd00:10:0:1::14", "fd00:10:0:1::77", "fe80::1"] {
      #expect(outcome(solicit("fd00:10:0:1::1", source: source)) == .drop(.spoofIP))
    }
  }

  @Test func foreignMAC() {
    let target = "fd00:10:0:1::1"
    for frame in [solicit(target, option: Fixture.foreign), solicit(target, mac: Fixture.foreign)] {
      #expect(outcome(frame) == .drop(.spoofMAC))
      #expect(outcome(frame, atNIC: false) == .reply)
    }
  }

  /// RFC 4861 section 7.1.1.
  @Test func unsound() {
    let target = "fd00:10:0:1::1"
    #expect(outcome(solicit(target, hopLimit: 254)) == .drop(.serviceND))
    #expect(outcome(solicit("ff02::1")) == .drop(.serviceND))
    // From nowhere with a link-layer address, and not to a solicited-node group.
    #expect(outcome(solicit(target, source: "::")) == .drop(.serviceND))
    let code = solicit(target) {
      $0[1] = 1
      $0[3] = $0[3] &- 1
    }
    #expect(outcome(code) == .drop(.serviceND))
    #expect(outcome(solicit(target) { $0[25] = 0 }) == .drop(.serviceND))
  }

  /// Guests leave checksums to offload, so a wrong one may just be unfinished.
  @Test func checksumsAreNotVerified() {
    #expect(outcome(solicit("fd00:10:0:1::1") { $0[2] ^= 1 }) == .reply)
  }

  /// RFC 6980: neighbour discovery is never fragmented; other extension headers may stand before.
  @Test func extensionHeaders() {
    let target = "fd00:10:0:1::1"
    let whole = solicit(target)
    for (kind, expected) in [(60, ServiceOutcome.reply), (44, .drop(.serviceND))] {
      var frame = whole
      frame[20] = UInt8(kind)
      frame[19] += 8
      frame.insert(contentsOf: [58, 0, 0, 0, 0, 0, 0, 0], at: 54)
      #expect(outcome(frame) == expected)
    }
  }

  @Test func notSolicitations() {
    let source = IPAddress.of("fd00:10:0:1::a")
    let destination = IPAddress.of("ff02::1")
    let advertisement = NeighborAdvertisement(
      target: source, isRouter: false, isSolicited: false, overrides: true,
      targetLinkLayerAddress: Fixture.web
    ).emit(source: source, destination: destination)
    let router = RouterAdvertisement(
      currentHopLimit: 64, isManaged: false, hasOtherConfiguration: false, routerLifetime: 9,
      sourceLinkLayerAddress: Fixture.web, mtu: nil, prefixes: []
    ).emit(source: source, destination: destination)
    for message in [advertisement, router, [137] + [UInt8](repeating: 0, count: 39)] {
      let frame = Guest.ipv6(
        IPProtocol.icmpV6, message, source: "\(source)", destination: "ff02::1")
      #expect(outcome(frame) == .drop(.serviceND))
    }
  }

  @Test func cutFrames() {
    let whole = solicit("fd00:10:0:1::1")
    for length in 14..<whole.count {
      #expect(outcome(Array(whole.prefix(length))) == .drop(.serviceND))
    }
  }
}

@Suite struct RouterServiceTests {
  private func solicit(
    source: String = "fe80::ff:fe00:a", destination: String = "ff02::2",
    option: MACAddress? = Fixture.web, mac: MACAddress = Fixture.web
  ) -> [UInt8] {
    let message = RouterSolicitation(sourceLinkLayerAddress: option)
      .emit(source: .of(source), destination: .of(destination))
    return Guest.ipv6(
      IPProtocol.icmpV6, message, source: source, destination: destination, mac: mac)
  }

  /// The frame, with its checksum, was computed apart from this code.
  @Test(arguments: ["ff02::2", "fe80::1", "fd00:10:0:1::1"])
  func goldenAnswer(destination: String) {
    let (outcome, answer) = Fixture.ask(.neighborDiscovery, solicit(destination: destination))
    #expect(outcome == .reply)
    #expect(
      answer
        == bytes(
          """
          02000000000a 026170757301 86dd 60000000 0040 3a ff
          fe800000000000000000000000000001 fe80000000000000000000fffe00000a
          8600 1e35 40 c0 0708 00000000 00000000 0101 026170757301 0501 0000 0000235a
          0304 40 80 00278d00 00093a80 00000000 fd000010000000010000000000000000
          """))
  }

  @Test func fromNowhere() {
    let frame = solicit(source: "::", option: nil)
    let (outcome, answer) = Fixture.ask(.neighborDiscovery, frame)
    #expect(outcome == .reply)
    #expect(Array(answer.prefix(6)) == bytes("333300000001"))
    #expect(reading(answer) { IPv6View($0.dropFirst(14))?.destination } == .of("ff02::1"))
    let withOption = solicit(source: "::")
    #expect(Fixture.ask(.neighborDiscovery, withOption).outcome == .drop(.serviceND))
  }

  @Test(arguments: [
    (9100, "192.0.2.1", 9050), (9100, "2001:db8::1", 9030), (1500, "192.0.2.1", 1450),
  ])
  func mtu(underlay: Int, address: String, expected: Int) {
    var model = Fixture.model
    model.host?.mtu = underlay
    model.host?.address = .of(address)
    #expect(advertisedMTU(model) == expected)
    model.host = nil
    #expect(advertisedMTU(model) == 1500)
  }

  private func advertisedMTU(_ model: VPCModel) -> Int? {
    let answer = Fixture.ask(.neighborDiscovery, solicit(), model: model).answer
    return reading(answer) { answer in
      NeighborDiscoveryView(answer.dropFirst(54)).flatMap(RouterAdvertisement.init)?.mtu
        .map(Int.init)
    }
  }

  @Test func refused() {
    let wrongPlace = solicit(destination: "fd00:10:0:1::14")
    #expect(Fixture.ask(.neighborDiscovery, wrongPlace).outcome == .drop(.serviceND))
    // A subnet without IPv6.
    let mac = MACAddress.of("02:00:00:00:00:30")
    let frame = solicit(source: "fe80::30", option: mac, mac: mac)
    #expect(Fixture.ask(.neighborDiscovery, frame, from: 2).outcome == .drop(.serviceND))
    let foreign = solicit(source: "fd00:10:0:1::14")
    #expect(Fixture.ask(.neighborDiscovery, foreign).outcome == .drop(.spoofIP))
  }
}

import SlowPath
import Testing
import Wire

@Suite struct NeighborFormatTests {
  let source = IPAddress.of("fe80::1")
  let destination = IPAddress.of("fe80::2")
  let target = IPAddress.of("fd00:10:0:1::14")

  private func view<Message>(
    _ octets: [UInt8], _ parse: (NeighborDiscoveryView) -> Message?
  ) -> Message? {
    reading(octets) { octets in
      guard let view = NeighborDiscoveryView(octets) else { return nil }
      #expect(view.hasRightChecksum(source: source, destination: destination))
      return parse(view)
    }
  }

  @Test func neighborSolicitation() {
    let message = NeighborSolicitation(target: target, sourceLinkLayerAddress: Fixture.web)
    let octets = message.emit(source: source, destination: destination)
    #expect(view(octets, NeighborSolicitation.init) == message)
    let fixed = bytes("8700") + octets[2..<4] + bytes("00000000 fd00001000000001 0000000000000014")
    #expect(octets == fixed + bytes("0101 02000000000a"))
    let bare = NeighborSolicitation(target: target)
    #expect(
      view(bare.emit(source: source, destination: destination), NeighborSolicitation.init) == bare)
  }

  @Test func neighborAdvertisement() {
    for (router, solicited, overrides, flags) in [
      (true, false, false, 0x80), (false, true, false, 0x40), (false, false, true, 0x20),
    ] as [(Bool, Bool, Bool, UInt8)] {
      let message = NeighborAdvertisement(
        target: target, isRouter: router, isSolicited: solicited, overrides: overrides,
        targetLinkLayerAddress: .router)
      let octets = message.emit(source: source, destination: destination)
      #expect(octets[4] == flags)
      #expect(view(octets, NeighborAdvertisement.init) == message)
    }
  }

  @Test func routerSolicitation() {
    let message = RouterSolicitation(sourceLinkLayerAddress: Fixture.web)
    let octets = message.emit(source: source, destination: destination)
    #expect(octets.count == 16)
    #expect(view(octets, RouterSolicitation.init) == message)
  }

  @Test func routerAdvertisement() {
    let message = RouterAdvertisement(
      currentHopLimit: 64, isManaged: true, hasOtherConfiguration: false, routerLifetime: 1800,
      sourceLinkLayerAddress: .router, mtu: 9050,
      prefixes: [
        AdvertisedPrefix(
          prefix: IPPrefix(target, length: 64), isOnLink: true, isAutonomous: false,
          validLifetime: 9, preferredLifetime: 8),
        AdvertisedPrefix(
          prefix: IPPrefix(target, length: 80), isOnLink: false, isAutonomous: true,
          validLifetime: 7, preferredLifetime: 6),
      ])
    let octets = message.emit(source: source, destination: destination)
    #expect(octets.count == 16 + 8 + 8 + 32 + 32)
    #expect(view(octets, RouterAdvertisement.init) == message)
  }

  /// A beginning is accepted only where the fixed part or an option ends.
  @Test func impossibleLengths() {
    let octets = NeighborSolicitation(target: target, sourceLinkLayerAddress: Fixture.web)
      .emit(source: source, destination: destination)
    forEveryPrefix(of: octets) { prefix in
      #expect((NeighborDiscoveryView(prefix) != nil) == [24, 32].contains(prefix.count))
    }
  }

  @Test func optionWithoutLength() {
    var octets = NeighborSolicitation(target: target, sourceLinkLayerAddress: Fixture.web)
      .emit(source: source, destination: destination)
    octets[25] = 0
    #expect(reading(octets) { NeighborDiscoveryView($0) == nil })
    octets[25] = 2
    #expect(reading(octets) { NeighborDiscoveryView($0) == nil })
  }

  @Test func wrongChecksum() {
    var octets = RouterSolicitation().emit(source: source, destination: destination)
    octets[7] ^= 1
    reading(octets) { octets in
      let view = NeighborDiscoveryView(octets)
      #expect(view?.hasRightChecksum(source: source, destination: destination) == false)
    }
  }

  /// Prefix lengths and option lengths that cannot be are passed over.
  @Test func brokenPrefixes() {
    let whole = RouterAdvertisement(
      currentHopLimit: 0, isManaged: false, hasOtherConfiguration: false, routerLifetime: 0,
      sourceLinkLayerAddress: nil, mtu: nil,
      prefixes: [
        AdvertisedPrefix(
          prefix: IPPrefix(target, length: 64), isOnLink: true, isAutonomous: true,
          validLifetime: 1, preferredLifetime: 1)
      ]
    ).emit(source: source, destination: destination)
    var tooLong = whole
    tooLong[18] = 129
    let short = Array(whole.prefix(16)) + [3, 1, 64, 0, 0, 0, 0, 0]
    for octets in [tooLong, short] {
      reading(octets) { octets in
        let message = NeighborDiscoveryView(octets).flatMap(RouterAdvertisement.init)
        #expect(message?.prefixes == [])
      }
    }
  }
}

@Suite struct ICMPErrorFormatTests {
  @Test func fragmentationNeeded() {
    let message = FragmentationNeeded(mtu: 1450, quote: [0x45, 1, 2])
    let octets = message.emit()
    // 0304 + 05aa + 4501 + 0200 = 4faf + ... folded by hand: 0304+05aa = 08ae, +4501 = 4daf,
    // +0200 = 4faf, complement b050.
    #expect(octets == bytes("0304 b050 0000 05aa 450102"))
    #expect(reading(octets) { ICMPView($0).flatMap(FragmentationNeeded.init) } == message)
  }

  @Test func packetTooBig() {
    let message = PacketTooBig(mtu: 70_000, quote: [0x60, 1, 2])
    let octets = message.emit(source: .of("fe80::1"), destination: .of("fe80::2"))
    #expect(Array(octets[..<2]) == [2, 0])
    #expect(Array(octets[4...]) == bytes("00011170 600102"))
    #expect(reading(octets) { ICMPView($0).flatMap(PacketTooBig.init) } == message)
  }

  @Test func impossibleLengths() {
    let octets = FragmentationNeeded(mtu: 1450, quote: [1, 2, 3]).emit()
    #expect(shortestAccepted(of: octets) { ICMPView($0) != nil } == 8)
    #expect(reading(octets) { ICMPView($0).flatMap(PacketTooBig.init) == nil })
    #expect(
      reading([3, 3] + octets.dropFirst(2)) {
        ICMPView($0).flatMap(FragmentationNeeded.init) == nil
      })
  }
}

import SlowPath
import Testing
import Wire

/// Frames that no guest should send: nothing stops, and an answer comes with `reply` only.
@Suite struct GarbageTests {
  private let seeds: [[UInt8]] = [
    Guest.arp("10.0.1.1"), Guest.arp("10.0.1.10"),
    bytes(
      """
      3333ff000014 02000000000a 86dd 60000000 0020 3a ff
      fd000010000000010000000000 00000a ff0200000000000000000001ff000014
      8700 7d3f 00000000 fd000010000000010000000000 000014 0101 02000000000a
      """),
    GarbageTests.discover, GarbageTests.solicit,
  ]

  private static var discover: [UInt8] {
    var message = DHCPv4Message(type: .discover, transactionID: 1, clientHardware: Fixture.web)
    message.requestedAddress = .of("10.0.1.10")
    message.clientIdentifier = [1, 2, 3]
    var payload = [UInt8]()
    message.emit(into: &payload)
    return Guest.dhcp4(payload)
  }

  private static var solicit: [UInt8] {
    var message = DHCPv6Message(type: .solicit, transactionID: 1)
    message.clientIdentifier = bytes("00030001 02000000000a")
    message.identityAssociations = [IdentityAssociation(kind: .nonTemporary, identifier: 7)]
    var payload = [UInt8]()
    message.emit(into: &payload)
    return Guest.dhcp6(payload)
  }

  /// A valid frame with some bytes changed and its end moved, or bytes from nowhere.
  private func frame(_ generator: inout SeededGenerator) -> [UInt8] {
    if generator.next() % 8 == 0 {
      return (0..<Int.random(in: 0...200, using: &generator)).map { _ in
        UInt8.random(in: .min ... .max, using: &generator)
      }
    }
    var frame = seeds[Int.random(in: 0..<seeds.count, using: &generator)]
    for _ in 0..<Int.random(in: 0...6, using: &generator) {
      frame[Int.random(in: 12..<frame.count, using: &generator)] =
        UInt8.random(in: .min ... .max, using: &generator)
    }
    if generator.next() % 2 == 0 {
      frame.removeLast(Int.random(in: 0...frame.count, using: &generator))
    }
    return frame
  }

  @Test func twentyThousandFrames() {
    let responder = ServiceResponder(model: Fixture.model)
    var outcomes = [0, 0, 0]
    for seed in 0..<20_000 as Range<UInt64> {
      var generator = SeededGenerator(state: seed)
      let frame = frame(&generator)
      frame.withUnsafeBytes { frame in
        for kind in ServiceKind.allCases {
          var answer = [UInt8]()
          let outcome = responder.respond(
            kind, to: frame, from: Int(seed % 5), atNIC: false, into: &answer)
          #expect((outcome == .reply) == !answer.isEmpty, "seed \(seed)")
          outcomes[outcome == .reply ? 0 : outcome == .consume ? 1 : 2] += 1
        }
        var answer = [UInt8]()
        let isAnswered = TooBig.answer(
          to: frame, mtu: 1450, routerV4: .of("10.0.1.1"), routerV6: .of("fe80::1"),
          into: &answer)
        #expect(isAnswered == !answer.isEmpty, "seed \(seed)")
        _ = Fragmenter.fragment(frame, mtu: 68) { piece in
          #expect(piece.count <= 14 + 68, "seed \(seed)")
        }
      }
    }
    // The garbage is near enough to sense to reach all ends.
    #expect(outcomes.allSatisfy { $0 > 0 })
  }
}

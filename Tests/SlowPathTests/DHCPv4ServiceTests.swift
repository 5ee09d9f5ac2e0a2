import SlowPath
import Testing
import Wire

@Suite struct DHCPv4ServiceTests {
  private func message(
    _ type: DHCPv4MessageType, _ change: (inout DHCPv4Message) -> Void = { _ in }
  ) -> [UInt8] {
    var message = DHCPv4Message(
      type: type, transactionID: Fixture.transaction, clientHardware: Fixture.web)
    change(&message)
    var payload = [UInt8]()
    message.emit(into: &payload)
    return payload
  }

  private func outcome(_ payload: [UInt8], from nic: Int = 0, atNIC: Bool = true) -> ServiceOutcome
  {
    let (outcome, answer) = Fixture.ask(.dhcp4, Guest.dhcp4(payload), from: nic, atNIC: atNIC)
    #expect(answer.isEmpty == (outcome != .reply))
    return outcome
  }

  private struct Answer {
    var mac: MACAddress?
    var destination: IPAddress?
    var message: DHCPv4Message?
  }

  /// Decodes an answer and checks what every answer has in common.
  private func answer(to payload: [UInt8], source: String = "0.0.0.0") -> Answer {
    let (outcome, frame) = Fixture.ask(.dhcp4, Guest.dhcp4(payload, source: source))
    #expect(outcome == .reply)
    return reading(frame) { frame in
      guard let ethernet = EthernetView(frame), let packet = IPv4View(ethernet.payload),
        let datagram = UDPView(packet.payload)
      else {
        Issue.record("no UDP datagram")
        return Answer()
      }
      var header = InternetChecksum()
      header.add(packet.header)
      #expect(header.value == 0)
      var checksum = InternetChecksum(
        source: packet.source, destination: packet.destination, protocolNumber: 17,
        length: packet.payload.count)
      checksum.add(packet.payload)
      #expect(checksum.value == 0)
      #expect(ethernet.source == .router)
      #expect(packet.source == .of("10.0.1.1"))
      #expect((datagram.sourcePort, datagram.destinationPort) == (67, 68))
      let message = DHCPv4View(datagram.payload).flatMap(DHCPv4Message.init)
      #expect(message?.transactionID == Fixture.transaction)
      #expect(message?.clientHardware == Fixture.web)
      #expect(message?.serverIdentifier == .of("10.0.1.1"))
      return Answer(
        mac: ethernet.destination, destination: packet.destination, message: message)
    }
  }

  /// The frame, with its checksums, was computed apart from this code.
  @Test func goldenOffer() {
    let expected =
      bytes(
        """
        02000000000a 026170757301 0800 4500 0148 0000 4000 40 11 239b 0a000101 0a00010a
        0043 0044 0134 ba2d 02 01 06 00 11223344 0000 0000 00000000 0a00010a 00000000 00000000
        02000000000a 00000000000000000000
        """) + [UInt8](repeating: 0, count: 192)
      + bytes(
        """
        63825363 350102 3604 0a000101 3304 00000e10 3a04 00000708 3b04 00000c4e
        0104 ffffff00 0304 0a000101 0604 0a000002 1a02 235a ff 00000000000000000000
        """)
    let (outcome, answer) = Fixture.ask(.dhcp4, Guest.dhcp4(message(.discover)))
    #expect(outcome == .reply)
    #expect(answer == expected)
  }

  private func expectLease(_ message: DHCPv4Message?, _ type: DHCPv4MessageType) {
    #expect(message?.type == type)
    #expect(message?.yourAddress == .of("10.0.1.10"))
    #expect(message?.subnetMask == 0xFFFF_FF00)
    #expect(message?.router == .of("10.0.1.1"))
    #expect(message?.domainNameServer == .of("10.0.0.2"))
    #expect(message?.interfaceMTU == 9050)
    #expect(message?.leaseTime == 3600)
    #expect(message?.renewalTime == 1800)
    #expect(message?.rebindingTime == 3150)
  }

  @Test func selecting() {
    let request = message(.request) {
      $0.requestedAddress = .of("10.0.1.10")
      $0.serverIdentifier = .of("10.0.1.1")
      $0.clientIdentifier = [1, 2, 3]
    }
    let answer = answer(to: request)
    expectLease(answer.message, .ack)
    #expect(answer.message?.clientIdentifier == [1, 2, 3])
    #expect(answer.mac == Fixture.web)
    #expect(answer.destination == .of("10.0.1.10"))
  }

  @Test func broadcastFlag() {
    let answer = answer(to: message(.discover) { $0.wantsBroadcast = true })
    expectLease(answer.message, .offer)
    #expect(answer.message?.wantsBroadcast == true)
    #expect(answer.mac == .broadcast)
    #expect(answer.destination == .of("255.255.255.255"))
  }

  @Test func renewing() {
    let request = message(.request) {
      $0.clientAddress = .of("10.0.1.10")
      $0.wantsBroadcast = true
    }
    let answer = answer(to: request, source: "10.0.1.10")
    expectLease(answer.message, .ack)
    #expect(answer.message?.clientAddress == .of("10.0.1.10"))
    #expect(answer.destination == .of("10.0.1.10"))
  }

  /// Another address, also the secondary one, when selecting, rebooting or renewing.
  @Test func refusedAddress() {
    for wrong in ["10.0.1.11", "10.0.1.77", "192.168.0.5"] {
      let selecting = message(.request) {
        $0.requestedAddress = .of(wrong)
        $0.serverIdentifier = .of("10.0.1.1")
      }
      let rebooting = message(.request) { $0.requestedAddress = .of(wrong) }
      let renewing = message(.request) { $0.clientAddress = .of(wrong) }
      let both = message(.request) {
        $0.requestedAddress = .of("10.0.1.10")
        $0.clientAddress = .of(wrong)
      }
      #expect(answer(to: both).message?.type == .nak)
      for (request, source) in [(selecting, "0.0.0.0"), (rebooting, "0.0.0.0"), (renewing, wrong)] {
        let answer = answer(to: request, source: source)
        #expect(answer.message?.type == .nak)
        #expect(answer.message?.yourAddress == .of("0.0.0.0"))
        #expect(answer.message?.leaseTime == nil)
        #expect(answer.mac == .broadcast)
        #expect(answer.destination == .of("255.255.255.255"))
      }
    }
  }

  @Test func inform() {
    let answer = answer(
      to: message(.inform) { $0.clientAddress = .of("10.0.1.11") }, source: "10.0.1.11")
    #expect(answer.message?.type == .ack)
    #expect(answer.message?.yourAddress == .of("0.0.0.0"))
    #expect(answer.message?.leaseTime == nil)
    #expect(answer.message?.renewalTime == nil)
    #expect(answer.message?.router == .of("10.0.1.1"))
    #expect(answer.destination == .of("10.0.1.11"))
    #expect(outcome(message(.inform)) == .reply)
  }

  @Test func consumed() {
    #expect(outcome(message(.release) { $0.clientAddress = .of("10.0.1.10") }) == .consume)
    #expect(outcome(message(.decline) { $0.requestedAddress = .of("10.0.1.10") }) == .consume)
  }

  /// A client that believes another server has to begin anew.
  @Test func requestToAnotherServer() {
    let answer = answer(
      to: message(.request) {
        $0.requestedAddress = .of("10.0.1.10")
        $0.serverIdentifier = .of("10.0.1.77")
      })
    #expect(answer.message?.type == .nak)
    #expect(answer.destination == .of("255.255.255.255"))
  }

  @Test func refused() {
    for type in [.offer, .ack, .nak] as [DHCPv4MessageType] {
      #expect(outcome(message(type)) == .drop(.serviceDHCP))
    }
    // Relayed, not a request, and no IPv4 address.
    for (offset, value) in [(3, 1), (24, 10), (0, 2), (1, 6), (2, 8), (236, 0)] as [(Int, UInt8)] {
      var payload = message(.discover)
      payload[offset] = value
      #expect(outcome(payload) == .drop(.serviceDHCP), "byte \(offset)")
    }
    #expect(outcome(message(.discover), from: 4, atNIC: false) == .drop(.serviceDHCP))
  }

  @Test func foreignMAC() {
    let payload = message(.discover) { $0.clientHardware = Fixture.foreign }
    #expect(outcome(payload) == .drop(.serviceDHCP))
    #expect(outcome(payload, atNIC: false) == .reply)
    let frame = Guest.dhcp4(message(.discover), mac: Fixture.foreign)
    #expect(Fixture.ask(.dhcp4, frame).outcome == .drop(.spoofMAC))
  }

  @Test func fragmentsAndCutFrames() {
    let whole = Guest.dhcp4(message(.discover))
    for (offset, value) in [(20, 0x20), (21, 1)] as [(Int, UInt8)] {
      var fragment = whole
      fragment[offset] = value
      #expect(Fixture.ask(.dhcp4, fragment).outcome == .drop(.serviceDHCP))
    }
    for length in 14..<(14 + 28 + 243) {
      let cut = Array(whole.prefix(length))
      #expect(Fixture.ask(.dhcp4, cut).outcome == .drop(.serviceDHCP))
    }
  }
}

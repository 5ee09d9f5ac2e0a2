import SlowPath
import Testing
import VPCModel
import Wire

@Suite struct DHCPv6ServiceTests {
  private static let client = bytes("00030001 02000000000a")
  private static let server = bytes("00030001 026170757301")

  private static func association(
    _ kind: IdentityAssociation.Kind = .nonTemporary, _ identifier: UInt32 = 7,
    _ addresses: [String] = []
  ) -> IdentityAssociation {
    var association = IdentityAssociation(kind: kind, identifier: identifier)
    association.addresses = addresses.map {
      LeasedAddress(address: .of($0), preferredLifetime: 100, validLifetime: 100)
    }
    return association
  }

  private func message(
    _ type: DHCPv6MessageType, toServer: Bool = false,
    _ change: (inout DHCPv6Message) -> Void = { _ in }
  ) -> [UInt8] {
    var message = DHCPv6Message(type: type, transactionID: 0xAB_CDEF)
    message.clientIdentifier = Self.client
    if toServer { message.serverIdentifier = Self.server }
    change(&message)
    var payload = [UInt8]()
    message.emit(into: &payload)
    return payload
  }

  private func outcome(_ payload: [UInt8], from nic: Int = 0, atNIC: Bool = true) -> ServiceOutcome
  {
    let (outcome, answer) = Fixture.ask(.dhcp6, Guest.dhcp6(payload), from: nic, atNIC: atNIC)
    #expect(answer.isEmpty == (outcome != .reply))
    return outcome
  }

  /// Decodes an answer and checks what every answer has in common.
  private func answer(to payload: [UInt8]) -> DHCPv6Message? {
    let (outcome, frame) = Fixture.ask(.dhcp6, Guest.dhcp6(payload))
    #expect(outcome == .reply)
    return reading(frame) { frame in
      guard let ethernet = EthernetView(frame), let packet = IPv6View(ethernet.payload),
        let datagram = UDPView(packet.payload)
      else {
        Issue.record("no UDP datagram")
        return nil
      }
      var checksum = InternetChecksum(
        source: packet.source, destination: packet.destination, protocolNumber: 17,
        length: packet.payload.count)
      checksum.add(packet.payload)
      #expect(checksum.value == 0)
      #expect((ethernet.source, ethernet.destination) == (.router, Fixture.web))
      #expect((packet.source, packet.destination) == (.of("fe80::1"), Fixture.linkLocal))
      #expect((datagram.sourcePort, datagram.destinationPort) == (547, 546))
      let message = DHCPv6View(datagram.payload).flatMap(DHCPv6Message.init)
      #expect(message?.transactionID == 0xAB_CDEF)
      #expect(message?.serverIdentifier == Self.server)
      #expect(message?.dnsServers == [.of("fd00:ec2::253")])
      return message
    }
  }

  private var granted: IdentityAssociation {
    var association = IdentityAssociation(kind: .nonTemporary, identifier: 7)
    association.renewalTime = 1800
    association.rebindingTime = 2880
    association.addresses = [
      LeasedAddress(
        address: .of("fd00:10:0:1::a"), preferredLifetime: 3600, validLifetime: 3600)
    ]
    return association
  }

  /// The frame, with its checksum, was computed apart from this code.
  @Test func goldenReply() {
    let request = message(.request, toServer: true) {
      $0.identityAssociations = [Self.association()]
    }
    let (outcome, answer) = Fixture.ask(.dhcp6, Guest.dhcp6(request))
    #expect(outcome == .reply)
    #expect(
      answer
        == bytes(
          """
          02000000000a 026170757301 86dd 60000000 0068 11 40
          fe800000000000000000000000000001 fe80000000000000000000fffe00000a
          0223 0222 0068 0721 07abcdef 0001000a 0003000102000000000a 0002000a 00030001026170757301
          00030028 00000007 00000708 00000b40
          00050018 fd00001000000001000000000000000a 00000e10 00000e10
          00170010 fd000ec2000000000000000000000253
          """))
  }

  @Test func solicit() {
    let answer = answer(to: message(.solicit) { $0.identityAssociations = [Self.association()] })
    #expect(answer?.type == .advertise)
    #expect(answer?.clientIdentifier == Self.client)
    #expect(answer?.identityAssociations == [granted])
    #expect(answer?.rapidCommit == false)
  }

  @Test func rapidCommit() {
    let answer = answer(
      to: message(.solicit) {
        $0.identityAssociations = [Self.association()]
        $0.rapidCommit = true
      })
    #expect(answer?.type == .reply)
    #expect(answer?.rapidCommit == true)
    #expect(answer?.identityAssociations == [granted])
  }

  @Test func solicitForNothing() {
    let answer = answer(to: message(.solicit))
    #expect(answer?.type == .advertise)
    #expect(answer?.identityAssociations == [])
  }

  /// One address for one association; the rest is told that there is none.
  @Test func otherAssociations() {
    let answer = answer(
      to: message(.solicit) {
        $0.identityAssociations = [
          Self.association(.prefixDelegation, 1), Self.association(.temporary, 2),
          Self.association(), Self.association(.nonTemporary, 8),
        ]
      })
    let associations = answer?.identityAssociations ?? []
    #expect(associations.map(\.identifier) == [1, 2, 7, 8])
    #expect(
      associations.map(\.status) == [
        .noPrefixAvailable, .noAddressesAvailable, nil, .noAddressesAvailable,
      ])
    #expect(associations.map(\.addresses.count) == [0, 0, 1, 0])
  }

  /// Addresses that are not the guest's are taken away when it wants to keep them.
  @Test func renewAndRebind() {
    for (type, toServer) in [(DHCPv6MessageType.renew, true), (.rebind, false)] {
      let answer = answer(
        to: message(type, toServer: toServer) {
          $0.identityAssociations = [
            Self.association(.nonTemporary, 7, ["fd00:10:0:1::77", "fd00:10:0:1::a"])
          ]
        })
      #expect(answer?.type == .reply)
      var expected = granted
      expected.addresses.append(
        LeasedAddress(address: .of("fd00:10:0:1::77"), preferredLifetime: 0, validLifetime: 0))
      #expect(answer?.identityAssociations == [expected])
    }
  }

  @Test(arguments: [
    (["fd00:10:0:1::a"], DHCPv6Status.success), (["fd00:10:0:1::a", "fd00:10:0:1::b"], .success),
    (["fd00:10:0:1::77"], .notOnLink), (["fd00:10:0:1::a", "fd00:99::1"], .notOnLink),
  ])
  func confirm(addresses: [String], status: DHCPv6Status) {
    let answer = answer(
      to: message(.confirm) {
        $0.identityAssociations = [Self.association(.nonTemporary, 7, addresses)]
      })
    #expect(answer?.status == status)
    #expect(answer?.identityAssociations == [])
    // Without an address there is none that is not on the link.
    #expect(outcome(message(.confirm)) == .reply)
  }

  @Test func informationRequest() {
    #expect(answer(to: message(.informationRequest))?.clientIdentifier == Self.client)
    let anonymous = answer(to: message(.informationRequest) { $0.clientIdentifier = nil })
    #expect(anonymous?.type == .reply)
    #expect(anonymous?.clientIdentifier == nil)
    let withAssociation = message(.informationRequest) {
      $0.identityAssociations = [Self.association()]
    }
    #expect(outcome(withAssociation) == .reply)
  }

  @Test func consumed() {
    #expect(outcome(message(.release, toServer: true)) == .consume)
    #expect(outcome(message(.decline, toServer: true)) == .consume)
  }

  /// There is one server, so whichever a client names is this one; but a client names itself
  /// (RFC 8415 section 16).
  @Test func identifiers() {
    for type in [.solicit, .confirm, .rebind, .request, .renew] as [DHCPv6MessageType] {
      #expect(outcome(message(type)) == .reply)
      #expect(outcome(message(type, toServer: true)) == .reply)
      let elsewhere = message(type) { $0.serverIdentifier = [0, 3, 0, 1, 1, 2, 3, 4, 5, 6] }
      #expect(outcome(elsewhere) == .reply)
      #expect(outcome(message(type) { $0.clientIdentifier = nil }) == .drop(.serviceDHCP))
    }
    for type in [.release, .decline] as [DHCPv6MessageType] {
      #expect(outcome(message(type)) == .consume)
      let anonymous = message(type, toServer: true) { $0.clientIdentifier = nil }
      #expect(outcome(anonymous) == .drop(.serviceDHCP))
    }
  }

  @Test func refused() {
    for type in [.advertise, .reply, .reconfigure] as [DHCPv6MessageType] {
      #expect(outcome(message(type, toServer: true)) == .drop(.serviceDHCP))
    }
    let relay = [12, 0] + [UInt8](repeating: 0, count: 32)
    #expect(outcome(relay) == .drop(.serviceDHCP))
    #expect(outcome(message(.solicit) + [0, 3, 0, 1]) == .drop(.serviceDHCP))
    // No IPv6 address.
    #expect(outcome(message(.solicit), from: 2, atNIC: false) == .drop(.serviceDHCP))
    let nowhere = Guest.dhcp6(message(.solicit), source: "::")
    #expect(Fixture.ask(.dhcp6, nowhere).outcome == .drop(.serviceDHCP))
    let foreign = Guest.dhcp6(message(.solicit), mac: Fixture.foreign)
    #expect(Fixture.ask(.dhcp6, foreign).outcome == .drop(.spoofMAC))
    #expect(Fixture.ask(.dhcp6, foreign, atNIC: false).outcome == .reply)
  }

  /// No answer grows beyond the guest's link.
  @Test func answerTooLarge() {
    var model = Fixture.model
    model.host?.mtu = 1500
    let greedy = message(.solicit) {
      $0.identityAssociations = (0..<85).map { Self.association(.nonTemporary, $0) }
    }
    let frame = Guest.dhcp6(greedy)
    #expect(frame.count < 1514)
    #expect(Fixture.ask(.dhcp6, frame, model: model).outcome == .drop(.serviceDHCP))
  }

  @Test func cutFrames() {
    let whole = Guest.dhcp6(message(.solicit))
    for length in 14..<whole.count where length != 14 + 48 + 4 {
      #expect(Fixture.ask(.dhcp6, Array(whole.prefix(length))).outcome == .drop(.serviceDHCP))
    }
  }
}

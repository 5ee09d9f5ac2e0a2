import SlowPath
import Testing
import Wire

@Suite struct DHCPv4FormatTests {
  private func parse(_ octets: [UInt8]) -> DHCPv4Message? {
    reading(octets) { DHCPv4View($0).flatMap(DHCPv4Message.init) }
  }

  private func emit(_ message: DHCPv4Message) -> [UInt8] {
    var payload = [UInt8]()
    message.emit(into: &payload)
    return payload
  }

  private var full: DHCPv4Message {
    var message = DHCPv4Message(
      type: .ack, transactionID: Fixture.transaction, clientHardware: Fixture.web)
    message.wantsBroadcast = true
    message.clientAddress = .of("10.0.1.10")
    message.yourAddress = .of("10.0.1.11")
    message.requestedAddress = .of("10.0.1.12")
    message.serverIdentifier = .of("10.0.1.1")
    message.clientIdentifier = [1, 2, 0, 0, 0, 0, 10]
    message.subnetMask = 0xFFFF_FF00
    message.router = .of("10.0.1.1")
    message.domainNameServer = .of("10.0.0.2")
    message.interfaceMTU = 9050
    message.leaseTime = 3600
    message.renewalTime = 1800
    message.rebindingTime = 3150
    return message
  }

  @Test func parseAndEmit() {
    #expect(parse(emit(full)) == full)
    for type in [.discover, .request, .decline, .release, .inform, .offer, .nak]
      as [DHCPv4MessageType]
    {
      let message = DHCPv4Message(type: type, transactionID: 1, clientHardware: .router)
      #expect(parse(emit(message)) == message)
      #expect(emit(message).count == 300)
      #expect(emit(message)[0] == (message.isFromServer ? 2 : 1))
    }
  }

  @Test func emittedBytes() {
    let octets = emit(full)
    #expect(Array(octets[..<20]) == bytes("02010600 11223344 00008000 0a00010a 0a00010b"))
    #expect(Array(octets[28..<34]) == bytes("02000000000a"))
    #expect(Array(octets[236..<243]) == bytes("63825363 350105"))
  }

  /// Cut inside an option nothing is accepted; the pad and end bytes behind it may be missing.
  @Test func impossibleLengths() {
    let octets = emit(full)
    let end = 240 + 3 + 8 * 6 + 4 + 9
    #expect(octets[end] == 255)
    forEveryPrefix(of: octets) { prefix in
      let message = DHCPv4View(prefix).flatMap(DHCPv4Message.init)
      if prefix.count < 243 { #expect(message == nil) }
      if prefix.count >= end { #expect(message == full) }
    }
    for cut in 1...8 { #expect(parse(Array(octets.prefix(end - cut))) == nil) }
  }

  /// Offset, value: operation, hardware type and length, hops, relay, cookie.
  @Test(arguments: [(0, 1), (0, 3), (1, 6), (2, 16), (3, 1), (24, 10), (239, 0)])
  func notAMessageOfAClientOnEthernet(offset: Int, value: UInt8) {
    var octets = emit(full)
    octets[offset] = value
    #expect(parse(octets) == nil)
  }

  @Test(arguments: [
    "3501", "350105 3203000000", "350105 3605 0000000000", "350105 1a0105", "350105 3d0101",
    "350105 3402 0101", "350105 340100", "350105 340104", "35020505", "350109", "350100",
    "320400000000", "ff350105", "350105 0302 0a00",
  ])
  func brokenOptions(hex: String) {
    var octets = Array(emit(full).prefix(240))
    octets += bytes(hex)
    #expect(parse(octets) == nil)
  }

  /// RFC 2132 section 9.3: the message type stands in the file field, the server in the name.
  @Test func overload() {
    var octets = Array(emit(full).prefix(240)) + bytes("340103 ff")
    octets.replaceSubrange(108..<112, with: bytes("350105ff"))
    octets.replaceSubrange(44..<51, with: bytes("3604 0a000101 ff"))
    #expect(parse(octets)?.type == .ack)
    #expect(parse(octets)?.serverIdentifier == .of("10.0.1.1"))
    octets.replaceSubrange(106..<108, with: bytes("3409"))
    octets.replaceSubrange(44..<51, with: [0, 0, 0, 0, 0, 0, 0])
    #expect(parse(octets) == nil)
  }
}

@Suite struct DHCPv6FormatTests {
  private func parse(_ octets: [UInt8]) -> DHCPv6Message? {
    reading(octets) { DHCPv6View($0).flatMap(DHCPv6Message.init) }
  }

  private func emit(_ message: DHCPv6Message) -> [UInt8] {
    var payload = [UInt8]()
    message.emit(into: &payload)
    return payload
  }

  private var full: DHCPv6Message {
    var message = DHCPv6Message(type: .reply, transactionID: 0xAB_CDEF)
    message.clientIdentifier = bytes("00030001 02000000000a")
    message.serverIdentifier = bytes("00030001 026170757301")
    var association = IdentityAssociation(kind: .nonTemporary, identifier: 7)
    association.renewalTime = 1800
    association.rebindingTime = 2880
    association.addresses = [
      LeasedAddress(address: .of("fd00::1"), preferredLifetime: 1, validLifetime: 2)
    ]
    association.status = .success
    var temporary = IdentityAssociation(kind: .temporary, identifier: 8)
    temporary.status = .noAddressesAvailable
    let delegation = IdentityAssociation(kind: .prefixDelegation, identifier: 9)
    message.identityAssociations = [association, temporary, delegation]
    message.status = .notOnLink
    message.preference = 255
    message.rapidCommit = true
    message.dnsServers = [.of("fd00:ec2::253"), .of("fd00::2")]
    return message
  }

  @Test func parseAndEmit() {
    #expect(parse(emit(full)) == full)
    let bare = DHCPv6Message(type: .informationRequest, transactionID: 1)
    #expect(emit(bare) == [11, 0, 0, 1])
    #expect(parse([11, 0, 0, 1]) == bare)
  }

  /// A beginning is accepted only where an option ends.
  @Test func impossibleLengths() {
    let octets = emit(full)
    var ends: Set<Int> = [4]
    var end = 4
    while end < octets.count {
      end += 4 + Int(octets[end + 2]) << 8 + Int(octets[end + 3])
      ends.insert(end)
    }
    #expect(ends.count == 10)
    forEveryPrefix(of: octets) { prefix in
      #expect((DHCPv6View(prefix) != nil) == ends.contains(prefix.count))
    }
  }

  @Test(arguments: [
    "0c000001", "0d000001", "00000001", "01000001 0001 0002 0003", "01000001 000e 0001 00",
    "01000001 0003 000b 0000000000000000000000", "01000001 0004 0003 000000",
    "01000001 000d 0001 00", "01000001 0007 0002 0000", "01000001 0017 0001 00",
    "01000001 0003 0011 000000000000000000000000 0005000100",
    "01000001 0003 0010 000000000000000000000000 00050018",
  ])
  func broken(hex: String) {
    #expect(parse(bytes(hex)) == nil)
  }

  @Test func longestIdentifier() {
    let header = bytes("01000001 0001")
    #expect(parse(header + [0, 130] + [UInt8](repeating: 1, count: 130)) != nil)
    #expect(parse(header + [0, 131] + [UInt8](repeating: 1, count: 131)) == nil)
  }
}

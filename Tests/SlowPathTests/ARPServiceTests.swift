import SlowPath
import Testing
import Wire

@Suite struct ARPServiceTests {
  /// The whole answer, written down by hand.
  @Test func goldenAnswer() {
    let request = bytes(
      """
      ffffffffffff 02000000000a 0806 0001 0800 06 04 0001
      02000000000a 0a00010a 000000000000 0a000101
      """)
    let (outcome, answer) = Fixture.ask(.arp, request)
    #expect(outcome == .reply)
    #expect(
      answer
        == bytes(
          """
          02000000000a 026170757301 0806 0001 0800 06 04 0002
          026170757301 0a000101 02000000000a 0a00010a
          """))
  }

  @Test(arguments: [
    ("10.0.1.1", MACAddress.router), ("10.0.1.20", Fixture.neighbor),
    ("10.0.2.99", Fixture.remote), ("10.0.2.30", MACAddress.of("02:00:00:00:00:30")),
  ])
  func answered(target: String, mac: MACAddress) {
    for sender in ["10.0.1.10", "10.0.1.11", "0.0.0.0"] {
      let (outcome, answer) = Fixture.ask(.arp, Guest.arp(target, sender: sender))
      #expect(outcome == .reply)
      reading(answer) { answer in
        let ethernet = EthernetView(answer)
        let message = (ethernet?.payload).flatMap(ARPView.init).flatMap(ARPMessage.init)
        #expect(ethernet?.source == mac)
        #expect(ethernet?.destination == Fixture.web)
        #expect(
          message
            == ARPMessage(
              operation: .reply, senderHardware: mac, senderProtocol: .of(target),
              targetHardware: Fixture.web, targetProtocol: .of(sender)))
      }
    }
  }

  /// Unknown, the router of another subnet, another VPC, the resolver, broadcast.
  @Test(arguments: [
    "10.0.1.99", "10.0.2.1", "10.9.0.10", "10.0.0.2", "169.254.169.254", "255.255.255.255",
    "0.0.0.0",
  ])
  func unanswered(target: String) {
    let (outcome, answer) = Fixture.ask(.arp, Guest.arp(target))
    #expect(outcome == .drop(.serviceARP))
    #expect(answer.isEmpty)
  }

  @Test(arguments: [
    ("10.0.1.10", "10.0.1.10"), ("10.0.1.11", "0.0.0.0"), ("10.0.1.10", "10.0.1.11"),
  ])
  func ownAddress(target: String, sender: String) {
    let (outcome, answer) = Fixture.ask(.arp, Guest.arp(target, sender: sender))
    #expect(outcome == .consume)
    #expect(answer.isEmpty)
  }

  @Test func foreignSender() {
    for target in ["10.0.1.1", "10.0.1.10", "10.0.1.99"] {
      #expect(Fixture.ask(.arp, Guest.arp(target, sender: "10.0.1.1")).outcome == .drop(.spoofIP))
    }
    var model = Fixture.model
    model.networkInterfaces[0].sourceDestCheck = false
    let frame = Guest.arp("10.0.1.1", sender: "10.0.1.20")
    #expect(Fixture.ask(.arp, frame, model: model).outcome == .drop(.spoofIP))
  }

  @Test func foreignMAC() {
    let hardware = Guest.arp("10.0.1.1", hardware: Fixture.foreign)
    let source = Guest.arp("10.0.1.1", source: Fixture.foreign)
    for frame in [hardware, source] {
      #expect(Fixture.ask(.arp, frame).outcome == .drop(.spoofMAC))
      #expect(Fixture.ask(.arp, frame, atNIC: false).outcome == .reply)
    }
  }

  @Test func repliesAndOtherKinds() {
    let reply = Guest.arp("10.0.1.1", operation: .reply)
    #expect(Fixture.ask(.arp, reply).outcome == .drop(.serviceARP))
    for (offset, value) in [(15, 6), (16, 0x86), (18, 5), (19, 3), (21, 3)] as [(Int, UInt8)] {
      var frame = Guest.arp("10.0.1.1")
      frame[offset] = value
      #expect(Fixture.ask(.arp, frame).outcome == .drop(.serviceARP), "byte \(offset)")
    }
  }

  @Test func cutFrames() {
    let whole = Guest.arp("10.0.1.1")
    for length in 0..<whole.count {
      let expected = length < 14 ? DropReason.parseTruncated : .serviceARP
      #expect(Fixture.ask(.arp, Array(whole.prefix(length))).outcome == .drop(expected))
    }
    #expect(Fixture.ask(.arp, whole + [UInt8](repeating: 0, count: 18)).outcome == .reply)
  }

  @Test func noSuchInterface() {
    for nic in [-1, 5, Int.max] {
      #expect(Fixture.ask(.arp, Guest.arp("10.0.1.1"), from: nic).outcome == .drop(.eniNone))
    }
    var model = Fixture.model
    model.networkInterfaces[0].subnet = "missing"
    let frame = Guest.arp("10.0.1.1")
    #expect(Fixture.ask(.arp, frame, model: model).outcome == .drop(.eniNone))
  }

  /// An interface that was given the router's address does not become the router.
  @Test func routerGoesFirst() {
    var model = Fixture.model
    model.networkInterfaces[1].addresses.append(.of("10.0.1.1"))
    let answer = Fixture.ask(.arp, Guest.arp("10.0.1.1"), model: model).answer
    #expect(reading(answer) { EthernetView($0)?.source } == .router)
  }
}

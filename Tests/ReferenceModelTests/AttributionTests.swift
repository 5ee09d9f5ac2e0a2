import Testing
import VPCModel
import Wire

/// Sections "Who sent it", "Attribution" and the fields of verdict lines.
@Suite struct AttributionTests {
  static let payload = udp(1, 2)

  @Test("A packet of neither is ignore, reason eni.none")
  func neither() {
    var lab = Lab()
    let verdict = lab.judge(
      frame(Lab.elsewhere, ip4("10.0.2.20", "198.51.100.7", 17, Self.payload)))
    #expect(verdict.verdict == "ignore" && verdict.reason == "eni.none")
    #expect(verdict.direction == "none" && verdict.eni == "" && verdict.output == nil)
  }

  @Test("when the source MAC is the NIC's, or else the source IP is one of its addresses")
  func senders() {
    var lab = Lab()
    let byMAC = lab.judge(frame(Lab.macA, ip4("198.51.100.7", "10.0.2.20", 17, Self.payload)))
    #expect(byMAC.eni == "eni-a" && byMAC.reason == "spoof.ip")
    let byAddress = lab.judge(frame(Lab.elsewhere, ip4("10.0.1.10", "10.0.2.20", 17, Self.payload)))
    #expect(byAddress.eni == "eni-a" && byAddress.verdict == "forward")
    lab = Lab()
    lab.options.atNIC = true
    #expect(
      lab.brief(frame(Lab.elsewhere, ip4("10.0.1.10", "10.0.2.20", 17, Self.payload)))
        == "drop spoof.mac")
  }

  @Test("A packet to the host's address from a guest's MAC address is the guest's")
  func guestsTunnel() {
    var lab = Lab()
    let body = ip4("192.0.2.2", "192.0.2.1", 17, udp(50_000, 6_081, Self.payload))
    let verdict = lab.judge(frame(Lab.macA, body))
    #expect(verdict.eni == "eni-a" && verdict.reason == "spoof.ip")
    #expect(lab.brief(frame(Lab.elsewhere, body)) != "drop spoof.ip")
  }

  @Test("Sender by MAC, several: the one that has the source IP, then --eni, then model order")
  func severalByMAC() {
    let twins = { (model: inout VPCModel) in
      model.networkInterfaces[3].mac = MACAddress(Lab.macA)
    }
    var lab = Lab(twins)
    #expect(lab.judge(frame(ip4("10.9.1.10", "10.9.1.50", 17, Self.payload))).eni == "eni-g")
    #expect(lab.judge(frame(ip4("9.9.9.9", "10.9.1.50", 17, Self.payload))).eni == "eni-a")
    lab = Lab(twins)
    lab.options.eni = "eni-g"
    #expect(lab.judge(frame(ip4("9.9.9.9", "10.9.1.50", 17, Self.payload))).eni == "eni-g")
  }

  @Test("--eni never adopts a packet that no address claims")
  func noAdoption() {
    var lab = Lab()
    lab.options.eni = "eni-a"
    let strange = ip4("10.0.2.20", "198.51.100.7", 17, Self.payload)
    #expect(lab.brief(frame(Lab.elsewhere, strange)) == "ignore eni.none")
  }

  @Test("A frame to a NIC's MAC but to no address of it: drop eni.none if it checks, else accepted")
  func byMACOnly() {
    let stray = frame(
      Lab.elsewhere, to: Lab.macA, ip4("10.0.2.20", "172.16.0.1", 17, udp(9, 53)))
    var lab = Lab()
    let verdict = lab.judge(stray)
    #expect(verdict.verdict == "drop" && verdict.reason == "eni.none" && verdict.eni == "eni-a")
    lab = Lab { $0.networkInterfaces[0].sourceDestCheck = false }
    #expect(lab.brief(stray) == "forward new")
  }

  @Test("eni.mac only with --at nic")
  func wrongMAC() {
    let wrong = frame(
      Lab.elsewhere, to: Lab.router, ip4("10.0.2.20", "10.0.1.10", 17, udp(9, 53)))
    var lab = Lab()
    #expect(lab.brief(wrong) == "forward new")
    lab = Lab()
    lab.options.atNIC = true
    #expect(lab.brief(wrong) == "drop eni.mac")
  }

  @Test("A packet to a multicast or broadcast address is judged only as sent")
  func groups() {
    var lab = Lab()
    let packet = ip4("10.0.2.20", "224.0.0.251", 17, Self.payload)
    #expect(lab.brief(frame(Lab.elsewhere, to: 0x0100_5E00_00FB, packet)) == "ignore eni.none")
    let own = ip4("10.0.1.10", "224.0.0.251", 17, Self.payload)
    #expect(lab.brief(frame(to: 0x0100_5E00_00FB, own)) == "drop l2.multicast")
    let limited = ip4("10.0.1.10", "255.255.255.255", 17, Self.payload)
    #expect(lab.brief(frame(to: Lab.broadcast, limited)) == "drop l2.multicast")
  }

  @Test("Other ethertypes to or from a known MAC: l2.ethertype; else ignore")
  func ethertypes() {
    var lab = Lab()
    #expect(lab.brief(frame(Lab.macA, type: 0x88CC, bytes(30))) == "drop l2.ethertype")
    let toNIC = lab.judge(frame(Lab.elsewhere, to: Lab.macA, type: 0x88CC, bytes(30)))
    #expect(toNIC.reason == "l2.ethertype" && toNIC.direction == "ingress")
    #expect(lab.brief(frame(Lab.elsewhere, to: 9, type: 0x88CC, bytes(30))) == "ignore eni.none")
  }

  @Test("ARP from elsewhere to a NIC is l2.ethertype")
  func foreignARP() {
    var lab = Lab()
    #expect(lab.brief(arp(1, "10.0.1.99", "10.0.1.10", mac: Lab.elsewhere)) == "drop l2.ethertype")
    #expect(lab.brief(arp(1, "10.0.1.99", "10.0.1.98", mac: Lab.elsewhere)) == "ignore eni.none")
  }

  @Test(
    "direction is local when sender and receiver are local NICs, whichever step dropped it"
  )
  func localDirection() {
    var lab = Lab()
    let forwarded = lab.judge(frame(ip4("10.0.1.10", "10.0.2.10", 6, tcp(9, 443, "S"))))
    #expect(forwarded.direction == "local" && forwarded.eni == "eni-a")
    #expect(forwarded.output == "eni-b" && forwarded.rule == "sg/egress/0")
    let refused = lab.judge(frame(ip4("10.0.1.10", "10.0.2.10", 6, tcp(9, 80, "S"))))
    #expect(
      refused.reason == "sg.ingress" && refused.direction == "local" && refused.eni == "eni-a")
    let spoofed = lab.judge(frame(ip4("10.0.1.99", "10.0.2.10", 6, tcp(9, 443, "S"))))
    #expect(spoofed.reason == "spoof.ip" && spoofed.direction == "local")
    let unparsed = lab.judge(frame(ip4("10.0.1.10", "10.0.2.10", 6, tcp(9, 443, "S"), checksum: 1)))
    #expect(unparsed.reason == "parse.checksum" && unparsed.direction == "egress")
    let nowhere = lab.judge(frame(ip4("10.0.1.10", "10.0.2.99", 6, tcp(9, 443, "S"))))
    #expect(nowhere.reason == "mapping.none" && nowhere.direction == "egress")
  }

  @Test(
    "A dropped packet changes no connection of the NIC that dropped it; the sender's side stands")
  func sendersSideStands() {
    var lab = Lab()
    let packet = frame(ip4("10.0.1.10", "10.0.2.10", 17, udp(9, 80)))
    #expect(lab.brief(packet) == "drop sg.ingress")
    // Its answer is part of eni-a's connection, but begins one of eni-b.
    let answer = lab.judge(frame(Lab.macB, ip4("10.0.2.10", "10.0.1.10", 17, udp(80, 9))))
    #expect(answer.verdict == "forward" && answer.state == "new" && answer.output == "eni-a")
  }

  @Test("Time is the maximum seen so far: it never goes back")
  func time() {
    var lab = Lab()
    let packet = frame(ip4("10.0.1.10", "10.0.2.20", 17, udp(9, 80)))
    #expect(lab.brief(packet, at: 40_000) == "forward new")
    #expect(lab.brief(packet, at: 1_000) == "forward established")
    #expect(lab.brief(packet, at: 69_999) == "forward established")
    #expect(lab.brief(packet, at: 99_999) == "forward new")
  }
}

import Testing
import VPCModel
import Wire

/// Section "Services and source".
@Suite struct ServiceTests {
  @Test(
    "ARP is answered for a NIC, a mapping or the router; the NIC's own address is consume",
    arguments: [
      ("10.0.1.10", "10.0.1.1", "reply none"), ("10.0.1.10", "10.0.2.20", "reply none"),
      ("10.0.1.10", "10.0.1.12", "reply none"), ("0.0.0.0", "10.0.1.12", "reply none"),
      ("10.0.1.10", "10.0.1.10", "consume none"), ("0.0.0.0", "10.0.1.11", "consume none"),
      ("10.0.1.10", "10.0.1.99", "drop service.arp"),
      ("10.0.1.10", "10.9.1.10", "drop service.arp"), ("10.0.1.12", "10.0.1.1", "drop spoof.ip"),
    ])
  func requests(_ sender: String, _ target: String, _ expected: String) {
    var lab = Lab()
    #expect(lab.brief(arp(1, sender, target)) == expected)
  }

  @Test("answers ... : service.arp; ARP to a group address other than broadcast: l2.multicast")
  func answers() {
    var lab = Lab()
    #expect(lab.brief(arp(2, "10.0.1.10", "10.0.1.12")) == "drop service.arp")
    var group = arp(1, "10.0.1.10", "10.0.1.12")
    group.replaceSubrange(0..<6, with: [1, 0, 0x5E, 0, 0, 1])
    #expect(lab.brief(group) == "drop l2.multicast")
    let verdict = lab.judge(arp(1, "10.0.1.10", "10.0.1.12"))
    #expect(verdict.direction == "egress" && verdict.state == "none" && verdict.output == nil)
  }

  static func solicit(_ source: String, _ target: String, type: UInt8 = 135, hops: UInt8 = 255)
    -> [UInt8]
  {
    let tail = Array(octets(target).suffix(3))
    let group: [UInt8] = Array(octets("ff02::1:ff00:0").prefix(13)) + tail
    var packet = ip6(
      source, "ff02::1", next: 58, [type, 0, 0, 0, 0, 0, 0, 0] + octets(target), hopLimit: hops)
    packet.replaceSubrange(24..<40, with: group)
    return frame(to: 0x3333_FF00_0000, packet)
  }

  @Test(
    "ND requests are answered for an address of a NIC or mapping of the VPC, or the router",
    arguments: [
      ("fd00:10:0:1::a", "fe80::1", "reply none"),
      ("fd00:10:0:1::a", "fd00:10:0:1::1", "reply none"),
      ("fe80::77", "fd00:10:0:1::20", "reply none"), ("::", "fd00:10:0:1::a", "consume none"),
      ("::", "fe80::77", "consume none"), ("fd00:10:0:1::a", "fd00:10:0:1::99", "drop service.nd"),
      ("fd00:10:0:1::b", "fe80::1", "drop spoof.ip"),
    ])
  func neighbours(_ source: String, _ target: String, _ expected: String) {
    var lab = Lab()
    #expect(lab.brief(Self.solicit(source, target)) == expected)
  }

  @Test("advertisements, redirects: service.nd; a hop limit below 255 is no neighbour's")
  func advertisements() {
    var lab = Lab()
    for type: UInt8 in [134, 136, 137] {
      let packet = ip6(
        "fd00:10:0:1::a", "fd00:10:0:1::20", next: 58, [type] + bytes(39), hopLimit: 255)
      #expect(lab.brief(frame(packet)) == "drop service.nd")
    }
    #expect(lab.brief(Self.solicit("fe80::7", "fe80::1", hops: 64)) == "drop service.nd")
  }

  @Test("RS to the proper address is a service, other multicast is l2.multicast")
  func routerSolicitation() {
    var lab = Lab()
    let proper = ip6("fe80::7", "ff02::2", next: 58, [133] + bytes(7), hopLimit: 255)
    var bad = proper
    bad[41] = 0
    bad[39] = 5
    #expect(lab.brief(frame(to: 0x3333_0000_0005, bad)) == "drop l2.multicast")
    var good = proper
    good[41] = 0
    #expect(lab.brief(frame(to: 0x3333_0000_0002, good)) == "reply none")
  }

  static func dhcp(_ type: UInt8, hardware: UInt64 = Lab.macA, relay: UInt8 = 0) -> [UInt8] {
    var message = [UInt8](repeating: 0, count: 240)
    message.replaceSubrange(0..<3, with: [1, 1, 6])
    message[27] = relay
    message.replaceSubrange(28..<34, with: macOctets(hardware))
    message.replaceSubrange(236..<240, with: [0x63, 0x82, 0x53, 0x63])
    return message + [53, 1, type, 255]
  }

  @Test(
    "DHCP is for clients, to broadcast or the router; RELEASE, DECLINE: consume",
    arguments: [
      (UInt8(1), UInt8(0), "255.255.255.255", "reply none"), (3, 0, "10.0.1.1", "reply none"),
      (7, 0, "10.0.1.1", "consume none"), (4, 0, "255.255.255.255", "consume none"),
      (2, 0, "255.255.255.255", "drop service.dhcp"),
      (1, 9, "255.255.255.255", "drop service.dhcp"),
      (1, 0, "10.0.2.20", "forward new"),
    ])
  func dhcpv4(_ type: UInt8, _ relay: UInt8, _ destination: String, _ expected: String) {
    var lab = Lab()
    let message = udp(68, 67, Self.dhcp(type, relay: relay))
    let target = destination == "255.255.255.255" ? Lab.broadcast : Lab.router
    #expect(lab.brief(frame(to: target, ip4("10.0.1.10", destination, 17, message))) == expected)
  }

  @Test("wrong chaddr (--at nic): service.dhcp")
  func chaddr() {
    let packet = frame(
      to: Lab.broadcast,
      ip4("0.0.0.0", "255.255.255.255", 17, udp(68, 67, Self.dhcp(1, hardware: 5))))
    var lab = Lab()
    #expect(lab.brief(packet) == "reply none")
    lab = Lab()
    lab.options.atNIC = true
    #expect(lab.brief(packet) == "drop service.dhcp")
  }

  @Test("UDP 67 to 68 and 547 to 546 from a guest: service.dhcp-server; no address of that family")
  func servers() {
    var lab = Lab()
    #expect(
      lab.brief(frame(ip4("10.0.1.10", "10.0.2.20", 17, udp(67, 68)))) == "drop service.dhcp-server"
    )
    let six = ip6("fd00:10:0:1::a", "fd00:10:0:1::20", next: 17, udp(547, 546))
    #expect(lab.brief(frame(six)) == "drop service.dhcp-server")
    /// A SOLICIT whose client has an identifier of so many bytes (RFC 8415 section 11.1).
    func solicit(_ count: UInt8) -> [UInt8] {
      let identifier = [UInt8](repeating: 3, count: Int(count))
      return ip6(
        "fe80::7", "ff02::1:2", next: 17,
        udp(546, 547, [1, 0, 0, 1, 0, 1, 0, count] + identifier))
    }
    #expect(lab.brief(frame(to: 0x3333_0001_0002, solicit(3))) == "reply none")
    for count: UInt8 in [0, 2, 131] {
      #expect(lab.brief(frame(to: 0x3333_0001_0002, solicit(count))) == "drop service.dhcp")
    }
    let solicit = solicit(3)
    #expect(lab.brief(frame(Lab.macC, to: 0x3333_0001_0002, solicit)) == "drop service.dhcp")
  }

  @Test("all services spend the link-local bucket; a service that ends in a drop spends nothing")
  func linkLocalBucket() {
    var lab = Lab { $0.networkInterfaces[0].limits.linkLocalPacketsPerSecond = 2 }
    #expect(lab.brief(arp(1, "10.0.1.10", "10.0.1.99")) == "drop service.arp")
    #expect(lab.brief(arp(1, "10.0.1.10", "10.0.1.1")) == "reply none")
    #expect(lab.brief(arp(1, "10.0.1.10", "10.0.1.10")) == "consume none")
    #expect(lab.brief(arp(1, "10.0.1.10", "10.0.1.1")) == "drop limit.link-local")
    #expect(lab.brief(arp(1, "10.0.1.10", "10.0.1.1"), at: 499) == "drop limit.link-local")
    #expect(lab.brief(arp(1, "10.0.1.10", "10.0.1.1"), at: 500) == "reply none")
  }

  @Test("without a service such a destination is route.none")
  func linkLocalDestination() {
    var lab = Lab {
      $0.securityGroups[0].egress[0].peers.append(.cidr(prefix("169.254.0.0/16")))
    }
    #expect(
      lab.brief(frame(ip4("10.0.1.10", "169.254.169.254", 17, udp(9, 80)))) == "drop route.none")
  }

  @Test(
    "A packet from an address to itself is spoof.ip; to another of the same NIC route.none"
  )
  func toItself() {
    var lab = Lab { $0.networkInterfaces[0].sourceDestCheck = false }
    #expect(lab.brief(frame(ip4("10.0.1.10", "10.0.1.10", 17, udp(9, 80)))) == "drop spoof.ip")
    #expect(lab.brief(frame(ip4("9.9.9.9", "9.9.9.9", 17, udp(9, 80)))) == "drop spoof.ip")
    #expect(lab.brief(frame(ip4("10.0.1.10", "10.0.1.11", 17, udp(9, 80)))) == "drop route.none")
    #expect(lab.brief(frame(ip4("9.9.9.9", "10.0.2.20", 17, udp(9, 80)))) == "forward new")
  }
}

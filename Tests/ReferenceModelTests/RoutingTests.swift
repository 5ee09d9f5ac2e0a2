import Testing
import VPCModel
import Wire

/// Sections "Groups, ACLs, routes", "Size and limits", and the tunnel.
@Suite struct RoutingTests {
  static func out(_ destination: String, _ port: Int = 80) -> [UInt8] {
    frame(ip4("10.0.1.10", destination, 17, udp(9, port)))
  }

  @Test(
    "by the subnet's route table, longest prefix",
    arguments: [
      ("192.168.3.3", "route.blackhole", "rtb/192.168.0.0/16"),
      ("10.10.1.1", "route.peering", "rtb/10.10.0.0/16"), ("10.0.2.99", "mapping.none", ""),
      ("10.9.1.99", "mapping.none", ""), ("198.51.100.7", "nat.none", ""),
      ("172.16.0.1", "eni.none", ""), ("11.1.1.1", "sg.egress", ""),
    ])
  func refusals(_ destination: String, _ reason: String, _ rule: String) {
    var lab = Lab()
    let verdict = lab.judge(Self.out(destination))
    #expect(verdict.verdict == "drop" && verdict.reason == reason && verdict.rule == rule)
  }

  @Test("in the same subnet the route table is not asked; a more specific route wins over local")
  func specificRoutes() {
    var lab = Lab { model in
      model.routeTables[0].routes += [
        route("10.0.1.0/25", .blackhole), route("10.0.2.0/24", .blackhole),
      ]
    }
    #expect(lab.brief(Self.out("10.0.1.12", 53)) == "forward new")
    #expect(lab.brief(Self.out("10.0.2.20")) == "drop route.blackhole")
  }

  @Test("a CIDR wins over a list at the same prefix")
  func lists() {
    var lab = Lab { model in
      model.prefixLists = [
        PrefixList(id: "pl", entries: [prefix("192.168.0.0/16"), prefix("192.168.4.0/24")])
      ]
      model.networkInterfaces[0].publicAddresses = []
      model.routeTables[0].routes.insert(
        Route(destination: .prefixList("pl"), target: .internetGateway("igw")), at: 0)
    }
    #expect(lab.brief(Self.out("192.168.3.3")) == "drop route.blackhole")
    #expect(lab.brief(Self.out("192.168.4.4")) == "drop nat.none")
  }

  @Test("local NIC through a peering; a route through a NIC that does not check")
  func throughNICs() {
    var lab = Lab { $0.networkInterfaces[2].sourceDestCheck = false }
    let peer = lab.judge(frame(ip4("10.0.1.10", "10.9.1.10", 6, tcp(9, 443, "S"))))
    #expect(peer.output == "eni-g" && peer.direction == "local")
    let router = lab.judge(Self.out("172.16.0.1", 53))
    #expect(router.output == "eni-b" && router.direction == "local" && router.state == "new")
  }

  @Test("the rule named is the first by the order of the NIC's groups, then of the group's rules")
  func naming() {
    var lab = Lab { model in
      model.securityGroups.append(
        SecurityGroup(
          id: "two", vpc: "blue", ingress: [],
          egress: [rule("two/egress/0", nil, [], ["10.0.0.0/8"])]))
      model.networkInterfaces[0].securityGroups = ["two", "sg"]
    }
    #expect(lab.judge(Self.out("10.0.2.20")).rule == "two/egress/0")
  }

  @Test("A NIC without groups allows nothing")
  func noGroups() {
    var lab = Lab { $0.networkInterfaces[0].securityGroups = [] }
    #expect(lab.brief(Self.out("10.0.2.20")) == "drop sg.egress")
  }

  @Test("a group as peer is its members' addresses")
  func groupPeers() {
    var lab = Lab { model in
      model.securityGroups[0].egress[0].peers = [.securityGroup("sg-g")]
    }
    #expect(lab.brief(Self.out("10.0.2.20")) == "drop sg.egress")
    let member = frame(ip4("10.0.1.10", "10.9.1.10", 6, tcp(9, 443, "S")))
    #expect(lab.brief(member) == "forward new")
  }

  // MARK: ACLs

  @Test("Across the subnet's edge, the network ACL, stateless, every packet, lowest number first")
  func acls() {
    var lab = Lab { model in
      model.networkACLs = [
        NetworkACL(
          id: "acl", vpc: "blue", ingress: [aclRule(10, false, 6, "10.0.2.0/24")],
          egress: [
            aclRule(10, false, 17, "10.0.2.0/25"), aclRule(20, true, nil, "10.0.2.0/24"),
          ])
      ]
      model.subnets[0].networkACL = "acl"
    }
    let denied = lab.judge(Self.out("10.0.2.20"))
    #expect(denied.reason == "acl.egress" && denied.rule == "acl/10")
    let final = lab.judge(Self.out("10.9.1.50"))
    #expect(final.reason == "acl.egress" && final.rule == "")
    #expect(lab.brief(Self.out("10.0.1.12", 53)) == "forward new")
    // The answer of an allowed connection is asked too.
    #expect(lab.brief(sent("S", seq: 1)) == "forward new")
    let answer = lab.judge(received("SA", seq: 5, ack: 2))
    #expect(answer.reason == "acl.ingress" && answer.rule == "acl/10")
  }

  @Test("an ACL's absent direction denies all; a subnet without ACL allows all")
  func absentDirection() {
    var lab = Lab { model in
      model.networkACLs = [NetworkACL(id: "acl", vpc: "blue", ingress: [], egress: [])]
      model.subnets[0].networkACL = "acl"
    }
    #expect(lab.brief(Self.out("10.0.2.20")) == "drop acl.egress")
  }

  // MARK: Size

  @Test(
    "Inner IP packets may have mtu - 50 bytes; an IPv4 packet without DF is fragmented instead",
    arguments: [
      (1_422, true, "forward new"), (1_423, true, "drop mtu.exceeded"),
      (1_423, false, "forward new"),
    ])
  func size(_ payload: Int, _ dontFragment: Bool, _ expected: String) {
    var lab = Lab()
    let packet = ip4(
      "10.0.1.10", "10.0.2.20", 17, udp(1, 2, bytes(payload)), dontFragment: dontFragment)
    #expect(lab.brief(frame(packet)) == expected)
  }

  @Test("between local NICs, and without host, sizes are not limited; a gateway takes at most 1500")
  func sizeExceptions() {
    let big = udp(9, 53, bytes(4_000))
    let local = frame(ip4("10.0.1.10", "10.0.1.12", 17, big, dontFragment: true))
    let remote = frame(ip4("10.0.1.10", "10.0.2.20", 17, big, dontFragment: true))
    let outside = frame(ip4("10.0.1.10", "198.51.100.7", 17, big, dontFragment: true))
    var lab = Lab { model in
      model.host?.mtu = 9_100
      model.networkInterfaces[0].publicAddresses = [
        PublicAddress(privateAddress: address("10.0.1.10"), publicAddress: address("203.0.113.10"))
      ]
    }
    #expect(lab.brief(local) == "forward new")
    #expect(lab.brief(remote) == "forward new")
    #expect(lab.brief(outside) == "drop mtu.exceeded")
    lab = Lab { $0.host = nil }
    #expect(lab.brief(remote) == "forward new")
  }

  // MARK: Limits

  @Test("Full: new connections are refused; other NICs notice nothing")
  func connectionLimit() {
    var lab = Lab { $0.networkInterfaces[0].limits.connections = 2 }
    #expect(lab.brief(Self.out("10.0.2.20", 1)) == "forward new")
    #expect(lab.brief(Self.out("10.0.2.20", 2)) == "forward new")
    #expect(lab.brief(Self.out("10.0.2.20", 3)) == "drop limit.connections")
    #expect(lab.brief(Self.out("10.0.2.20", 2), at: 10_000) == "forward established")
    #expect(lab.brief(Self.out("10.0.2.20", 3), at: 30_000) == "forward new")
    #expect(lab.brief(Self.out("10.0.2.20", 4), at: 30_000) == "drop limit.connections")
  }

  @Test("All limits are asked before any is charged; a refused packet pays nothing")
  func refusedPaysNothing() {
    var lab = Lab { model in
      model.networkInterfaces[0].limits.connectionsPerSecond = 1
      model.networkInterfaces[0].limits.packetsPerSecond = 2
    }
    #expect(lab.brief(Self.out("10.0.2.20", 1)) == "forward new")
    #expect(lab.brief(Self.out("10.0.2.20", 2)) == "drop limit.connection-rate")
    #expect(lab.brief(Self.out("10.0.2.20", 1)) == "forward established")
    #expect(lab.brief(Self.out("10.0.2.20", 1)) == "drop limit.packets")
    // Another reason comes first.
    #expect(lab.brief(Self.out("192.168.1.1", 1)) == "drop route.blackhole")
  }

  @Test(
    "Bandwidth charges from the first MAC byte to the last payload byte (raw: the IP header)"
  )
  func bandwidth() {
    let limited = { (model: inout VPCModel) in
      // Room for two frames of 142 bytes.
      model.networkInterfaces[0].limits.bandwidthOut = 142 * 8 * 2
    }
    let packet = ip4("10.0.1.10", "10.0.2.20", 17, udp(1, 2, bytes(100)))
    var lab = Lab(limited)
    #expect(lab.brief(frame(packet) + bytes(40)) == "forward new")
    #expect(lab.brief(frame(type: 0x8100, [0, 1, 8, 0] + packet)) == "forward established")
    #expect(lab.brief(frame(packet)) == "drop limit.bandwidth")
    #expect(lab.brief(frame(packet), at: 499) == "drop limit.bandwidth")
    #expect(lab.brief(frame(packet), at: 500) == "forward established")
    lab = Lab { $0.networkInterfaces[0].limits.bandwidthOut = 128 * 8 }
    #expect(lab.brief(packet, link: 101) == "forward new")
    lab = Lab { model in
      limited(&model)
      model.networkInterfaces[0].limits.burst = 142
    }
    #expect(lab.brief(frame(packet)) == "forward new")
    #expect(lab.brief(frame(packet)) == "drop limit.bandwidth")
  }

  // MARK: The tunnel

  static func tunnel(
    _ inner: [UInt8], vni: UInt32 = 100, from: String = "192.0.2.2", geneve: Bool = true,
    header: [UInt8]? = nil, piece: Piece? = nil
  ) -> [UInt8] {
    let usual: [UInt8] = geneve ? [0, 0, 0x65, 0x58] : [8, 0, 0, 0]
    let payload = (header ?? usual + big32(vni << 8)) + inner
    return frame(
      2, to: 1,
      ip4(from, "192.0.2.1", 17, udp(50_000, geneve ? 6_081 : 4_789, payload), piece: piece))
  }

  static let inner = frame(
    Lab.elsewhere, to: Lab.macA, ip4("10.0.2.20", "10.0.1.10", 6, tcp(9, 443, "S")))

  @Test("both encapsulations are always decapsulated")
  func decapsulation() {
    var lab = Lab()
    let verdict = lab.judge(Self.tunnel(Self.inner))
    #expect(verdict.verdict == "forward" && verdict.direction == "ingress")
    #expect(verdict.output == "eni-a" && verdict.state == "new")
    #expect(lab.brief(Self.tunnel(Self.inner, geneve: false)) == "forward established")
  }

  @Test(
    "tunnel.header (version, length, critical option not understood, reserved bits)",
    arguments: [
      [0x40, 0, 0x65, 0x58, 0, 0, 100, 0] as [UInt8], [0, 1, 0x65, 0x58, 0, 0, 100, 0],
      [0, 0, 0x65, 0x58, 0, 0, 100, 1], [0, 0, 0x08, 0x00, 0, 0, 100, 0],
      [1, 0, 0x65, 0x58, 0, 0, 100, 0, 1, 2, 0x85, 0], [0x3F, 0, 0x65, 0x58, 0, 0, 100, 0], [0, 0],
    ])
  func tunnelHeader(_ header: [UInt8]) {
    var lab = Lab()
    let body = header.count < 8 ? [] : Self.inner
    let verdict = lab.judge(Self.tunnel(body, header: header))
    #expect(
      verdict.reason == "tunnel.header" && verdict.eni == "" && verdict.direction == "ingress")
  }

  @Test(
    "tunnel.vni, tunnel.peer (outer source is not where the inner source lives), tunnel.fragment")
  func tunnelFaults() {
    var lab = Lab()
    #expect(lab.brief(Self.tunnel(Self.inner, vni: 7)) == "drop tunnel.vni")
    #expect(lab.brief(Self.tunnel(Self.inner, from: "192.0.2.3")) == "drop tunnel.peer")
    #expect(
      lab.brief(Self.tunnel(Self.inner + bytes(2), piece: Piece(offset: 0, more: true)))
        == "drop tunnel.fragment")
    let other = frame(2, to: 1, ip4("192.0.2.2", "192.0.2.1", 17, udp(1, 2)))
    #expect(lab.brief(other) == "ignore eni.none")
    let tagged = frame(Lab.elsewhere, to: Lab.macA, type: 0x8100, [0, 1, 8, 0] + bytes(40))
    #expect(lab.brief(Self.tunnel(tagged)) == "drop l2.vlan")
  }

  @Test("Peered traffic carries the destination VPC's VNI")
  func peeredTunnel() {
    var lab = Lab()
    let packet = frame(
      Lab.elsewhere, to: Lab.macA, ip4("10.9.1.50", "10.0.1.10", 6, tcp(9, 443, "S")))
    #expect(lab.brief(Self.tunnel(packet, from: "192.0.2.3")) == "forward new")
    #expect(lab.brief(Self.tunnel(packet, vni: 200, from: "192.0.2.3")) == "drop eni.none")
  }

  @Test(
    "for an internet gateway the outer source is its host, the inner outside the VPC's CIDRs"
  )
  func gateway() {
    let opened = { (model: inout VPCModel) in
      model.networkInterfaces[0].publicAddresses = [
        PublicAddress(privateAddress: address("10.0.1.10"), publicAddress: address("203.0.113.10"))
      ]
    }
    var lab = Lab(opened)
    func packet(_ source: String, _ destination: String) -> [UInt8] {
      frame(Lab.elsewhere, to: Lab.macA, ip4(source, destination, 6, tcp(9, 443, "S")))
    }
    let good = packet("198.51.100.7", "203.0.113.10")
    #expect(lab.brief(Self.tunnel(good, vni: 1, from: "192.0.2.254")) == "forward new")
    #expect(lab.brief(Self.tunnel(good, vni: 100, from: "192.0.2.254")) == "forward established")
    #expect(lab.brief(Self.tunnel(good, vni: 1, from: "192.0.2.2")) == "drop tunnel.peer")
    let inside = packet("10.0.2.20", "203.0.113.10")
    #expect(lab.brief(Self.tunnel(inside, vni: 1, from: "192.0.2.254")) == "drop tunnel.peer")
    let unknown = packet("198.51.100.7", "203.0.113.11")
    #expect(lab.brief(Self.tunnel(unknown, vni: 1, from: "192.0.2.254")) == "drop eni.none")
    // Out and back again: the answer to a translated packet belongs to its connection.
    lab = Lab(opened)
    #expect(
      lab.brief(frame(ip4("10.0.1.10", "198.51.100.7", 6, tcp(7, 80, "S", seq: 1))))
        == "forward new")
    let answer = frame(
      Lab.elsewhere, to: Lab.macA,
      ip4("198.51.100.7", "203.0.113.10", 6, tcp(80, 7, "SA", seq: 1, ack: 2)))
    #expect(lab.brief(Self.tunnel(answer, vni: 1, from: "192.0.2.254")) == "forward established")
  }

  @Test("eni.mac, and eni.none as a drop when a tunnel led here")
  func innerAddresses() {
    var lab = Lab()
    let wrong = frame(Lab.elsewhere, to: 5, ip4("10.0.2.20", "10.0.1.10", 6, tcp(9, 443, "S")))
    let verdict = lab.judge(Self.tunnel(wrong))
    #expect(verdict.reason == "eni.mac" && verdict.eni == "eni-a")
    let nowhere = frame(Lab.elsewhere, to: 5, ip4("10.0.2.20", "10.0.1.99", 6, tcp(9, 443, "S")))
    #expect(lab.brief(Self.tunnel(nowhere)) == "drop eni.none")
  }
}

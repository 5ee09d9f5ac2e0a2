import TableCompiler
import Tables
import Testing
import VPCModel
import Wire

@Suite struct TableCompilerTests {
  @Test func `rules are numbered in the order of groups, ACLs and route tables`() throws {
    let compiled = try TableCompiler.compile(exampleModel(), generation: 7)
    #expect(
      compiled.ruleNames == [
        "", "sg-web/ingress/0", "sg-web/ingress/1", "web-out", "sg-icmp/ingress/0",
        "sg-icmp/ingress/1", "acl-a/ingress/100", "acl-a/egress/100", "acl-a/egress/200",
        "rtb-main/0.0.0.0/0", "rtb-main/10.9.0.0/16", "rtb-main/172.16.0.0/12",
        "rtb-main/192.168.0.0/16", "rtb-main/10.0.0.0/16", "rtb-main/10.0.7.0/24",
        "rtb-main/192.168.0.0/16", "rtb-main/192.168.0.0/16", "rtb-main/172.20.0.0/16",
        "rtb-main/::/0",
      ])
    #expect(compiled.tables.ruleCount == compiled.ruleNames.count)
    #expect(compiled.tables.generation == 7)
    #expect(compiled.nicIDs == ["eni-web", "eni-db"])
    #expect(compiled.vpcIDs == ["vpc-blue", "vpc-green"])
    #expect(compiled.subnetIDs == ["subnet-a", "subnet-b", "subnet-c"])
    #expect(compiled.groupIDs == ["sg-web", "sg-icmp"])
    #expect(compiled.aclIDs == ["acl-a"])
    #expect(compiled.gatewayIDs == ["igw-1"])
    #expect(compiled.peeringIDs == ["pcx-green"])
  }

  @Test func `VPCs, subnets and the host have their records`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    #expect(compiled.tables.vpcs.count == 2)
    #expect(compiled.tables.vpcs[0].vni == 100)
    #expect(
      cidrs(compiled.tables.vpcCIDRs, compiled.tables.vpcs[0].cidrs) == [
        "10.0.0.0/16", "fd00:10::/56",
      ])
    #expect(cidrs(compiled.tables.vpcCIDRs, compiled.tables.vpcs[1].cidrs) == ["10.9.0.0/16"])
    #expect(compiled.tables.subnets.count == 3)
    #expect(compiled.tables.subnets[1].vpc == 1)
    #expect(cidrs(compiled.tables.subnetCIDRs, compiled.tables.subnets[1].cidrs) == ["10.9.1.0/24"])
    #expect(compiled.tables.subnets[0].acl == 0)
    #expect(compiled.tables.subnets[1].acl == .none)
    #expect(compiled.tables.host.isPresent)
    #expect(!compiled.tables.host.isVXLAN)
    #expect(compiled.tables.host.address == (try address("192.0.2.1")))
    #expect(compiled.tables.host.innerMTU == 9050)
    #expect(compiled.tables.dropMidstream == false)
    #expect(compiled.tables.peerings[0].first == 0 && compiled.tables.peerings[0].second == 1)
    #expect(compiled.byteCount > 0)
  }

  @Test func `network interfaces have their records`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    let (web, db) = (compiled.tables.nics[0], compiled.tables.nics[1])
    #expect(web.mac == MACAddress(0x02_00_00_00_00_0A))
    #expect((web.vpc, web.subnet) == (0, 0))
    #expect((db.vpc, db.subnet) == (1, 1))
    #expect(web.addresses.count == 2 && db.addresses.count == 1)
    #expect(
      compiled.tables.nicAddresses[web.addresses.start + 1].address
        == (try address("fd00:10:0:1::a")))
    #expect(compiled.tables.nicAddresses[db.addresses.start].address == (try address("10.9.1.10")))
    #expect(web.groups.count == 2 && compiled.tables.nicGroups[web.groups.start + 1] == 1)
    #expect(db.groups.count == 1 && compiled.tables.nicGroups[db.groups.start] == 1)
    #expect(web.sourceDestCheck && !db.sourceDestCheck)
    #expect(web.tcpEstablished == 432_000_000_000_000)
    #expect(web.udp == 30_000_000_000 && web.udpStream == 180_000_000_000)
    #expect(web.publicAddresses.count == 1)
    let publicAddress = compiled.tables.nicPublicAddresses[web.publicAddresses.start]
    #expect(publicAddress.nic == 0)
    #expect(publicAddress.privateAddress == (try address("10.0.1.10")))
    #expect(publicAddress.publicAddress == (try address("203.0.113.10")))
  }

  @Test func `limits become buckets`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    let (web, db) = (compiled.tables.nics[0], compiled.tables.nics[1])
    // 5 Gbit/s are 5/8 of a byte each nanosecond.
    #expect(web.bandwidthIn.perNanosecond == 5 && web.bandwidthIn.scale == 8)
    #expect(web.bandwidthIn.capacity == 2_000_000 * 8)
    #expect(web.bandwidthOut.perNanosecond == 1 && web.bandwidthOut.scale == 8)
    #expect(web.packets.perNanosecond == 1 && web.packets.scale == 2_000)
    #expect(web.packets.capacity == 500_000 * 2_000)
    #expect(web.connectionRate.capacity == 20_000 * web.connectionRate.scale)
    #expect(web.linkLocal.capacity == 1_024 * web.linkLocal.scale)
    #expect(web.connections == 100_000)
    // Without a burst, one second's worth.
    #expect(db.bandwidthIn.capacity == 1_000 * db.bandwidthIn.scale)
    #expect(db.bandwidthOut.isUnlimited && db.packets.isUnlimited && db.connectionRate.isUnlimited)
    #expect(db.connections == .max)
    // A rate of zero is no bucket without limit: it never holds what one packet costs.
    #expect(!db.linkLocal.isUnlimited)
    #expect(db.linkLocal.capacity < db.linkLocal.scale)
  }

  @Test func `a second's worth of bits need not be whole bytes`() throws {
    var model = try exampleModel()
    model.networkInterfaces[1].limits.bandwidthIn = 12_662
    let bucket = try TableCompiler.compile(model).tables.nics[1].bandwidthIn
    #expect(bucket.capacity * 8 == 12_662 * bucket.scale)
  }

  @Test func `open bits name rules for all ports and all addresses`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    // sg-web: all out for both families. sg-icmp: UDP in from a prefix list that holds ::/0.
    let egress: UInt8 = 0b0000_1111
    let ingressUDPv6: UInt8 = 1 << (4 + 2 + 1)
    #expect(compiled.tables.nics[0].openBits == egress | ingressUDPv6)
    #expect(compiled.tables.nics[1].openBits == ingressUDPv6)
  }

  @Test func `addresses lead to interfaces and mappings of their VPC`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    func location(_ vpc: UInt32, _ text: String) throws -> TableIndex {
      compiled.tables.addresses.lookup(scope: vpc, try address(text))
    }
    #expect(try location(0, "10.0.1.10") == Location(nic: 0).bits)
    #expect(try location(0, "fd00:10:0:1::a") == Location(nic: 0).bits)
    #expect(try location(1, "10.9.1.10") == Location(nic: 1).bits)
    #expect(try location(1, "10.0.1.10") == .none)
    for (index, (vpc, text)) in [
      (0, "10.0.2.20"), (0, "fd00:10:0:2::14"), (1, "10.9.2.20"),
    ].enumerated() {
      let found = Location(bits: try location(UInt32(vpc), text))
      #expect(
        found.isMapping && compiled.mapping(at: found.index) == compiled.model.mappings[index])
    }
    #expect(try compiled.tables.publicAddresses.lookup(scope: 0, address("203.0.113.10")) == 0)
    #expect(try compiled.tables.publicAddresses.lookup(scope: 1, address("203.0.113.10")) == .none)
    #expect(compiled.tables.vnis.lookup(scope: 0, IPAddress(v4: 200)) == 1)
    #expect(compiled.tables.vnis.lookup(scope: 0, IPAddress(v4: 1)) == .none)
    #expect(compiled.tables.gatewayVNIs.lookup(scope: 0, IPAddress(v4: 1)) == 1)
    #expect(compiled.tables.gatewayVNIs.lookup(scope: 0, IPAddress(v4: 100)) == .none)
  }

  @Test func `a group reference means the addresses of its members`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    let set = compiled.tables.classifiers
    let indices = compiled.tables.groups[0].classifiers
    func rule(_ text: String, port: UInt32) throws -> String {
      let remote = try address(text)
      let index = indices.index(.ingress, remote.family)
      let match = set.match(index, high: remote.high, low: remote.low, key: 6 << 16 | port)
      return compiled.ruleNames[Int(match.rule)]
    }
    for member in ["10.0.1.10", "fd00:10:0:1::a", "10.9.1.10", "198.51.100.7", "2001:db8:1::1"] {
      #expect(try rule(member, port: 8050) == "sg-web/ingress/1")
      #expect(try rule(member, port: 443) == "sg-web/ingress/0")
      #expect(try rule(member, port: 80).isEmpty)
    }
    for other in ["10.0.1.11", "198.51.101.7", "fd00:10:0:1::b"] {
      #expect(try rule(other, port: 8050).isEmpty)
    }
    #expect(set.allowsEverywhere(indices.ingressV4, key: 6 << 16 | 443))
    #expect(!set.allowsEverywhere(indices.ingressV4, key: 6 << 16 | 8050))
  }

  @Test func `an ACL's deny does not count as allowing everywhere`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    let set = compiled.tables.classifiers
    let indices = compiled.tables.acls[0].classifiers
    let mail = set.match(indices.egressV4, high: 0, low: 0x0808_0808, key: 6 << 16 | 25)
    #expect(mail == ClassifierMatch(rule: 7, allow: false))
    let web = set.match(indices.egressV4, high: 0, low: 0x0808_0808, key: 6 << 16 | 26)
    #expect(web == ClassifierMatch(rule: 8, allow: true))
    #expect(set.allowsEverywhere(indices.egressV4, key: 6 << 16 | 25))
    #expect(indices.egressV6 == .none && indices.ingressV6 == .none)
  }

  @Test func `an unknown reference is refused`() throws {
    var model = try exampleModel()
    model.subnets[1].vpc = "vpc-red"
    #expect(throws: TableCompilerError.unknownReference(kind: "VPC", id: "vpc-red")) {
      _ = try TableCompiler.compile(model)
    }
  }

  @Test func `an empty model compiles`() throws {
    let compiled = try TableCompiler.compile(VPCModel())
    #expect(compiled.ruleNames == [""])
    #expect(compiled.tables.nics.count == 0)
    #expect(!compiled.tables.host.isPresent)
    #expect(compiled.tables.host.innerMTU == .max)
  }

  @Test func `an idle interface costs little`() throws {
    var model = try exampleModel()
    let before = try TableCompiler.compile(model).byteCount
    for index in 0..<1_000 {
      var group = model.securityGroups[0]
      group.id = "sg-\(index)"
      model.securityGroups.append(group)
      var nic = NetworkInterface(
        id: "eni-\(index)", subnet: "subnet-a", mac: MACAddress(UInt64(index)),
        addresses: [IPAddress(v4: 0x0A00_1000 + UInt32(index))])
      nic.securityGroups = [group.id]
      model.networkInterfaces.append(nic)
    }
    let after = try TableCompiler.compile(model).byteCount
    #expect((after - before) / 1_000 <= 4_096)
  }

  private func cidrs(_ array: FlatArray<CIDRRecord>, _ range: TableRange) -> [String] {
    (range.start..<range.start + range.count).map { array[$0].prefix.description }
  }
}

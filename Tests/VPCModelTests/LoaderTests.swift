import Testing
import VPCModel
import Wire

@Suite struct LoaderTests {
  @Test func readsEveryFieldOfTheExample() throws {
    let model = try load(exampleText)
    let host = try #require(model.host)
    #expect(host.address == IPAddress("192.0.2.1"))
    #expect(host.mac == MACAddress("02:aa:00:00:00:01"))
    #expect(host.gatewayMAC == MACAddress("02:aa:00:00:00:fe"))
    #expect(host.encapsulation == .geneve)
    #expect(host.mtu == 9100)
    #expect(model.vpcs.map(\.id) == ["vpc-blue", "vpc-green"])
    #expect(model.vpcs.map(\.vni) == [100, 200])
    #expect(model.vpcs[0].cidrs.map(\.description) == ["10.0.0.0/16", "fd00:10::/56"])
    #expect(
      model.subnets == [
        Subnet(
          id: "subnet-a", vpc: "vpc-blue", cidrs: prefixes("10.0.1.0/24", "fd00:10:0:1::/64"),
          routeTable: "rtb-main", networkACL: "acl-a")
      ])
    #expect(
      model.prefixLists == [
        PrefixList(id: "pl-office", entries: prefixes("198.51.100.0/24", "2001:db8:1::/48"))
      ])
    #expect(model.peerings == [Peering(id: "pcx-green", vpcs: ["vpc-blue", "vpc-green"])])
    #expect(model.internetGateways.map(\.host.description) == ["192.0.2.254"])
    #expect(model.internetGateways.map(\.vni) == [1])
    #expect(model.mappings.map(\.address.description) == ["10.0.2.20"])
    #expect(model.mappings.map(\.mac.description) == ["02:00:00:00:00:14"])
    #expect(model.policy == Policy())
  }

  @Test func readsTheExamplesInterface() throws {
    let nic = try #require(try load(exampleText).networkInterfaces.first)
    #expect(nic.id == "eni-web")
    #expect(nic.subnet == "subnet-a")
    #expect(nic.addresses.map(\.description) == ["10.0.1.10", "fd00:10:0:1::a"])
    #expect(nic.securityGroups == ["sg-web"])
    #expect(nic.sourceDestCheck)
    #expect(nic.publicAddresses.map(\.publicAddress.description) == ["203.0.113.10"])
    #expect(nic.connectionTracking == ConnectionTracking())
    #expect(nic.limits.bandwidthIn == 5_000_000_000)
    #expect(nic.limits.bandwidthOut == 5_000_000_000)
    #expect(nic.limits.burst == 2_000_000)
    #expect(nic.limits.packetsPerSecond == 500_000)
    #expect(nic.limits.connections == 100_000)
    #expect(nic.limits.connectionsPerSecond == 20_000)
    #expect(nic.limits.linkLocalPacketsPerSecond == 1024)
  }

  @Test func readsTheExamplesRules() throws {
    let model = try load(exampleText)
    let group = try #require(model.securityGroups.first)
    let all = prefixes("0.0.0.0/0", "::/0").map { RulePeer.cidr($0) }
    #expect(
      group.ingress == [
        SecurityGroupRule(
          id: "sg-web/ingress/0", match: TrafficMatch(protocolNumber: 6, ports: [443...443]),
          peers: all),
        SecurityGroupRule(
          id: "sg-web/ingress/1", match: TrafficMatch(protocolNumber: 6, ports: [8000...8100]),
          peers: [.securityGroup("sg-web"), .prefixList("pl-office")]),
        SecurityGroupRule(
          id: "sg-web/ingress/2", match: TrafficMatch(protocolNumber: 1, icmpType: 8),
          peers: prefixes("10.0.0.0/8").map { .cidr($0) }),
      ])
    #expect(
      group.egress == [
        SecurityGroupRule(id: "sg-web/egress/0", match: TrafficMatch(), peers: all)
      ])
    let acl = try #require(model.networkACLs.first)
    #expect(acl.ingress.map(\.id) == ["acl-a/ingress/100"])
    #expect(acl.egress.map(\.number) == [100, 200])
    #expect(acl.egress.map(\.allow) == [false, true])
    #expect(acl.egress[0].match == TrafficMatch(protocolNumber: 6, ports: [25...25]))
    let routes = try #require(model.routeTables.first?.routes)
    #expect(
      routes.map(\.target) == [
        .internetGateway("igw-1"), .peering("pcx-green"), .networkInterface("eni-web"), .blackhole,
      ])
    #expect(
      routes.map(\.destination)
        == prefixes("0.0.0.0/0", "10.9.0.0/16", "172.16.0.0/12", "192.168.0.0/16").map {
          .cidr($0)
        })
  }

  @Test(arguments: ["", "\n", "# nothing\n", "---\n", "{}", "null", "version: 1", "vpcs:\nhost:\n"])
  func emptyFilesAreEmptyModels(_ text: String) throws {
    #expect(try load(text) == VPCModel())
  }

  @Test func absentFieldsHaveDefaults() throws {
    let model = try load(
      """
      host: {address: 192.0.2.1, mac: 02:aa:00:00:00:01, gatewayMAC: 02:aa:00:00:00:fe}
      vpcs: [{id: v, vni: 0, cidrs: [10.0.0.0/8]}]
      subnets: [{id: s, vpc: v, cidrs: [10.1.0.0/16]}]
      networkInterfaces: [{id: e, subnet: s, mac: 02:00:00:00:00:01, addresses: [10.1.0.9]}]
      securityGroups: [{id: g, vpc: v}, {id: none, vpc: v, egress: []}]
      networkACLs: [{id: a, vpc: v}]
      routeTables: [{id: t, vpc: v}]
      """)
    #expect(model.host?.mtu == 1500)
    #expect(model.host?.encapsulation == .geneve)
    #expect(model.subnets[0].routeTable == nil)
    #expect(model.subnets[0].networkACL == nil)
    let nic = model.networkInterfaces[0]
    #expect(nic.securityGroups.isEmpty && nic.publicAddresses.isEmpty && nic.sourceDestCheck)
    #expect(nic.limits == Limits())
    #expect(nic.connectionTracking == ConnectionTracking())
    #expect(model.securityGroups[0].ingress.isEmpty)
    #expect(
      model.securityGroups[0].egress == [
        SecurityGroupRule(
          id: "g/egress/0", match: TrafficMatch(),
          peers: prefixes("0.0.0.0/0", "::/0").map { .cidr($0) })
      ])
    #expect(model.securityGroups[1].egress.isEmpty)
    #expect(model.networkACLs[0].ingress.isEmpty && model.networkACLs[0].egress.isEmpty)
    #expect(model.routeTables[0].routes.isEmpty)
  }

  @Test func filesAreMergedInOrder() throws {
    let sections = exampleText.split(separator: "\npeerings:", maxSplits: 1)
    let merged = try load(String(sections[0]), "peerings:" + sections[1])
    #expect(try merged == load(exampleText))
    let swapped = try load("peerings:" + sections[1], String(sections[0]))
    #expect(try swapped == load(exampleText))
  }

  @Test func jsonAndYAMLGiveTheSameModel() throws {
    let json = """
      {"version": 1,
       "vpcs": [{"id": "v", "vni": 5, "cidrs": ["10.0.0.0/8", "fd00::/16"]}],
       "subnets":[{"id":"s","vpc":"v","cidrs":["10.1.0.0/16"]}],
       \t"networkInterfaces": [{"id": "e", "subnet": "s", "mac": "02:00:00:00:00:01",
      \t\t"addresses": ["10.1.0.9"], "sourceDestCheck": false,
          "publicAddresses": {"10.1.0.9": "203.0.113.1"},
          "limits": {"burst": 65536, "bandwidthIn": "1.5Mbps"},
          "connectionTracking": {"tcpEstablished": "5m", "udp": "500ms", "udpStream": "1h"}}],
       "securityGroups": [{"id": "g", "vpc": "v", "egress": [], "ingress": [
          {"id": "a/b", "protocol": 6, "ports": [22, "80-90"], "from": "::/0"},
          {"protocol": "58", "type": 128, "code": 0, "from": ["10.0.0.0/8", "g"]}]}],
       "policy": {"midstream": "drop", "onRuleChange": "cut"}}
      """
    let yaml = """
      vpcs: [{id: v, vni: 5, cidrs: [10.200.0.1/8, fd00::/16]}]
      subnets: [{id: s, vpc: v, cidrs: [10.1.0.0/16]}]
      networkInterfaces:
      - id: e
        subnet: s
        mac: 02:00:00:00:00:01
        addresses: [10.1.0.9]
        sourceDestCheck: false
        publicAddresses: {10.1.0.9: 203.0.113.1}
        limits: {burst: 64KiB, bandwidthIn: 1500kbps}
        connectionTracking: {tcpEstablished: 300s, udp: 0.5s, udpStream: 60m}
      securityGroups:
      - id: g
        vpc: v
        egress: []
        ingress:
        - {id: a/b, protocol: tcp, ports: [80-85, 85-90, 22], from: "::/0"}
        - {protocol: icmpv6, type: "128", code: 0, from: [10.0.0.0/8, g]}
      policy: {midstream: drop, onRuleChange: cut}
      """
    let model = try load(json)
    #expect(try model == load(yaml))
    #expect(model.securityGroups[0].ingress[0].match.ports == [22...22, 80...90])
    #expect(model.networkInterfaces[0].limits.bandwidthIn == 1_500_000)
    #expect(model.networkInterfaces[0].connectionTracking.udp == 500_000_000)
    #expect(model.policy.midstream == .drop && model.policy.onRuleChange == .cut)
  }

  @Test func groupsOfPeeredVPCsMayBeNamed() throws {
    let model = try load(
      exampleText,
      """
      securityGroups:
        - {id: sg-green, vpc: vpc-green, ingress: [{protocol: all, from: sg-web}]}
      """)
    #expect(model.securityGroups[1].ingress[0].peers == [.securityGroup("sg-web")])
  }

  @Test func rulesOfAnACLAreSorted() throws {
    let model = try load(
      exampleText,
      acl(
        "{rule: 32766, action: deny, protocol: all, cidr: 0.0.0.0/0},"
          + "{rule: 1, id: first, action: allow, protocol: 47, cidr: 10.1.2.3/8}"))
    #expect(model.networkACLs[1].ingress.map(\.id) == ["first", "acl-x/ingress/32766"])
    #expect(model.networkACLs[1].ingress[0].cidr == IPPrefix("10.0.0.0/8"))
  }

  private func prefixes(_ texts: String...) -> [IPPrefix] { texts.compactMap { IPPrefix($0) } }
}

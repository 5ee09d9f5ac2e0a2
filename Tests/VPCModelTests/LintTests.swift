import Testing
import VPCModel

@Suite struct LintTests {
  /// The warnings as `CODE OBJECT`, of a small sound model and some more text.
  private func warnings(_ extra: String...) throws -> [String] {
    let base = """
      vpcs:
        - {id: v, vni: 1, cidrs: [10.0.0.0/8, "fd00::/16"]}
        - {id: w, vni: 2, cidrs: [172.16.0.0/12]}
      subnets: [{id: s, vpc: v, cidrs: [10.1.0.0/16], routeTable: t, networkACL: a}]
      networkInterfaces:
        - {id: e, subnet: s, mac: 02:00:00:00:00:01, addresses: [10.1.0.9], securityGroups: [g]}
      securityGroups: [{id: g, vpc: v}]
      networkACLs: [{id: a, vpc: v}]
      routeTables: [{id: t, vpc: v}]
      peerings: [{id: p, vpcs: [v, w]}]
      """
    let texts = ([base] + extra).enumerated().map { ("\($0.offset)", $0.element) }
    return ModelLint.warnings(try ModelLoader.load(texts: texts)).map { "\($0.code) \($0.object)" }
  }

  @Test func aSoundModelHasNoWarnings() throws {
    #expect(try warnings() == [])
    // The example has a route to an interface, and one into a black hole.
    #expect(
      ModelLint.warnings(try load(exampleText)).map(\.code) == [
        "route-to-checked-nic", "route-black-hole",
      ])
  }

  @Test func findsShadowedRulesOfNetworkACLs() throws {
    let found = try warnings(
      """
      networkACLs:
        - id: b
          vpc: v
          ingress:
            - {rule: 1, action: allow, protocol: tcp, ports: 10-20, cidr: 10.0.0.0/8}
            - {rule: 2, action: deny, protocol: tcp, ports: 21-30, cidr: 10.0.0.0/8}
            - {rule: 3, action: deny, protocol: tcp, ports: [12, 15-25], cidr: 10.1.0.0/16}
            - {rule: 4, action: deny, protocol: tcp, ports: 15-31, cidr: 10.1.0.0/16}
            - {rule: 5, action: deny, protocol: udp, ports: 15, cidr: 10.1.0.0/16}
            - {rule: 6, action: deny, protocol: icmp, type: 3, cidr: 10.0.0.0/8}
            - {rule: 7, action: deny, protocol: icmp, type: 3, code: 4, cidr: 10.0.0.0/8}
            - {rule: 8, action: deny, protocol: icmp, cidr: 10.0.0.0/8}
            - {rule: 9, action: deny, protocol: all, cidr: 0.0.0.0/0}
            - {rule: 10, action: allow, protocol: 47, cidr: 0.0.0.0/1}
            - {rule: 11, action: allow, protocol: all, cidr: "::/0"}
          egress:
            - {rule: 3, action: deny, protocol: tcp, ports: 12, cidr: 10.1.0.0/16}
      """)
    #expect(
      found == [
        "acl-unused b", "acl-shadowed b/ingress/3", "acl-shadowed b/ingress/7",
        "acl-shadowed b/ingress/10", "acl-cuts-answers b/ingress/1",
        "acl-cuts-answers b/ingress/11",
      ])
  }

  @Test func findsRulesThatNeverMatch() throws {
    let found = try warnings(
      """
      prefixLists: [{id: pl, entries: []}, {id: pl6, entries: ["fd00::/16"]}]
      securityGroups:
        - id: h
          vpc: v
          ingress:
            - {protocol: icmp, from: "::/0"}
            - {protocol: icmp, from: ["::/0", 10.0.0.0/8]}
            - {protocol: icmpv6, from: 10.0.0.0/8}
            - {protocol: icmp, from: pl6}
            - {protocol: all, from: pl}
            - {protocol: all, from: h}
            - {protocol: all, from: []}
            - {protocol: all, from: [pl, g]}
      networkACLs:
        - {id: b, vpc: v, egress: [{rule: 1, action: deny, protocol: icmp, cidr: "::/0"}]}
      """)
    #expect(
      found == [0, 2, 3, 4, 5, 6].map { "rule-never-matches h/ingress/\($0)" } + [
        "acl-unused b", "rule-never-matches b/egress/1",
      ])
  }

  @Test func findsWhatNothingUses() throws {
    let found = try warnings(
      """
      securityGroups: [{id: h, vpc: v}]
      prefixLists: [{id: pl, entries: [10.0.0.0/8]}]
      networkACLs: [{id: b, vpc: v}]
      routeTables: [{id: u, vpc: v}]
      """)
    #expect(
      found == ["group-unused h", "prefix-list-unused pl", "acl-unused b", "route-table-unused u"])
  }

  @Test func findsRoutesThatDoNotWork() throws {
    let found = try warnings(
      """
      prefixLists:
        - {id: none, entries: []}
        - {id: same, entries: [192.0.2.0/24, 10.0.0.0/8]}
      subnets: [{id: s2, vpc: v, cidrs: [10.2.0.0/16], routeTable: u}]
      routeTables:
        - id: u
          vpc: v
          routes:
            - {to: 10.0.0.0/8, via: blackhole}
            - {to: 10.3.0.0/16, via: e}
            - {to: 192.0.2.0/24, via: blackhole}
            - {to: same, via: e}
            - {to: none, via: e}
            - {to: 172.16.1.0/24, via: p}
            - {to: 172.0.0.0/8, via: p}
            - {to: 172.32.0.0/16, via: p}
            - {to: 0.0.0.0/0, via: e}
      """)
    #expect(
      found == [
        "route-unreachable u/10.0.0.0/8", "route-inside-vpc u/10.3.0.0/16",
        "route-to-checked-nic u/10.3.0.0/16", "route-black-hole u/192.0.2.0/24",
        "route-unreachable u/same", "route-unreachable u/none",
        "route-outside-peer u/172.32.0.0/16", "route-to-checked-nic u/0.0.0.0/0",
      ])
  }

  @Test func findsOddInterfacesHostsAndMappings() throws {
    let found = try warnings(
      """
      host:
        address: 192.0.2.1
        mac: 02:aa:00:00:00:01
        gatewayMAC: 02:aa:00:00:00:fe
        mtu: 1300
      subnets: [{id: s6, vpc: v, cidrs: ["fd00:0:0:1::/64"]}]
      networkInterfaces:
        - id: f
          subnet: s
          mac: 02:00:00:00:00:02
          addresses: [10.1.0.10]
          connectionTracking: {tcpEstablished: 59s, udp: 61s, udpStream: 1m}
          limits: {burst: 1kB}
      mappings:
        - {vpc: v, address: 11.0.0.1, host: 192.0.2.2, mac: 02:00:00:00:00:03}
        - {vpc: v, address: 10.1.0.11, host: 192.0.2.1, mac: 02:00:00:00:00:04}
      """)
    #expect(
      found == [
        "mtu-below-ipv6-minimum host", "nic-without-groups f", "timeout-range f",
        "timeout-range f", "burst-too-small f", "mapping-outside-vpc v/11.0.0.1",
        "mapping-to-this-host v/10.1.0.11",
      ])
  }
}

import Testing
import VPCModel

/// What groups, ACLs, routes and quotas probably do not mean.
@Suite struct LintPolicyTests {
  /// The warnings as `CODE OBJECT`, of two peered VPCs and some more text.
  private func warnings(_ extra: String) throws -> [String] {
    let base = """
      vpcs:
        - {id: v, vni: 1, cidrs: [10.0.0.0/16, "fd00::/56"]}
        - {id: w, vni: 2, cidrs: [172.16.0.0/16]}
      peerings: [{id: p, vpcs: [v, w]}]
      """
    let texts = [(name: "base", text: base), (name: "extra", text: extra)]
    return ModelLint.warnings(try ModelLoader.load(texts: texts))
      .map { "\($0.code) \($0.object)" }.filter { !$0.contains("-unused") }
  }

  private func group(_ rules: String...) throws -> [String] {
    let list = rules.map { "      - \($0)\n" }.joined()
    return try warnings(
      """
      prefixLists: [{id: world, entries: [192.0.2.0/24, 0.0.0.0/0]}]
      securityGroups:
        - id: g
          vpc: v
          ingress:
      \(list)
      """)
  }

  @Test func findsAdminPortsOpenToEverybody() throws {
    #expect(
      try group(
        "{protocol: tcp, ports: 22, from: 0.0.0.0/0}",
        "{protocol: tcp, ports: 22, from: 10.0.0.0/8}",
        "{protocol: tcp, ports: 3000-4000, from: \"::/0\"}",
        "{protocol: udp, ports: 22, from: 0.0.0.0/0}",
        "{protocol: tcp, ports: [80, 443], from: 0.0.0.0/0}",
        "{protocol: tcp, ports: 5900, from: world}"
      ) == [
        "admin-port-open g/ingress/0", "admin-port-open g/ingress/2",
        "admin-port-open g/ingress/5", "rule-redundant g/ingress/1",
      ])
    #expect(try group("{protocol: all, from: 0.0.0.0/0}") == ["admin-port-open g/ingress/0"])
  }

  @Test func findsRulesThatOthersContain() throws {
    #expect(
      try group(
        "{protocol: tcp, ports: 443, from: 10.1.0.0/16}",
        "{protocol: tcp, ports: 400-500, from: 10.0.0.0/8}",
        "{protocol: tcp, ports: 443, from: [10.2.0.0/16, 192.0.2.0/24]}",
        "{protocol: udp, ports: 443, from: 10.1.0.0/16}", "{protocol: tcp, ports: 80, from: g}",
        "{protocol: tcp, from: g}", "{protocol: tcp, ports: 450-600, from: 10.3.0.0/16}"
      ) == [
        "rule-never-matches g/ingress/4", "rule-never-matches g/ingress/5",
        "rule-redundant g/ingress/0", "rule-redundant g/ingress/4",
      ])
  }

  @Test func ofTwoSameRulesTheLaterIsRedundant() throws {
    let rule = "{protocol: icmp, type: 8, code: any, from: 10.0.0.0/8}"
    #expect(try group(rule, rule) == ["rule-redundant g/ingress/1"])
  }

  @Test func rulesOfOtherDirectionsAreNotRedundant() throws {
    let found = try warnings(
      """
      securityGroups:
        - id: g
          vpc: v
          ingress: [{protocol: tcp, ports: 443, from: 10.0.0.0/8}]
          egress: [{protocol: tcp, ports: 443, to: 10.0.0.0/8}]
      """)
    #expect(found == [])
  }

  private func acl(ingress: [String], egress: [String]) throws -> [String] {
    try warnings(
      """
      networkACLs:
        - id: a
          vpc: v
          ingress: [\(ingress.joined(separator: ", "))]
          egress: [\(egress.joined(separator: ", "))]
      """)
  }

  @Test func findsACLsThatCutAnswers() throws {
    let https = "{rule: 10, action: allow, protocol: tcp, ports: 443, cidr: 0.0.0.0/0}"
    func answers(_ ports: String, _ cidr: String = "0.0.0.0/0") -> String {
      "{rule: 20, action: allow, protocol: tcp, ports: \(ports), cidr: \(cidr)}"
    }
    let cut = ["acl-cuts-answers a/ingress/10"]
    #expect(try acl(ingress: [https], egress: []) == cut)
    #expect(try acl(ingress: [https], egress: [answers("1024-65535")]) == [])
    #expect(try acl(ingress: [https], egress: [answers("32768-60999")]) == cut)
    #expect(try acl(ingress: [https], egress: [answers("1024-65535", "10.0.0.0/8")]) == cut)
    let all = "{rule: 20, action: allow, protocol: tcp, cidr: 0.0.0.0/0}"
    // It lets answers out, and requests of which no answer comes in.
    #expect(try acl(ingress: [https], egress: [all]) == ["acl-cuts-answers a/egress/20"])
    // The other way round.
    #expect(
      try acl(ingress: [], egress: [https]) == ["acl-cuts-answers a/egress/10"])
  }

  @Test func aDenyBeforeTheAnswersCounts() throws {
    let all = "{rule: 30, action: allow, protocol: all, cidr: 0.0.0.0/0}"
    func deny(_ ports: String, _ cidr: String = "0.0.0.0/0") -> String {
      "{rule: 10, action: deny, protocol: tcp, ports: \(ports), cidr: \(cidr)}"
    }
    let cut = ["acl-cuts-answers a/ingress/30"]
    #expect(try acl(ingress: [all], egress: [deny("1024-9999"), all]) == cut)
    // Single ports and single networks are refused on purpose.
    #expect(try acl(ingress: [all], egress: [deny("3389"), all]) == [])
    #expect(try acl(ingress: [all], egress: [deny("1024-9999", "192.0.2.0/24"), all]) == [])
  }

  @Test func findsRoutesThatLeadNowhere() throws {
    let found = try warnings(
      """
      subnets:
        - {id: s, vpc: v, cidrs: [10.0.1.0/24], routeTable: t}
        - {id: x, vpc: w, cidrs: [172.16.1.0/24], routeTable: u}
      securityGroups: [{id: g, vpc: v}]
      networkInterfaces:
        - {id: e, subnet: s, mac: 02:00:00:00:00:01, addresses: [10.0.1.9], securityGroups: [g]}
        - {id: f, subnet: s, mac: 02:00:00:00:00:02, addresses: [10.0.1.8], securityGroups: [g], sourceDestCheck: false}
      routeTables:
        - id: t
          vpc: v
          routes:
            - {to: 192.0.2.0/24, via: blackhole}
            - {to: 198.51.100.0/24, via: e}
            - {to: 203.0.113.0/24, via: f}
            - {to: 172.16.0.0/16, via: p}
        - {id: u, vpc: w}
      """)
    #expect(
      found == [
        "route-black-hole t/192.0.2.0/24", "route-to-checked-nic t/198.51.100.0/24",
        "route-one-way t/172.16.0.0/16",
      ])
  }

  @Test func aWayBackIsEnough() throws {
    func tables(_ back: String) throws -> [String] {
      try warnings(
        """
        subnets:
          - {id: s, vpc: v, cidrs: [10.0.1.0/24], routeTable: t}
          - {id: x, vpc: w, cidrs: [172.16.1.0/24], routeTable: u}
        routeTables:
          - {id: t, vpc: v, routes: [{to: 172.16.0.0/16, via: p}]}
          - {id: u, vpc: w, routes: [{to: \(back), via: p}]}
        """)
    }
    #expect(try tables("10.0.0.0/16") == [])
    // To another part of the VPC, which has nothing there.
    #expect(
      try tables("10.0.2.0/24") == ["route-one-way t/172.16.0.0/16"])
  }

  @Test func tellsWhatIsOverAWSQuotas() throws {
    let rules = (1...61).map { "{protocol: tcp, ports: \($0), from: 192.0.2.0/24}" }
    #expect(try group(rules[0..<60].joined(separator: "\n      - ")) == [])
    #expect(try group(rules.joined(separator: "\n      - ")) == ["quota-exceeded g"])
    let acl = (1...21).map {
      "{rule: \($0), action: deny, protocol: tcp, ports: \($0), cidr: 192.0.2.0/24}"
    }
    #expect(try self.acl(ingress: acl, egress: []) == ["quota-exceeded a"])
    #expect(try self.acl(ingress: Array(acl[..<20]), egress: []) == [])
  }

  @Test func everyKindHasANameOfItsOwn() {
    for rule in LintRule.allCases {
      #expect(rule.rawValue.allSatisfy { $0.isLowercase || $0 == "-" || $0.isNumber })
      #expect(rule.summary.hasSuffix("."))
    }
  }
}

import TableCompiler
import Tables
import Testing
import VPCModel
import Wire

@Suite struct RouteTests {
  private func route(
    _ compiled: CompiledTables, subnet: Int, _ text: String
  ) throws -> RouteRecord? {
    let table = compiled.tables.routeTables[compiled.tables.subnets[subnet].routeTable]
    let destination = try address(text)
    let trie = destination.family == .v4 ? table.v4 : table.v6
    let index = compiled.tables.prefixes.lookup(trie, high: destination.high, low: destination.low)
    return index == .none ? nil : compiled.tables.routes[index]
  }

  @Test(arguments: [
    ("10.0.1.20", RouteKind.local, TableIndex.none, ""),
    ("10.0.7.20", .blackhole, .none, "rtb-main/10.0.7.0/24"),
    ("fd00:10:0:1::b", .local, .none, ""),
    ("fd00:11::1", .nic, 1, "rtb-main/::/0"),
    ("10.9.3.4", .peering, 0, "rtb-main/10.9.0.0/16"),
    ("172.16.0.1", .nic, 0, "rtb-main/172.16.0.0/12"),
    // Longer than the CIDR route around it.
    ("172.20.0.1", .nic, 1, "rtb-main/172.20.0.0/16"),
    // A CIDR route wins over a prefix list's, and the first of two CIDR routes over the second.
    ("192.168.5.5", .blackhole, .none, "rtb-main/192.168.0.0/16"),
    ("8.8.8.8", .gateway, 0, "rtb-main/0.0.0.0/0"),
  ])
  func `the longest prefix decides`(
    text: String, kind: RouteKind, target: TableIndex, rule: String
  ) throws {
    let compiled = try TableCompiler.compile(exampleModel())
    let route = try #require(try route(compiled, subnet: 0, text))
    #expect(route.kind == kind)
    #expect(route.target == target)
    #expect(compiled.ruleNames[Int(route.rule)] == rule)
  }

  @Test func `of two CIDR routes at one prefix the first has the rule`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    #expect(try route(compiled, subnet: 0, "192.168.5.5")?.rule == 12)
  }

  @Test func `a subnet without a table has local routes only`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    #expect(compiled.tables.subnets[1].routeTable == 1)
    #expect(compiled.tables.subnets[2].routeTable == 1)
    #expect(try route(compiled, subnet: 1, "10.9.2.3")?.kind == .local)
    #expect(try route(compiled, subnet: 1, "10.0.1.10") == nil)
    #expect(try route(compiled, subnet: 1, "8.8.8.8") == nil)
    #expect(compiled.tables.routeTables[1].v6 == .none)
  }
}

@Suite struct RouteNameTests {
  @Test func `a route with an id gives one rule of that name to every prefix of its list`() throws {
    var model = VPCModel()
    let block = IPPrefix(IPAddress(v4: 0x0A00_0000), length: 16)
    model.vpcs = [VPC(id: "vpc", vni: 1, cidrs: [block])]
    model.subnets = [Subnet(id: "subnet", vpc: "vpc", cidrs: [block], routeTable: "rtb")]
    let far = [
      IPPrefix(IPAddress(v4: 0xC000_0000), length: 16),
      IPPrefix(IPAddress(v4: 0xC100_0000), length: 16),
    ]
    model.prefixLists = [PrefixList(id: "pl", entries: far)]
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "vpc",
        routes: [
          Route(id: "closed", destination: .prefixList("pl"), target: .blackhole),
          Route(
            destination: .cidr(IPPrefix(IPAddress(v4: 0xC200_0000), length: 16)),
            target: .blackhole),
        ])
    ]
    let compiled = try TableCompiler.compile(model)
    #expect(compiled.ruleNames == ["", "rtb/194.0.0.0/16", "closed"])
    let trie = compiled.tables.routeTables[0].v4
    let rules = [UInt64(0xC000_0001), 0xC100_0001].map { address in
      compiled.tables.routes[compiled.tables.prefixes.lookup(trie, high: 0, low: address)].rule
    }
    #expect(rules == [2, 2])
  }
}

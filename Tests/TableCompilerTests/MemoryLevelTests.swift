import Tables
import Testing
import VPCModel
import Wire

@testable import TableCompiler

/// Many changes one after the other: what they take goes back.
@Suite struct MemoryLevelTests {
  private static func rule(_ group: Int, _ index: Int, _ port: UInt16) -> SecurityGroupRule {
    SecurityGroupRule(
      id: "sg-\(group)/ingress/\(index)",
      match: TrafficMatch(protocolNumber: 6, ports: [port...port]),
      peers: [.cidr(IPPrefix(IPAddress(v4: 0x0B00_0000 + UInt32(index) << 8), length: 24))])
  }

  private static func model() -> VPCModel {
    var model = VPCModel()
    let all = [IPPrefix(IPAddress(v4: 0), length: 0)]
    model.host = Host(
      address: IPAddress(v4: 0xC000_0201), mac: MACAddress(1), gatewayMAC: MACAddress(2))
    model.vpcs = [VPC(id: "vpc", vni: 1, cidrs: all)]
    model.subnets = [Subnet(id: "subnet", vpc: "vpc", cidrs: all, routeTable: "rtb")]
    for group in 0..<5 {
      model.securityGroups.append(
        SecurityGroup(
          id: "sg-\(group)", vpc: "vpc", ingress: (0..<80).map { rule(group, $0, 80) }, egress: []))
    }
    for index in 0..<2_000 {
      model.mappings.append(
        Mapping(
          vpc: "vpc", address: IPAddress(v4: 0x0A00_0000 + UInt32(index)),
          host: IPAddress(v4: 0xC000_0210 + UInt32(index % 5)), mac: MACAddress(3)))
    }
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "vpc",
        routes: (0..<100).map {
          Route(
            destination: .cidr(IPPrefix(IPAddress(v4: 0x2000_0000 + UInt32($0) << 8), length: 24)),
            target: .blackhole)
        })
    ]
    return model
  }

  private static func change(_ model: inout VPCModel, _ random: inout SplitMix64, _ step: Int) {
    let group = Int.random(in: 0..<5, using: &random)
    let place = Int.random(in: 0..<80, using: &random)
    let port = UInt16.random(in: 1...5, using: &random)
    model.securityGroups[group].ingress[place] = rule(group, place, port)
    if step % 2 == 0 {
      let index = Int.random(in: 0..<2_000, using: &random)
      model.mappings.append(model.mappings.remove(at: index))
    }
    if step % 3 == 0 {
      let index = Int.random(in: 0..<100, using: &random)
      let route = model.routeTables[0].routes.remove(at: index)
      model.routeTables[0].routes.append(route)
    }
  }

  /// Where each arena ends, and its free ranges.
  private static func extents(_ compiled: CompiledTables) -> [(end: Int, freeRanges: Int)] {
    let (arenas, places) = (compiled.arenas, compiled.locations.arenas)
    return [
      arenas.classifiers.extent, arenas.classes.extent, arenas.intervals.extent,
      arenas.routes.extent, arenas.tries.extent, arenas.lines.extent, arenas.direct.extent,
      places.v4.extent, places.mappings.extent,
    ]
  }

  @Test(arguments: 1...2)
  func `memory is level after the first changes`(seed: Int) throws {
    var random = SplitMix64(seed: seed)
    var model = Self.model()
    let capacity = TableCapacity(networkInterfaces: 4, rules: 1_000)
    var compiled = try TableCompiler.compile(
      model, CompileRequest(generation: 1, capacity: capacity))
    let first = Self.extents(compiled)
    var early: [Int] = []
    for step in 0..<300 {
      Self.change(&model, &random, step)
      var request = CompileRequest(
        generation: UInt32(step + 2), capacity: capacity, previous: compiled)
      request.swept = UInt32(step + 1)
      compiled = try TableCompiler.compile(model, request)
      if step == 100 { early = Self.extents(compiled).map(\.end) }
      for (number, extent) in Self.extents(compiled).enumerated() {
        // Two generations of what has changed, and what does not fit in between.
        #expect(extent.end <= 2 * first[number].end + 600, "arena \(number), step \(step)")
        #expect(extent.freeRanges <= 40, "arena \(number), step \(step)")
      }
    }
    for (end, before) in zip(Self.extents(compiled).map(\.end), early) {
      #expect(end <= before + before / 4 + 64)
    }
    #expect(compiled.tables.ruleCount <= 3 * 500)
  }
}

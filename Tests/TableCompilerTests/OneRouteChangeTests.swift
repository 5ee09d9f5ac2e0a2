import Tables
import Testing
import VPCModel
import Wire

@testable import TableCompiler

/// Changes of single routes: what is built from the table before is what is built from nothing.
@Suite struct OneRouteChangeTests {
  private static let gateway = RouteTarget.internetGateway("igw")
  private static let interface = RouteTarget.networkInterface("eni")

  private static func targets(_ table: RouteTable, _ list: [IPPrefix]) -> RouteTargets {
    var targets = RouteTargets()
    targets.local = [IPPrefix(IPAddress(v4: 0x0A00_0000), length: 16)]
    for route in table.routes {
      switch route.target {
      case gateway: targets.records[route.target] = RouteRecord(.gateway, 0)
      case interface: targets.records[route.target] = RouteRecord(.nic, 7)
      default: targets.records[route.target] = RouteRecord(.blackhole, .none)
      }
      if case .prefixList(let id) = route.destination { targets.lists[id] = list }
    }
    return targets
  }

  private static func route(_ random: inout SplitMix64) -> Route {
    let target = [gateway, interface, .blackhole].randomElement(using: &random) ?? .blackhole
    let name = random.once(in: 3) ? "a route with number \(random.next())" : nil
    return Route(
      id: name, destination: .cidr(random.prefix(random.once(in: 3) ? .v6 : .v4)), target: target)
  }

  private static func bytes(_ draft: RouteDraft) -> [[UInt8]] {
    func bytes<Record>(_ records: [Record]) -> [UInt8] {
      records.withUnsafeBytes { Array($0) }
    }
    let tries = draft.tries
    return [
      bytes(draft.routes), bytes(tries.nodes), bytes(tries.values), bytes(tries.direct),
      bytes(tries.tries.flatMap { [$0.sharedHigh, $0.sharedLow, UInt64($0.outside)] }),
      bytes([draft.record.v4, draft.record.v6]),
    ]
  }

  @Test(arguments: 1...30)
  func `a changed table is what it would be from nothing`(seed: Int) throws {
    var random = SplitMix64(seed: seed)
    var table = RouteTable(id: "rtb", vpc: "vpc", routes: [])
    for _ in 0..<Int.random(in: 0...40, using: &random) {
      table.routes.append(Self.route(&random))
    }
    var list = [random.prefix(.v4), random.prefix(.v6)]
    let arenas = TableArenas(.reserved)
    var known: RoutePart?
    for step in 0..<15 {
      let targets = Self.targets(table, list)
      let after = try RouteDraft(table, targets, id: table.id, after: known)
      let fresh = try RouteDraft(table, targets, id: table.id, after: nil)
      #expect(Self.bytes(after) == Self.bytes(fresh), "seed \(seed), step \(step)")
      #expect(after.names == fresh.names && after.flat == fresh.flat)
      known = try RoutePart(
        after, numbers: after.names.indices.map { UInt32($0 + 1) }, in: arenas)
      let place = Int.random(in: 0...table.routes.count, using: &random)
      switch Int.random(in: 0...5, using: &random) {
      case 0: table.routes.insert(Self.route(&random), at: place)
      case 1 where place < table.routes.count: table.routes.remove(at: place)
      case 2 where place < table.routes.count: table.routes[place].target = .blackhole
      case 3 where place < table.routes.count:
        // With a list, and in the next step perhaps without one.
        table.routes[place].destination = .prefixList("list")
        list.append(random.prefix(.v4))
      case 4: list[0] = random.prefix(.v4)
      default:
        if place < table.routes.count { table.routes[place] = Self.route(&random) }
      }
    }
  }
}

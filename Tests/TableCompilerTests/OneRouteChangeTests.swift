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

  /// What a table says of an address.
  private static func look(_ part: RoutePart, _ address: IPAddress, _ arenas: TableArenas)
    -> RouteRecord?
  {
    let trie = address.family == .v4 ? part.record.v4 : part.record.v6
    let index = arenas.prefixes.lookup(trie, high: address.high, low: address.low)
    return index == .none ? nil : arenas.routes.view[index]
  }

  private static func part(
    _ draft: RouteDraft, _ arenas: TableArenas, after known: RoutePart?
  ) throws -> RoutePart {
    try RoutePart(
      draft, numbers: draft.names.indices.map { UInt32($0 + 1) }, in: arenas, after: known)
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
      let draft = RouteDraft(table, targets, id: table.id, after: known)
      let freshDraft = RouteDraft(table, targets, id: table.id, after: nil)
      #expect(draft.names == freshDraft.names && draft.flat == freshDraft.flat)
      let after = try Self.part(draft, arenas, after: known)
      let fresh = try Self.part(freshDraft, arenas, after: nil)
      for _ in 0..<100 {
        let address = random.address(random.once(in: 3) ? .v6 : .v4)
        #expect(
          Self.look(after, address, arenas) == Self.look(fresh, address, arenas),
          "seed \(seed), step \(step), \(address)")
      }
      known = after
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

/// Large tables, whose routes stand in pieces.
@Suite struct RoutePieceTests {
  /// Routes as the compiler sees them; each has its place as rule.
  private struct Routes {
    var prefixes: [IPPrefix] = []

    /// Ascending, each once.
    func placed(_ family: IPFamily) -> [PlacedRoute] {
      var flat = FlatRules()
      flat.replace(
        0..<0,
        with: prefixes.map { ClassifierRule(allow: true, intervals: [], prefixes: [$0]) })
      let pairs = flat.pairs(family)
      return pairs.indices.compactMap { index in
        if index > 0 && pairs[index].hasPrefix(of: pairs[index - 1]) { return nil }
        // By the prefix, so that a route says the same wherever it stands.
        var record = RouteRecord(.blackhole, .none)
        let prefix = prefixes[Int(pairs[index].rule)]
        record.rule = UInt32(truncatingIfNeeded: prefix.hashValue & 0xFFFF_FFFF)
        return PlacedRoute(pairs[index], record)
      }
    }
  }

  private static func longest(_ routes: [PlacedRoute], _ address: IPAddress) -> RouteRecord? {
    let whole = IPPrefix(address, length: address.family.bitWidth)
    let pair = FlatRules.Pair(whole, rule: 0)
    return routes.filter { route in
      let mask = IPPrefix.mask(family: .v6, length: route.length)
      return pair.high & mask.high == route.high && pair.low & mask.low == route.low
    }.max { $0.length < $1.length }?.record
  }

  /// Many prefixes close to each other, and some that span many of them.
  private static func prefix(_ family: IPFamily, _ random: inout SplitMix64) -> IPPrefix {
    if random.once(in: 50) { return random.prefix(family) }
    let noise = random.next()
    let address =
      family == .v4
      ? IPAddress(v4: 0x0A00_0000 | UInt32(truncatingIfNeeded: noise & 0x3F_FFFF))
      : IPAddress(v6: 0xFD00_0000_0000_0000 | noise & 0xF_FFFF, random.next())
    let longest = family == .v4 ? 32 : 80
    return IPPrefix(address, length: Int.random(in: longest - 12...longest, using: &random))
  }

  @Test(arguments: [IPFamily.v4, .v6], [1, 2, 3, 4])
  func `every generation finds what a linear search finds`(family: IPFamily, seed: Int) throws {
    var random = SplitMix64(seed: seed)
    var routes = Routes()
    // Around the number from which on there is a direct table.
    let count = [2_040, 2_100, 5_000, 9_000][seed - 1]
    for _ in 0..<count { routes.prefixes.append(Self.prefix(family, &random)) }
    let arenas = TableArenas(.reserved)
    var known: RouteTrie?
    for step in 0..<8 {
      let placed = routes.placed(family)
      let trie = try #require(try RouteTrie(placed, family, in: arenas, after: known))
      for _ in 0..<50 {
        let address = random.address(near: routes.prefixes, family)
        let index = arenas.prefixes.lookup(trie.index, high: address.high, low: address.low)
        let found = index == .none ? nil : arenas.routes.view[index]
        #expect(
          found == Self.longest(placed, address), "seed \(seed), step \(step), \(address)")
      }
      known = trie
      for _ in 0..<Int.random(in: 1...(step % 4 == 3 ? 1_500 : 4), using: &random) {
        let place = Int.random(in: 0..<routes.prefixes.count, using: &random)
        switch Int.random(in: 0...2, using: &random) {
        case 0: routes.prefixes.append(Self.prefix(family, &random))
        case 1: routes.prefixes.remove(at: place)
        default: routes.prefixes[place] = Self.prefix(family, &random)
        }
      }
    }
  }

  /// Parts that are not the same object.
  private static func others(_ a: [RoutePiece], _ b: [RoutePiece]) -> Int {
    b.count { piece in !a.contains { $0 === piece } }
  }

  @Test(arguments: [24, 28]) func `one route makes one piece anew`(length: Int) throws {
    var routes = Routes()
    // Prefixes that end in the direct table, or below it; and two that others inherit.
    for index in 0..<20_000 {
      let address = IPAddress(v4: 0x2000_0000 + UInt32(index) << 9)
      routes.prefixes.append(IPPrefix(address, length: length))
    }
    routes.prefixes.append(IPPrefix(IPAddress(v4: 0), length: 0))
    routes.prefixes.append(IPPrefix(IPAddress(v4: 0x2000_0000), length: 8))
    let arenas = TableArenas(.reserved)
    let before = try #require(try RouteTrie(routes.placed(.v4), .v4, in: arenas, after: nil))
    #expect(before.heads.count + before.pieces.count > 50)
    let same = try #require(try RouteTrie(routes.placed(.v4), .v4, in: arenas, after: before))
    #expect(same.index == before.index)

    routes.prefixes[7_777] = IPPrefix(IPAddress(v4: 0x2000_0100 + 7_777 << 9), length: length)
    let after = try #require(try RouteTrie(routes.placed(.v4), .v4, in: arenas, after: before))
    #expect(Self.others(before.heads, after.heads) == (length == 24 ? 1 : 0))
    #expect(Self.others(before.pieces, after.pieces) == (length == 24 ? 0 : 1))

    routes.prefixes.append(IPPrefix(IPAddress(v4: 0x2000_0100), length: length))
    let more = try #require(try RouteTrie(routes.placed(.v4), .v4, in: arenas, after: after))
    #expect(Self.others(after.heads + after.pieces, more.heads + more.pieces) == 1)
  }

  @Test func `memory of pieces that went is used again`() throws {
    var random = SplitMix64(seed: 5)
    var routes = Routes()
    for _ in 0..<6_000 { routes.prefixes.append(Self.prefix(.v4, &random)) }
    let arenas = TableArenas(.reserved)
    var known = try RouteTrie(routes.placed(.v4), .v4, in: arenas, after: nil)
    var ends: [Int] = []
    for step in 0..<100 {
      routes.prefixes[step] = Self.prefix(.v4, &random)
      known = try RouteTrie(routes.placed(.v4), .v4, in: arenas, after: known)
      ends.append(arenas.nodes.extent.end)
    }
    #expect(known != nil)
    #expect(ends[99] < ends[20] * 3 / 2)
  }
}

import Tables
import Testing
import VPCModel
import Wire

@testable import TableCompiler

/// Changes of single routes, and of entries of the prefix lists that they name: every generation
/// says what one from nothing says.
@Suite struct OneRouteChangeTests {
  /// A model with a route table whose routes, lists and VPC change at random.
  private struct Scene {
    var model = VPCModel()
    var random: SplitMix64

    init(seed: Int, routes: Int) {
      random = SplitMix64(seed: seed)
      let block = [IPPrefix(IPAddress(v4: 0x0A00_0000), length: 16)]
      model.vpcs = [VPC(id: "vpc", vni: 1, cidrs: block)]
      model.subnets = [Subnet(id: "subnet", vpc: "vpc", cidrs: block, routeTable: "rtb")]
      model.internetGateways = [
        InternetGateway(id: "igw", vpc: "vpc", host: IPAddress(v4: 0xC000_0201), vni: 9)
      ]
      model.prefixLists = ["a", "b"].map { PrefixList(id: $0, entries: []) }
      model.routeTables = [RouteTable(id: "rtb", vpc: "vpc", routes: [])]
      for _ in 0..<routes { addRoute() }
      for _ in 0..<4 { changeEntry() }
    }

    mutating func prefix() -> IPPrefix {
      if random.once(in: 3) { return random.prefix(random.once(in: 3) ? .v6 : .v4) }
      // Many close to each other.
      let bits = UInt32(truncatingIfNeeded: random.next() & 0x3F_FFFF)
      return IPPrefix(
        IPAddress(v4: 0x2000_0000 | bits), length: Int.random(in: 18...32, using: &random))
    }

    mutating func route(to destination: RouteDestination) -> Route {
      let id = random.once(in: 4) ? "named \(random.next())" : nil
      return Route(
        id: id, destination: destination,
        target: random.once(in: 2) ? .blackhole : .internetGateway("igw"))
    }

    mutating func addRoute() {
      let prefix = prefix()
      if model.routeTables[0].routes.contains(where: { $0.destination == .cidr(prefix) }) { return }
      let place = Int.random(in: 0...model.routeTables[0].routes.count, using: &random)
      model.routeTables[0].routes.insert(route(to: .cidr(prefix)), at: place)
    }

    /// One list is named by a route or not, each list by one at most.
    mutating func changeListRoute() {
      let destination = RouteDestination.prefixList(random.once(in: 2) ? "a" : "b")
      let known = model.routeTables[0].routes.firstIndex { $0.destination == destination }
      if let known {
        model.routeTables[0].routes.remove(at: known)
      } else {
        let place = Int.random(in: 0...model.routeTables[0].routes.count, using: &random)
        model.routeTables[0].routes.insert(route(to: destination), at: place)
      }
    }

    mutating func changeEntry() {
      let list = random.once(in: 2) ? 0 : 1
      // Often what a route or another list has, too.
      var prefix = prefix()
      let routes = model.routeTables[0].routes
      if random.once(in: 2), let route = routes.randomElement(using: &random),
        case .cidr(let same) = route.destination
      {
        prefix = same
      }
      if let index = model.prefixLists[list].entries.firstIndex(of: prefix) {
        model.prefixLists[list].entries.remove(at: index)
      } else if random.once(in: 12) {
        model.prefixLists[list].entries = []
      } else {
        model.prefixLists[list].entries.append(prefix)
      }
    }

    mutating func change() {
      let count = model.routeTables[0].routes.count
      let place = Int.random(in: 0..<max(1, count), using: &random)
      switch Int.random(in: 0...9, using: &random) {
      case 0, 1: addRoute()
      case 2, 3:
        if place < count { model.routeTables[0].routes.remove(at: place) }
      case 4:
        if place < count {
          let destination = model.routeTables[0].routes[place].destination
          model.routeTables[0].routes[place] = route(to: destination)
        }
      case 5: changeListRoute()
      case 6 where random.once(in: 4): model.vpcs[0].cidrs = [random.prefix(.v4)]
      case 7 where random.once(in: 4):
        model.internetGateways.insert(
          InternetGateway(
            id: "igw-\(random.next())", vpc: "vpc", host: IPAddress(v4: 0xC000_0202), vni: 9),
          at: 0)
      default: changeEntry()
      }
    }

    var prefixes: [IPPrefix] {
      model.prefixLists.flatMap(\.entries)
        + model.routeTables[0].routes.compactMap {
          if case .cidr(let prefix) = $0.destination { prefix } else { nil }
        }
    }
  }

  /// What a table says of an address: kind, target, name.
  private static func look(
    _ compiled: CompiledTables, _ names: [String], _ address: IPAddress
  ) -> [String] {
    let table = compiled.tables.routeTables[0]
    let trie = address.family == .v4 ? table.v4 : table.v6
    let index = compiled.tables.prefixes.lookup(trie, high: address.high, low: address.low)
    if index == .none { return [] }
    let record = compiled.tables.routes[index]
    return ["\(record.kind)", "\(record.target)", names[Int(record.rule)]]
  }

  /// The numbers of names that only one rule has.
  private static func numbers(_ compiled: CompiledTables) -> [String: UInt32] {
    var numbers: [String: UInt32] = [:]
    var twice: Set<String> = []
    compiled.forEachRule { number, name in
      if numbers.updateValue(number, forKey: name) != nil { twice.insert(name) }
    }
    for name in twice { numbers[name] = nil }
    return numbers
  }

  @Test(arguments: [20, 300, 2_200], 1...4)
  func `every generation says what one from nothing says`(routes: Int, seed: Int) throws {
    var scene = Scene(seed: seed, routes: routes)
    let capacity = TableCapacity(networkInterfaces: 1, rules: 10_000)
    var compiled = try TableCompiler.compile(
      scene.model, CompileRequest(generation: 1, capacity: capacity))
    let steps = routes > 1_000 ? 6 : 25
    for step in 2..<steps + 2 {
      for _ in 0..<(scene.random.once(in: 5) ? 20 : 1) { scene.change() }
      var request = CompileRequest(
        generation: UInt32(step), capacity: capacity, previous: compiled)
      request.swept = UInt32(step - 2)
      let next = try TableCompiler.compile(scene.model, request)
      let fresh = try TableCompiler.compile(scene.model)
      let (names, freshNames) = (next.ruleNames, fresh.ruleNames)
      #expect(
        names.filter { !$0.isEmpty }.sorted() == freshNames.filter { !$0.isEmpty }.sorted(),
        "seed \(seed), step \(step)")
      #expect(next.routeTables[0].ruleCount == fresh.routeTables[0].ruleCount)
      #expect(next.routeTables[0].ruleCount == freshNames.count - 1)
      let prefixes = scene.prefixes
      for _ in 0..<100 {
        let family = scene.random.once(in: 3) ? IPFamily.v6 : .v4
        let address = scene.random.address(near: prefixes, family)
        #expect(
          Self.look(next, names, address) == Self.look(fresh, freshNames, address),
          "seed \(seed), step \(step), \(address)")
      }
      let (before, after) = (Self.numbers(compiled), Self.numbers(next))
      for (name, number) in after {
        if let known = before[name] { #expect(number == known, "\(name), step \(step)") }
      }
      compiled = next
    }
  }
}

/// Large tables, whose tries begin with a direct table.
@Suite struct RouteTrieTests {
  private static func claim(_ prefix: IPPrefix) -> RouteClaim {
    // By the prefix, so that a route says the same wherever it stands.
    var record = RouteRecord(.blackhole, .none)
    record.rule = UInt32(truncatingIfNeeded: prefix.hashValue & 0xFFFF_FFFF)
    return RouteClaim(prefix, rank: RouteClaim.cidr, id: nil, record)
  }

  private static func longest(_ prefixes: Set<IPPrefix>, _ address: IPAddress) -> RouteRecord? {
    prefixes.filter { $0.contains(address) }.max { $0.length < $1.length }.map { claim($0).record }
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
    var prefixes: Set<IPPrefix> = []
    // Around the number from which on there is a direct table.
    let count = [2_040, 2_100, 5_000, 9_000][seed - 1]
    while prefixes.count < count { prefixes.insert(Self.prefix(family, &random)) }
    let arenas = TableArenas(.reserved)
    var trie = try RouteTrie(
      SortedPieces(prefixes.map { Self.claim($0) }.sorted()), family, in: arenas)
    for step in 0..<8 {
      var (removed, added): (Set<IPPrefix>, Set<IPPrefix>) = ([], [])
      for _ in 0..<Int.random(in: 1...(step % 4 == 3 ? 1_500 : 6), using: &random) {
        if random.once(in: 2), let one = prefixes.randomElement(using: &random) {
          removed.insert(one)
        } else {
          added.insert(Self.prefix(family, &random))
        }
      }
      // What is there already is taken out first.
      removed.formUnion(added.intersection(prefixes))
      prefixes.subtract(removed)
      prefixes.formUnion(added)
      trie = try #require(
        try trie.replacing(
          removed.map { Self.claim($0) }.sorted(), with: added.map { Self.claim($0) }.sorted(),
          family, in: arenas))
      #expect(trie.claims.count == prefixes.count)
      let near = Array(prefixes.union(removed).shuffled(using: &random).prefix(100))
      for _ in 0..<100 {
        let address = random.address(near: near + removed, family)
        let index = arenas.prefixes.lookup(trie.index, high: address.high, low: address.low)
        let found = index == .none ? nil : arenas.routes.view[index]
        #expect(
          found == Self.longest(prefixes, address), "seed \(seed), step \(step), \(address)")
      }
    }
  }

  @Test(arguments: [24, 28]) func `one route of many takes little memory`(length: Int) throws {
    func prefix(_ index: Int, _ offset: UInt32) -> IPPrefix {
      IPPrefix(IPAddress(v4: 0x2000_0000 + UInt32(index) << 9 + offset), length: length)
    }
    // Prefixes that end in the direct table, or below it; and one that they inherit.
    var all = (0..<20_000).map { prefix($0, 0) }
    all.append(IPPrefix(IPAddress(v4: 0x2000_0000), length: 8))
    let arenas = TableArenas(.reserved)
    var trie = try RouteTrie(
      SortedPieces(all.map { Self.claim($0) }.sorted()), .v4, in: arenas)
    let (records, lines) = (arenas.routes.extent.end, arenas.lines.extent.end)
    for index in 0..<100 {
      let (old, new) = (prefix(index * 137, 0), prefix(index * 137, 0x100))
      trie = try #require(
        try trie.replacing([Self.claim(old)], with: [Self.claim(new)], .v4, in: arenas))
    }
    #expect(arenas.routes.extent.end <= records + 100)
    #expect(arenas.lines.extent.end <= lines + 100 * 8)
    // Two of the generations have a direct table, one more is what was made at once.
    #expect(arenas.direct.extent.end <= 3 << 16)
  }

  @Test func `memory of patches is used again`() throws {
    var random = SplitMix64(seed: 5)
    var known = Set((0..<3_000).map { _ in Self.prefix(.v4, &random) })
    var prefixes = Array(known)
    let arenas = TableArenas(.reserved)
    var trie = try RouteTrie(
      SortedPieces(prefixes.map { Self.claim($0) }.sorted()), .v4, in: arenas)
    let first = arenas.lines.extent.end
    var ends: [Int] = []
    for step in 0..<1_000 {
      let place = step % prefixes.count
      var other = Self.prefix(.v4, &random)
      while known.contains(other) { other = Self.prefix(.v4, &random) }
      known.remove(prefixes[place])
      known.insert(other)
      trie = try #require(
        try trie.replacing(
          [Self.claim(prefixes[place])], with: [Self.claim(other)], .v4, in: arenas))
      prefixes[place] = other
      ends.append(arenas.lines.extent.end)
    }
    // What was made at once, patches of half its size, and both again while they are made anew.
    #expect(ends[999] < 4 * first, "\(first) \(ends.enumerated().filter { $0.0 % 100 == 0 })")
  }
}

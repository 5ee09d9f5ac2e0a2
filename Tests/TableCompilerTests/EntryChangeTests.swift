import Tables
import Testing
import VPCModel
import Wire

@testable import TableCompiler

/// Changes of entries of prefix lists, and of members of groups, that rules name: every generation
/// says what one from nothing says.
@Suite struct EntryChangeTests {
  /// Groups whose rules name lists, each other and CIDRs.
  private struct Scene {
    var model = VPCModel()
    var random: SplitMix64

    init(seed: Int, groups: Int, rules: Int, entries: Int) {
      random = SplitMix64(seed: seed)
      let all = [IPPrefix(IPAddress(v4: 0), length: 0)]
      model.vpcs = [VPC(id: "vpc", vni: 1, cidrs: all)]
      model.subnets = [Subnet(id: "subnet", vpc: "vpc", cidrs: all)]
      model.prefixLists = ["a", "b"].map { PrefixList(id: $0, entries: []) }
      for _ in 0..<entries { model.prefixLists[0].entries.append(prefix()) }
      // Not by way of a set, whose order is another in every process.
      var known: Set<IPPrefix> = []
      model.prefixLists[0].entries.removeAll { !known.insert($0).inserted }
      for index in 0..<3 {
        var nic = NetworkInterface(
          id: "eni-\(index)", subnet: "subnet", mac: MACAddress(UInt64(index + 1)),
          addresses: [random.address(.v4)])
        nic.securityGroups = ["sg-\(index % groups)"]
        model.networkInterfaces.append(nic)
      }
      for group in 0..<groups {
        var made = SecurityGroup(id: "sg-\(group)", vpc: "vpc", ingress: [], egress: [])
        for index in 0..<rules {
          made.ingress.append(rule("sg-\(group)/ingress/\(index)", groups))
          made.egress.append(rule("sg-\(group)/egress/\(index)", groups))
        }
        model.securityGroups.append(made)
      }
    }

    mutating func prefix() -> IPPrefix {
      if random.once(in: 3) {
        let found = random.prefix(random.once(in: 3) ? .v6 : .v4)
        // Everything is for itself.
        return found.length == 0 && !random.once(in: 8)
          ? IPPrefix(found.address, length: 20) : found
      }
      let bits = UInt32(truncatingIfNeeded: random.next() & 0x3_FFFF)
      return IPPrefix(
        IPAddress(v4: 0x2000_0000 | bits), length: Int.random(in: 12...32, using: &random))
    }

    mutating func rule(_ id: String, _ groups: Int) -> SecurityGroupRule {
      let port = UInt16.random(in: 0...20, using: &random)
      let match =
        switch Int.random(in: 0...9, using: &random) {
        case 0...1: TrafficMatch()
        case 2: TrafficMatch(protocolNumber: random.once(in: 2) ? 1 : 58, icmpType: 0, icmpCode: 0)
        case 3...5: TrafficMatch(protocolNumber: 6, ports: [port...port + 5])
        default: TrafficMatch(protocolNumber: 17, ports: [port...port + 5])
        }
      let peers = (0..<Int.random(in: 1...2, using: &random)).map { _ in
        switch Int.random(in: 0...5, using: &random) {
        case 0, 1: RulePeer.prefixList(random.once(in: 3) ? "b" : "a")
        case 2: RulePeer.securityGroup("sg-\(Int.random(in: 0..<groups, using: &random))")
        default: RulePeer.cidr(prefix())
        }
      }
      return SecurityGroupRule(id: id, match: match, peers: peers)
    }

    mutating func changeEntry() {
      let list = random.once(in: 3) ? 1 : 0
      let entries = model.prefixLists[list].entries
      switch Int.random(in: 0...20, using: &random) {
      case 0: model.prefixLists[list].entries = []
      case 1: model.prefixLists[list].entries.shuffle(using: &random)
      case 2...8 where !entries.isEmpty:
        let place = Int.random(in: 0..<entries.count, using: &random)
        model.prefixLists[list].entries.remove(at: place)
      case 9...12 where !entries.isEmpty:
        model.prefixLists[list].entries[Int.random(in: 0..<entries.count, using: &random)] =
          prefix()
      case 13:
        // What a rule has as a CIDR.
        let rules = model.securityGroups.flatMap(\.ingress).flatMap(\.peers)
        for peer in rules {
          guard case .cidr(let prefix) = peer, random.once(in: 5) else { continue }
          model.prefixLists[list].entries.append(prefix)
          break
        }
      default: model.prefixLists[list].entries.append(prefix())
      }
    }

    mutating func change() {
      let group = Int.random(in: 0..<model.securityGroups.count, using: &random)
      switch Int.random(in: 0...12, using: &random) {
      case 0:
        let place = Int.random(in: 0..<model.securityGroups[group].egress.count, using: &random)
        let id = model.securityGroups[group].egress[place].id
        model.securityGroups[group].egress[place] = rule(id, model.securityGroups.count)
      case 1, 2:
        let nic = Int.random(in: 0..<model.networkInterfaces.count, using: &random)
        if random.once(in: 2) {
          model.networkInterfaces[nic].addresses.append(random.address(.v6))
        } else {
          model.networkInterfaces[nic].securityGroups = ["sg-\(group)"]
        }
      default: changeEntry()
      }
    }

    /// Addresses where something may be decided.
    var prefixes: [IPPrefix] {
      model.prefixLists.flatMap(\.entries)
        + model.networkInterfaces.flatMap(\.addresses).map {
          IPPrefix($0, length: $0.family.bitWidth)
        }
    }
  }

  /// What a group says of an address and a key, in both directions.
  private static func look(
    _ compiled: CompiledTables, _ names: [String], _ group: Int, _ address: IPAddress,
    _ key: UInt32
  ) -> [String] {
    let record = compiled.tables.groups[group].classifiers
    let v4 = address.family == .v4
    let sides =
      v4 ? [record.ingressV4, record.egressV4] : [record.ingressV6, record.egressV6]
    return sides.flatMap { side in
      let match = compiled.tables.classifiers.match(
        side, high: address.high, low: address.low, key: key)
      return [
        names[Int(match.rule)], "\(match.allow)",
        "\(compiled.tables.classifiers.allowsEverywhere(side, key: key))",
      ]
    }
  }

  private static func expectSame(
    _ next: CompiledTables, _ scene: inout Scene, _ what: String, looks: Int
  ) throws {
    let fresh = try TableCompiler.compile(scene.model)
    let (names, freshNames) = (next.ruleNames, fresh.ruleNames)
    let near = scene.prefixes
    for _ in 0..<looks {
      let group = Int.random(in: 0..<scene.model.securityGroups.count, using: &scene.random)
      let family = scene.random.once(in: 3) ? IPFamily.v6 : .v4
      let address = scene.random.address(near: near, family)
      let key = ClassifierKey.key(
        protocolNumber: scene.random.once(in: 2) ? 6 : 17,
        low: UInt16.random(in: 0...26, using: &scene.random))
      #expect(
        look(next, names, group, address, key) == look(fresh, freshNames, group, address, key),
        "\(what), group \(group), \(address), key \(key)")
    }
    for (part, made) in zip(next.groups, fresh.groups) {
      // Everything that later generations are built from is as from nothing, too.
      #expect(part.ingress == made.ingress && part.egress == made.egress, "\(what)")
      #expect(part.openBits == made.openBits && part.names == made.names, "\(what)")
    }
  }

  @Test(arguments: [(3, 4, 5), (2, 20, 60), (1, 3, 2_100)], 1...4)
  func `every generation says what one from nothing says`(
    size: (groups: Int, rules: Int, entries: Int), seed: Int
  ) throws {
    var scene = Scene(
      seed: seed, groups: size.groups, rules: size.rules, entries: size.entries)
    let capacity = TableCapacity(networkInterfaces: 4, rules: 1_000)
    var compiled = try TableCompiler.compile(
      scene.model, CompileRequest(generation: 1, capacity: capacity))
    let steps = size.entries > 1_000 ? 6 : 40
    var patched = 0
    for step in 2..<steps + 2 {
      for _ in 0..<(scene.random.once(in: 5) ? 10 : 1) { scene.change() }
      var request = CompileRequest(
        generation: UInt32(step), capacity: capacity, previous: compiled)
      request.swept = UInt32(step - 2)
      let next = try TableCompiler.compile(scene.model, request)
      try Self.expectSame(next, &scene, "seed \(seed), step \(step)", looks: 150)
      patched += zip(compiled.groups, next.groups).count {
        $0 !== $1 && $0.numbers == $1.numbers && $1.naming != nil
      }
      compiled = next
    }
    #expect(patched >= steps / 6, "hardly a group was patched")
  }

  private static func bytes(_ compiled: CompiledTables) -> Int {
    let arenas = compiled.arenas
    return 64 * arenas.lines.extent.end + 8 * arenas.classes.extent.end
      + 8 * arenas.intervals.extent.end
  }

  @Test func `memory is level while one entry after the other changes`() throws {
    var scene = Scene(seed: 3, groups: 4, rules: 20, entries: 200)
    let capacity = TableCapacity(networkInterfaces: 4, rules: 1_000)
    var compiled = try TableCompiler.compile(
      scene.model, CompileRequest(generation: 1, capacity: capacity))
    var early = 0
    for step in 2..<502 {
      let place = step % scene.model.prefixLists[0].entries.count
      scene.model.prefixLists[0].entries[place] = IPPrefix(
        scene.random.address(.v4), length: Int.random(in: 16...32, using: &scene.random))
      compiled = try TableCompiler.compile(
        scene.model,
        CompileRequest(generation: UInt32(step), capacity: capacity, previous: compiled))
      if step == 150 { early = Self.bytes(compiled) }
    }
    #expect(Self.bytes(compiled) < 2 * early, "\(early) \(Self.bytes(compiled))")
    try Self.expectSame(compiled, &scene, "after all", looks: 300)
  }

  @Test func `a list that is named and gone is refused and changes nothing`() throws {
    var scene = Scene(seed: 1, groups: 2, rules: 10, entries: 20)
    scene.model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "vpc",
        routes: [Route(destination: .prefixList("a"), target: .blackhole)])
    ]
    let capacity = TableCapacity(networkInterfaces: 4, rules: 1_000)
    let compiled = try TableCompiler.compile(
      scene.model, CompileRequest(generation: 1, capacity: capacity))
    var model = scene.model
    model.prefixLists.removeFirst()
    #expect(throws: TableCompilerError.unknownReference(kind: "prefix list", id: "a")) {
      try TableCompiler.compile(
        model, CompileRequest(generation: 2, capacity: capacity, previous: compiled))
    }
    try Self.expectSame(compiled, &scene, "after the refusal", looks: 200)
    scene.changeEntry()
    let next = try TableCompiler.compile(
      scene.model, CompileRequest(generation: 2, capacity: capacity, previous: compiled))
    try Self.expectSame(next, &scene, "after that", looks: 200)
  }

  @Test func `an entry too many for the rules of a route is refused with the number`() throws {
    var model = VPCModel()
    let block = [IPPrefix(IPAddress(v4: 0x0A00_0000), length: 16)]
    model.vpcs = [VPC(id: "vpc", vni: 1, cidrs: block)]
    func entry(_ index: Int) -> IPPrefix {
      IPPrefix(IPAddress(v4: 0x2000_0000 + UInt32(index) << 8), length: 24)
    }
    model.prefixLists = [PrefixList(id: "a", entries: (0..<10).map(entry))]
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "vpc",
        routes: [Route(destination: .prefixList("a"), target: .blackhole)])
    ]
    let capacity = TableCapacity(networkInterfaces: 1, rules: 10)
    let compiled = try TableCompiler.compile(
      model, CompileRequest(generation: 1, capacity: capacity))
    let (names, extent) = (compiled.ruleNames, compiled.arenas.routes.extent.end)
    model.prefixLists[0].entries.append(entry(10))
    #expect(throws: TableCompilerError.capacity(of: "rules", count: 11, limit: 10)) {
      try TableCompiler.compile(
        model, CompileRequest(generation: 2, capacity: capacity, previous: compiled))
    }
    #expect(compiled.ruleNames == names && compiled.arenas.routes.extent.end == extent)
    // One in the place of another fits.
    model.prefixLists[0].entries.remove(at: 3)
    let next = try TableCompiler.compile(
      model, CompileRequest(generation: 2, capacity: capacity, previous: compiled))
    #expect(next.ruleNames.contains("rtb/\(entry(10))"))
    #expect(!next.ruleNames.contains("rtb/\(entry(3))"))
  }
}

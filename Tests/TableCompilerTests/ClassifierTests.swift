import TableCompiler
import Tables
import Testing
import VPCModel
import Wire

/// A packet as rules see it.
private struct Probe {
  var address: IPAddress
  var protocolNumber: UInt8
  /// Destination port, or ICMP type and code.
  var low: UInt16

  var key: UInt32 { UInt32(protocolNumber) << 16 | UInt32(low) }

  func matches(_ match: TrafficMatch) -> Bool {
    guard let number = match.protocolNumber else { return true }
    guard number == protocolNumber else { return false }
    // ICMP of the other family has no type and code.
    let isForeign = number == (address.family == .v4 ? 58 : 1)
    if isForeign && (match.icmpType != nil || match.icmpCode != nil) { return false }
    if let type = match.icmpType, type != UInt8(low >> 8) { return false }
    if let code = match.icmpCode, code != UInt8(low & 255) { return false }
    return match.ports.isEmpty || match.ports.contains { $0.contains(low) }
  }

  init(_ random: inout SplitMix64, near prefixes: [IPPrefix]) {
    address = random.address(near: prefixes, random.once(in: 2) ? .v4 : .v6)
    protocolNumber = [6, 17, 1, 58, 132, 47, 255].randomElement(using: &random) ?? 6
    switch protocolNumber {
    case 6, 17, 132: low = random.port()
    case 1, 58:
      low = UInt16.random(in: 0...9, using: &random) << 8 | UInt16.random(in: 0...3, using: &random)
    default: low = 0
    }
  }
}

extension SplitMix64 {
  fileprivate mutating func port() -> UInt16 {
    once(in: 8)
      ? [0, 65535].randomElement(using: &self) ?? 0 : UInt16.random(in: 0...120, using: &self)
  }

  fileprivate mutating func match() -> TrafficMatch {
    switch Int.random(in: 0...6, using: &self) {
    case 0: return TrafficMatch()
    case 1: return TrafficMatch(protocolNumber: [6, 17, 47, 255].randomElement(using: &self))
    case 2:
      return TrafficMatch(
        protocolNumber: once(in: 2) ? 1 : 58,
        icmpType: once(in: 3) ? nil : UInt8.random(in: 0...9, using: &self),
        icmpCode: once(in: 3) ? nil : UInt8.random(in: 0...3, using: &self))
    default:
      var ports: [ClosedRange<UInt16>] = []
      for _ in 0..<Int.random(in: 1...3, using: &self) {
        let (a, b) = (port(), once(in: 2) ? port() : 80)
        ports.append(once(in: 2) ? a...a : min(a, b)...max(a, b))
      }
      return TrafficMatch(
        protocolNumber: [6, 17, 132].randomElement(using: &self), ports: ports)
    }
  }

  fileprivate mutating func prefix() -> IPPrefix { prefix(once(in: 2) ? .v4 : .v6) }
}

@Suite struct ClassifierTests {
  /// A model with one VPC, two groups with members, a prefix list, and an ACL, all at random.
  private func model(_ random: inout SplitMix64) -> VPCModel {
    var model = VPCModel()
    let everything = [IPPrefix(IPAddress(v4: 0), length: 0)]
    model.vpcs = [VPC(id: "vpc", vni: 1, cidrs: everything)]
    model.subnets = [Subnet(id: "subnet", vpc: "vpc", cidrs: everything)]
    model.prefixLists = [
      PrefixList(id: "list", entries: (0..<4).map { _ in random.prefix() })
    ]
    for index in 0..<4 {
      var nic = NetworkInterface(
        id: "eni-\(index)", subnet: "subnet", mac: MACAddress(UInt64(index)),
        addresses: [random.address(.v4), random.address(.v6)])
      if random.once(in: 2) { nic.securityGroups.append("a") }
      if random.once(in: 2) { nic.securityGroups.append("b") }
      model.networkInterfaces.append(nic)
    }
    for id in ["a", "b"] {
      var group = SecurityGroup(id: id, vpc: "vpc", ingress: [], egress: [])
      for index in 0..<Int.random(in: 0...12, using: &random) {
        group.ingress.append(rule(&random, id: "\(id)/ingress/\(index)"))
        group.egress.append(rule(&random, id: "\(id)/egress/\(index)"))
      }
      model.securityGroups.append(group)
    }
    var acl = NetworkACL(id: "acl", vpc: "vpc", ingress: [], egress: [])
    for number in 1...Int.random(in: 1...20, using: &random) {
      let rule = NetworkACLRule(
        id: "acl/ingress/\(number)", number: number, allow: random.once(in: 2),
        match: random.match(), cidr: random.prefix())
      acl.ingress.append(rule)
    }
    model.networkACLs = [acl]
    return model
  }

  private func rule(_ random: inout SplitMix64, id: String) -> SecurityGroupRule {
    let peers = (0..<Int.random(in: 1...3, using: &random)).map { _ in
      switch Int.random(in: 0...5, using: &random) {
      case 0: RulePeer.securityGroup(random.once(in: 2) ? "a" : "b")
      case 1: RulePeer.prefixList("list")
      default: RulePeer.cidr(random.prefix())
      }
    }
    return SecurityGroupRule(id: id, match: random.match(), peers: peers)
  }

  private func holds(_ peer: RulePeer, _ address: IPAddress, _ model: VPCModel) -> Bool {
    switch peer {
    case .cidr(let prefix): prefix.contains(address)
    case .prefixList(let id):
      model.prefixLists.contains { $0.id == id && $0.entries.contains { $0.contains(address) } }
    case .securityGroup(let id):
      model.networkInterfaces.contains {
        $0.securityGroups.contains(id) && $0.addresses.contains(address)
      }
    }
  }

  private func isEverything(_ peer: RulePeer, _ family: IPFamily, _ model: VPCModel) -> Bool {
    switch peer {
    case .cidr(let prefix): prefix.family == family && prefix.length == 0
    case .prefixList(let id):
      model.prefixLists.contains {
        $0.id == id && $0.entries.contains { $0.family == family && $0.length == 0 }
      }
    case .securityGroup: false
    }
  }

  /// All prefixes of a model, to look near them.
  private func prefixes(_ model: VPCModel) -> [IPPrefix] {
    var prefixes = model.prefixLists.flatMap(\.entries)
    prefixes += model.networkACLs.flatMap(\.ingress).map(\.cidr)
    for nic in model.networkInterfaces {
      prefixes += nic.addresses.map { IPPrefix($0, length: $0.family.bitWidth) }
    }
    for rule in model.securityGroups.flatMap({ $0.ingress + $0.egress }) {
      for case .cidr(let prefix) in rule.peers { prefixes.append(prefix) }
    }
    return prefixes
  }

  @Test(arguments: 1...200)
  func `agrees with asking every rule`(seed: Int) throws {
    var random = SplitMix64(seed: seed)
    let model = model(&random)
    let compiled = try TableCompiler.compile(model)
    check(compiled, model, &random, probes: 100)
  }

  /// So many prefixes that their trie begins with a direct table.
  @Test func `bursts have the answers of each question with thousands of prefixes`() throws {
    var random = SplitMix64(seed: 3_000)
    var model = model(&random)
    for index in 0..<3_000 {
      let isLong = index % 2 == 0
      let address = UInt32(index) &* 0x9E37_79B9 & (isLong ? 0xFFFF_FF00 : 0xFFF0_0000)
      let block = IPPrefix(IPAddress(v4: address), length: isLong ? 24 : 12)
      model.securityGroups[0].egress.append(
        SecurityGroupRule(id: "many/\(index)", match: random.match(), peers: [.cidr(block)]))
    }
    let compiled = try TableCompiler.compile(model)
    let index = compiled.tables.groups[0].classifiers.index(.egress, .v4)
    let prefixes = prefixes(model)
    var asked: [(TableIndex, Probe)] = []
    while asked.count < 2_000 {
      let probe = Probe(&random, near: random.once(in: 2) ? prefixes : [])
      if probe.address.family == .v4 { asked.append((index, probe)) }
    }
    checkBursts(asked, compiled, &random)
    #expect(asked.contains { match($0.1, index, compiled) == .nothing })
    #expect(asked.contains { match($0.1, index, compiled).rule != 0 })
  }

  /// Parts that are shared with other generations say what they say alone, and those generations
  /// stay as they were.
  @Test(arguments: 1...60)
  func `agrees with asking every rule, generation after generation`(seed: Int) throws {
    var random = SplitMix64(seed: seed)
    var model = model(&random)
    var request = CompileRequest(
      generation: 1, capacity: TableCapacity(networkInterfaces: 16, rules: 100))
    var compiled = try TableCompiler.compile(model, request)
    for generation in UInt32(2)...9 {
      let (modelBefore, before) = (model, compiled)
      change(&model, &random)
      request.generation = generation
      request.previous = before
      request.swept = random.once(in: 2) ? generation - 1 : 0
      compiled = try TableCompiler.compile(model, request)
      check(compiled, model, &random, probes: 20)
      check(before, modelBefore, &random, probes: 20)
      #expect(Set(compiled.ruleNames.filter { $0 != "" }).count == ruleCount(model))
    }
  }

  private func ruleCount(_ model: VPCModel) -> Int {
    let ofGroups = model.securityGroups.reduce(0) { $0 + $1.ingress.count + $1.egress.count }
    return ofGroups + model.networkACLs.reduce(0) { $0 + $1.ingress.count + $1.egress.count }
  }

  /// Takes some of a model's parts from another one.
  private func change(_ model: inout VPCModel, _ random: inout SplitMix64) {
    let other = self.model(&random)
    if random.once(in: 3) { model.prefixLists = other.prefixLists }
    if random.once(in: 3) { model.networkACLs = other.networkACLs }
    if random.once(in: 3) { model.networkInterfaces[0] = other.networkInterfaces[0] }
    let index = random.once(in: 2) ? 0 : 1
    let id = model.securityGroups[index].id
    if random.once(in: 2), let group = other.securityGroups.first(where: { $0.id == id }) {
      model.securityGroups[index] = group
    } else if !model.securityGroups[index].ingress.isEmpty {
      // The other rules keep their names.
      model.securityGroups[index].ingress.removeFirst()
    }
    if random.once(in: 4) { model.securityGroups.swapAt(0, 1) }
  }

  private func check(
    _ compiled: CompiledTables, _ model: VPCModel, _ random: inout SplitMix64, probes: Int
  ) {
    let prefixes = prefixes(model)
    var asked: [(TableIndex, Probe)] = []
    defer { checkBursts(asked, compiled, &random) }
    for _ in 0..<probes {
      let probe = Probe(&random, near: prefixes)
      for (index, group) in model.securityGroups.enumerated() {
        let record = compiled.tables.groups[index]
        check(probe, group.ingress, record, .ingress, model, compiled)
        check(probe, group.egress, record, .egress, model, compiled)
      }
      let acl = model.networkACLs[0]
      let rule = acl.ingress.first {
        probe.matches($0.match) && $0.cidr.contains(probe.address)
      }
      let record = compiled.tables.acls[0]
      let index = record.classifiers.index(.ingress, probe.address.family)
      asked.append((index, probe))
      asked.append(
        (compiled.tables.groups[0].classifiers.index(.egress, probe.address.family), probe))
      let match = self.match(probe, index, compiled)
      #expect(compiled.ruleNames[Int(match.rule)] == rule?.id ?? "")
      #expect(match.allow == (rule?.allow ?? false))
      let everywhere = acl.ingress.contains {
        $0.allow && probe.matches($0.match)
          && isEverything(.cidr($0.cidr), probe.address.family, model)
      }
      #expect(compiled.tables.classifiers.allowsEverywhere(index, key: probe.key) == everywhere)
      #expect(record.classifiers.index(.egress, probe.address.family) == .none)
    }
  }

  /// Questions in bursts, of several classifiers and of none, have the answers that each has alone.
  private func checkBursts(
    _ asked: [(TableIndex, Probe)], _ compiled: CompiledTables, _ random: inout SplitMix64
  ) {
    let burst = WorkerMemory<ClassifierQuestion>(count: 64)
    defer { burst.deallocate() }
    var rest = asked[...]
    while !rest.isEmpty {
      let some = rest.prefix(Int.random(in: 1...64, using: &random))
      rest = rest.dropFirst(some.count)
      for (place, (index, probe)) in some.enumerated() {
        burst[place] = ClassifierQuestion(
          index, high: probe.address.high, low: probe.address.low, key: probe.key)
      }
      compiled.tables.classifiers.answer(burst, count: some.count)
      for (place, (index, probe)) in some.enumerated() {
        #expect(burst[place].match == match(probe, index, compiled))
      }
    }
  }

  private func match(
    _ probe: Probe, _ index: TableIndex, _ compiled: CompiledTables
  ) -> ClassifierMatch {
    compiled.tables.classifiers.match(
      index, high: probe.address.high, low: probe.address.low, key: probe.key)
  }

  private func check(
    _ probe: Probe, _ rules: [SecurityGroupRule], _ record: GroupRecord, _ direction: Direction,
    _ model: VPCModel, _ compiled: CompiledTables
  ) {
    let family = probe.address.family
    let index = record.classifiers.index(direction, family)
    let rule = rules.first { rule in
      probe.matches(rule.match) && rule.peers.contains { holds($0, probe.address, model) }
    }
    let match = match(probe, index, compiled)
    #expect(compiled.ruleNames[Int(match.rule)] == rule?.id ?? "")
    #expect(match.allow == (rule != nil))
    let everywhere = rules.contains { rule in
      probe.matches(rule.match) && rule.peers.contains { isEverything($0, family, model) }
    }
    #expect(compiled.tables.classifiers.allowsEverywhere(index, key: probe.key) == everywhere)
  }

  @Test func `no classifier matches nothing`() {
    let set = ClassifierSet()
    #expect(set.match(.none, high: 0, low: 0, key: 0) == .nothing)
    #expect(!set.allowsEverywhere(.none, key: 0))
  }

  @Test func `many rules of one address each`() throws {
    var model = VPCModel()
    var group = SecurityGroup(id: "sg", vpc: "vpc", ingress: [], egress: [])
    let count: UInt32 = 20_000
    for index in 0..<count {
      let prefix = IPPrefix(IPAddress(v4: 0x0A00_0000 + index * 7), length: 32)
      group.ingress.append(
        SecurityGroupRule(
          id: "sg/ingress/\(index)", match: TrafficMatch(protocolNumber: 6, ports: [443...443]),
          peers: [.cidr(prefix)]))
    }
    model.securityGroups = [group]
    let compiled = try TableCompiler.compile(model)
    let index = compiled.tables.groups[0].classifiers.ingressV4
    for rule in 0..<count {
      let low = UInt64(0x0A00_0000 + rule * 7)
      let match = compiled.tables.classifiers.match(index, high: 0, low: low, key: 6 << 16 | 443)
      if match != ClassifierMatch(rule: rule + 1, allow: true) { Issue.record("\(rule): \(match)") }
      let next = compiled.tables.classifiers.match(index, high: 0, low: low + 1, key: 6 << 16 | 443)
      if next != .nothing { Issue.record("after \(rule): \(next)") }
    }
  }
}

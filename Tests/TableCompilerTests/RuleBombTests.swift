import TableCompiler
import Testing
import VPCModel
import Wire

@testable import Tables

/// Rules that were made to be expensive: what they cost is bounded when they are compiled, and no
/// packet can add to it.
@Suite struct RuleBombTests {
  /// Single ports for everybody, and as many prefixes that nest in that one with a port each.
  private static func model(_ count: Int) -> VPCModel {
    var model = VPCModel()
    var group = SecurityGroup(id: "sg", vpc: "vpc", ingress: [], egress: [])
    for index in 0..<count {
      let port = UInt16(2 * index)
      group.ingress.append(rule("all", index, port, IPPrefix(IPAddress(v4: 0), length: 0)))
      let address = IPAddress(v4: 0x0A00_0000 + UInt32(index))
      group.ingress.append(rule("one", index, port + 1, IPPrefix(address, length: 32)))
    }
    model.securityGroups = [group]
    return model
  }

  private static func rule(
    _ name: String, _ index: Int, _ port: UInt16, _ prefix: IPPrefix
  ) -> SecurityGroupRule {
    SecurityGroupRule(
      id: "sg/\(name)/\(index)", match: TrafficMatch(protocolNumber: 6, ports: [port...port]),
      peers: [.cidr(prefix)])
  }

  @Test("X-01: a lookup is a prefix match and a binary search, whatever the rules and packets")
  func lookupIsBounded() throws {
    let count = 400
    let compiled = try TableCompiler.compile(Self.model(count))
    let set = compiled.tables.classifiers
    let classifier = compiled.tables.groups[0].classifiers.ingressV4
    var worst = 0
    var random = SplitMix64(seed: 3)
    var matches = 0
    for step in 0..<50_000 {
      let address =
        random.next() % 4 == 0 ? random.next() & 0xFFFF_FFFF : 0x0A00_0000 + random.next() % 512
      let key = ClassifierKey.key(
        protocolNumber: step % 8 == 0 ? UInt8(truncatingIfNeeded: random.next()) : 6,
        low: UInt16(truncatingIfNeeded: random.next() % 1_000))
      let trie = set.classifiers[classifier].trie
      let index = set.tries.lookup(trie, high: 0, low: address)
      try #require(index != .none)
      worst = max(worst, Int(set.classes[index].count))
      let match = set.match(classifier, high: 0, low: address, key: key)
      if match.allow { matches += 1 }
      // The answer is that of asking every rule.
      let port = Int(key & 0xFFFF)
      let isOpen =
        key >> 16 == 6 && port < 2 * count
        && (port % 2 == 0 || address == 0x0A00_0000 + UInt64(port / 2))
      if match.allow != isOpen { Issue.record("\(address) \(key): \(match)") }
    }
    #expect(matches > 1_000)
    // Two ends of each port, and what comes before the first: at most 10 steps of the search.
    #expect(worst <= 2 * (count + 1) + 1)
    #expect(worst > count)
  }

  @Test("X-03: more rules than the host has room for are refused, and the tables stay")
  func bombIsRefused() throws {
    let capacity = TableCapacity(networkInterfaces: 4, rules: 1_000)
    let before = try TableCompiler.compile(
      Self.model(100), CompileRequest(generation: 1, capacity: capacity))
    var request = CompileRequest(generation: 2, capacity: capacity, previous: before)
    request.swept = 1
    for count in [501, 5_000, 30_000] {
      #expect(throws: TableCompilerError.self) {
        _ = try TableCompiler.compile(Self.model(count), request)
      }
    }
    let classifier = before.tables.groups[0].classifiers.ingressV4
    for port in 0..<400 {
      let match = before.tables.classifiers.match(
        classifier, high: 0, low: 5, key: ClassifierKey.key(protocolNumber: 6, low: UInt16(port)))
      #expect(match.allow == (port < 200 && port % 2 == 0))
    }
    // And the next change is compiled as if nothing had been.
    let after = try TableCompiler.compile(Self.model(101), request)
    #expect(after.tables.generation == 2)
  }
}

import Tables
import Testing
import VPCModel
import Wire

@testable import TableCompiler

/// Changes of single rules: what is built from the part before is what is built from nothing.
@Suite struct OneRuleChangeTests {
  private static let peers: [String: [IPPrefix]] = [
    "list a": [IPPrefix(IPAddress(v4: 0x0A00_0000), length: 9)],
    "group b": [IPPrefix(IPAddress(v4: 0x0A00_0001), length: 32)],
  ]

  private static func match(_ random: inout SplitMix64) -> TrafficMatch {
    switch Int.random(in: 0...3, using: &random) {
    case 0: return TrafficMatch()
    case 1:
      return TrafficMatch(protocolNumber: 1, icmpCode: UInt8.random(in: 0...3, using: &random))
    default:
      let port = UInt16.random(in: 0...40, using: &random)
      return TrafficMatch(protocolNumber: random.once(in: 2) ? 6 : 17, ports: [port...port + 3])
    }
  }

  private static func rule(_ random: inout SplitMix64, _ id: Int) -> SecurityGroupRule {
    let peers = (0..<Int.random(in: 1...3, using: &random)).map { _ in
      switch Int.random(in: 0...7, using: &random) {
      case 0: RulePeer.prefixList("a")
      case 1: RulePeer.securityGroup("b")
      default: RulePeer.cidr(random.prefix(random.once(in: 3) ? .v6 : .v4))
      }
    }
    return SecurityGroupRule(id: "a rule with number \(id)", match: match(&random), peers: peers)
  }

  /// Changes, adds, removes or moves a rule of one direction.
  private static func change(
    _ rules: inout [SecurityGroupRule], _ random: inout SplitMix64, _ id: Int
  ) {
    let place = Int.random(in: 0...rules.count, using: &random)
    switch Int.random(in: 0...4, using: &random) {
    case 0: rules.insert(rule(&random, id), at: place)
    case 1 where place < rules.count: rules.remove(at: place)
    case 2 where place < rules.count: rules.swapAt(place, rules.count / 2)
    case 3 where place < rules.count: rules[place].match = match(&random)
    default:
      guard place < rules.count else { return }
      let name = rules[place].id
      rules[place] = rule(&random, id)
      if random.once(in: 2) { rules[place].id = name }
    }
  }

  /// Everything of a draft that goes into the arenas, byte by byte.
  private static func bytes(_ draft: RuleDraft) -> [[UInt8]] {
    func bytes<Record>(_ records: [Record]) -> [UInt8] {
      records.withUnsafeBytes { Array($0) }
    }
    let (builder, tries) = (draft.classifiers, draft.tries)
    // Field by field where there is padding.
    let roots = tries.tries.flatMap {
      [
        $0.sharedHigh, $0.sharedLow, $0.maskHigh, $0.maskLow, UInt64($0.outside),
        UInt64($0.root.bits),
        UInt64($0.direct), UInt64($0.addressBits), UInt64($0.sharedBits),
      ]
    }
    return [
      bytes(builder.classifiers), bytes(builder.classes), bytes(builder.starts),
      bytes(builder.results), bytes(roots), bytes(tries.blocks.placed(.init(line: 0))),
      bytes(tries.direct), [draft.openBits],
      bytes([
        draft.indices.ingressV4, draft.indices.ingressV6, draft.indices.egressV4,
        draft.indices.egressV6,
      ]),
    ]
  }

  @Test(arguments: 1...40)
  func `a changed group is what it would be from nothing`(seed: Int) throws {
    var random = SplitMix64(seed: seed)
    var group = SecurityGroup(id: "sg", vpc: "vpc", ingress: [], egress: [])
    for id in 0..<Int.random(in: 0...60, using: &random) {
      group.ingress.append(Self.rule(&random, id))
      if random.once(in: 2) { group.egress.append(Self.rule(&random, 1_000 + id)) }
    }
    let arenas = TableArenas(.reserved)
    var peers = Self.peers
    var numbers = RuleNumbers(capacity: 10_000)
    var part = try RulePart(
      RuleDraft(group, peers: peers, after: nil),
      numbers: try numbers.take(group.ingress.count + group.egress.count, generation: 1),
      in: arenas)
    for step in 0..<12 {
      for number in 0..<(random.once(in: 4) ? 3 : 1) {
        let id = 2_000 + 10 * step + number
        if random.once(in: 2) {
          Self.change(&group.ingress, &random, id)
        } else {
          Self.change(&group.egress, &random, id)
        }
      }
      if random.once(in: 4) { peers["list a"] = [random.prefix(.v4), random.prefix(.v6)] }
      let after = try RuleDraft(group, peers: peers, after: part)
      let fresh = try RuleDraft(group, peers: peers, after: nil)
      #expect(Self.bytes(after) == Self.bytes(fresh), "seed \(seed), step \(step)")
      #expect(after.names == fresh.names)
      #expect(after.ingress == fresh.ingress && after.egress == fresh.egress)
      let assigned = try numbers.assign(
        after.names, after: (part.names, part.numbers), generation: UInt32(step + 2))
      for (name, number) in zip(part.names, part.numbers) {
        guard let index = after.names.firstIndex(of: name) else { continue }
        #expect(assigned[index] == number, "\(name) has another number")
      }
      #expect(Set(assigned).count == assigned.count)
      part = try RulePart(after, numbers: assigned, in: arenas)
    }
  }

  @Test(arguments: 1...20)
  func `a changed ACL is what it would be from nothing`(seed: Int) throws {
    var random = SplitMix64(seed: seed)
    var acl = NetworkACL(id: "acl", vpc: "vpc", ingress: [], egress: [])
    func rule(_ number: Int) -> NetworkACLRule {
      NetworkACLRule(
        id: "acl/\(number)", number: number, allow: random.once(in: 2),
        match: Self.match(&random), cidr: random.prefix(random.once(in: 3) ? .v6 : .v4))
    }
    for number in 1...30 { acl.ingress.append(rule(10 * number)) }
    let arenas = TableArenas(.reserved)
    var part = try RulePart(
      RuleDraft(acl, after: nil), numbers: (1...30).map { UInt32($0) }, in: arenas)
    for step in 0..<10 {
      let place = Int.random(in: 0..<acl.ingress.count, using: &random)
      switch step % 3 {
      case 0: acl.ingress[place] = rule(acl.ingress[place].number)
      case 1: acl.ingress.append(rule(5 + 10 * place))
      default: acl.ingress.remove(at: place)
      }
      let after = try RuleDraft(acl, after: part)
      #expect(Self.bytes(after) == Self.bytes(try RuleDraft(acl, after: nil)), "seed \(seed)")
      #expect(after.names == (try RuleDraft(acl, after: nil)).names)
      part = try RulePart(
        after, numbers: (0..<after.names.count).map { UInt32($0 + 1) }, in: arenas)
    }
  }

  @Test func `what has changed is one range`() {
    #expect(ChangedRange([1, 2, 3], [1, 2, 3]).isEmpty)
    #expect(ChangedRange([1, 2, 3], [1, 9, 3]) == ChangedRange(old: 1..<2, new: 1..<2))
    #expect(ChangedRange([1, 1], [1, 1, 1]) == ChangedRange(old: 2..<2, new: 2..<3))
    #expect(ChangedRange([1, 2, 3], []) == ChangedRange(old: 0..<3, new: 0..<0))
    #expect(ChangedRange(["a", "b"], ["b"]) == ChangedRange(old: 0..<1, new: 0..<0))
    let same = ["a", "b", "c"]
    #expect(ChangedRange(same, same, where: { $0 == "b" }) == ChangedRange(old: 1..<2, new: 1..<2))
  }
}

import FuzzSupport
import TableCompiler
import Tables
import VPCModel
import Wire

extension FuzzTarget {
  /// Rules of a group and an ACL, then packets: what the compiler made of the rules says what
  /// asking one after the other does. A second generation has some of them.
  public static let classifier = FuzzTarget("classifier", maximumLength: 300) {
    ClassifierTarget.run
  }
}

enum ClassifierTarget {
  private static let ruleLimit = 16
  private static let probeLimit = 24

  private struct Rule {
    var match: TrafficMatch
    var prefix: IPPrefix
    var allows: Bool

    func holds(_ address: IPAddress, _ number: UInt8, _ low: UInt16) -> Bool {
      guard prefix.contains(address) else { return false }
      guard let wanted = match.protocolNumber else { return true }
      if wanted != number { return false }
      // ICMP of the other family has no type and code.
      let isForeign = number == (address.family == .v4 ? 58 : 1)
      if isForeign && (match.icmpType != nil || match.icmpCode != nil) { return false }
      if let type = match.icmpType, type != UInt8(low >> 8) { return false }
      if let code = match.icmpCode, code != UInt8(low & 255) { return false }
      return match.ports.isEmpty || match.ports.contains { $0.contains(low) }
    }
  }

  static func run(_ input: UnsafeRawBufferPointer) -> String? {
    var reader = ByteReader(input)
    let control = reader.byte()
    var rules = (0..<Int(control) % (ruleLimit + 1)).map { _ in rule(&reader) }
    let first = model(rules)
    do {
      // Only what is followed by a second generation has room for it: to reserve that takes longer
      // than all the rest.
      let isFollowed = control >= 192 && !rules.isEmpty
      var request = CompileRequest(
        generation: 1,
        capacity: isFollowed ? TableCapacity(networkInterfaces: 4, rules: 100) : nil)
      let before = try TableCompiler.compile(first, request)
      let probes = reader
      if let fault = check(rules, before, probes) { return fault }
      if !isFollowed { return nil }
      let all = rules
      rules.remove(at: Int(control & 127) % rules.count)
      request.generation = 2
      request.previous = before
      let after = try TableCompiler.compile(model(rules), request)
      return check(rules, after, probes).map { "second generation: \($0)" }
        ?? check(all, before, probes).map { "first generation, after the second: \($0)" }
    } catch { return "\(error)" }
  }

  /// A number as a rule may name it: small ones, so that rules meet.
  private static func address(_ code: UInt8, _ low: UInt8) -> IPAddress {
    if code & 1 == 0 { return IPAddress(v4: 0x0A00_0000 | UInt32(code & 6) << 15 | UInt32(low)) }
    return IPAddress(
      v6: 0xFD00_0010_0000_0000 | UInt64(code & 6), UInt64(low) << (code & 8 == 0 ? 0 : 56))
  }

  private static func rule(_ reader: inout ByteReader) -> Rule {
    let code = reader.byte()
    let address = address(code, reader.byte())
    let width = address.family.bitWidth
    let length = Int(reader.byte()) % (width + 1)
    let kind = reader.byte()
    let (a, b) = (UInt16(reader.byte()), UInt16(reader.byte()))
    var match = TrafficMatch()
    switch kind & 3 {
    case 0: break
    case 1:
      match = TrafficMatch(
        protocolNumber: 1, icmpType: kind & 8 == 0 ? nil : UInt8(a),
        icmpCode: kind & 24 == 24 ? UInt8(b) : nil)
    case 2: match = TrafficMatch(protocolNumber: kind >> 2)
    default:
      let high = kind & 8 == 0 ? b : b | 0xFF00
      match = TrafficMatch(
        protocolNumber: kind & 4 == 0 ? 6 : 17,
        ports: kind & 16 == 0
          ? [] : kind & 32 == 0 ? [a...a, b...b] : [min(a, high)...max(a, high)])
    }
    return Rule(match: match, prefix: IPPrefix(address, length: length), allows: kind & 128 == 0)
  }

  private static func model(_ rules: [Rule]) -> VPCModel {
    var model = VPCModel()
    var group = SecurityGroup(id: "sg", vpc: "vpc", ingress: [], egress: [])
    var acl = NetworkACL(id: "acl", vpc: "vpc", ingress: [], egress: [])
    for (index, rule) in rules.enumerated() {
      group.ingress.append(
        SecurityGroupRule(
          id: "sg/\(index)", match: rule.match, peers: [.cidr(rule.prefix)]))
      acl.egress.append(
        NetworkACLRule(
          id: "acl/\(index)", number: index + 1, allow: rule.allows, match: rule.match,
          cidr: rule.prefix))
    }
    model.securityGroups = [group]
    model.networkACLs = [acl]
    return model
  }

  private static func check(
    _ rules: [Rule], _ compiled: CompiledTables, _ probes: ByteReader
  ) -> String? {
    var probes = probes
    var asked: [(question: ClassifierQuestion, match: ClassifierMatch)] = []
    func note(_ index: TableIndex, _ address: IPAddress, _ key: UInt32, _ match: ClassifierMatch) {
      asked.append(
        (ClassifierQuestion(index, high: address.high, low: address.low, key: key), match))
    }
    for _ in 0..<probeLimit where !probes.isAtEnd {
      let code = probes.byte()
      let address = address(code, probes.byte())
      let number: UInt8 = [6, 17, 1, probes.byte()][Int(code >> 6)]
      let low = UInt16(probes.byte()) | (code & 16 == 0 ? 0 : 0xFF00)
      let key = ClassifierKey.key(protocolNumber: number, low: low)
      let chosen = rules.first { $0.holds(address, number, low) }
      let group = compiled.tables.groups[0].classifiers.index(.ingress, address.family)
      let ofGroup = compiled.tables.classifiers.match(
        group, high: address.high, low: address.low, key: key)
      if ofGroup.allow != (chosen != nil) { return "group: \(address) \(number) \(low)" }
      let acl = compiled.tables.acls[0].classifiers.index(.egress, address.family)
      let ofACL = compiled.tables.classifiers.match(
        acl, high: address.high, low: address.low, key: key)
      note(group, address, key, ofGroup)
      note(acl, address, key, ofACL)
      if ofACL.allow != (chosen?.allows ?? false) { return "ACL: \(address) \(number) \(low)" }
      let index = rules.firstIndex { $0.holds(address, number, low) }
      let names = [compiled.ruleNames[Int(ofGroup.rule)], compiled.ruleNames[Int(ofACL.rule)]]
      let wanted = index.map { ["sg/\($0)", "acl/\($0)"] } ?? ["", ""]
      // Rules are named by their place in each generation.
      if names != wanted { return "\(names), not \(wanted)" }
      let everywhere = rules.contains {
        $0.prefix.length == 0 && $0.holds(address, number, low)
      }
      if compiled.tables.classifiers.allowsEverywhere(group, key: key) != everywhere {
        return "everywhere: \(address) \(number) \(low)"
      }
    }
    return checkBurst(asked, compiled)
  }

  /// All questions at once have the answers that each had alone.
  private static func checkBurst(
    _ asked: [(question: ClassifierQuestion, match: ClassifierMatch)], _ compiled: CompiledTables
  ) -> String? {
    let burst = WorkerMemory<ClassifierQuestion>(count: asked.count)
    defer { burst.deallocate() }
    for (place, entry) in asked.enumerated() { burst[place] = entry.question }
    compiled.tables.classifiers.answer(burst, count: asked.count)
    for (place, entry) in asked.enumerated() where burst[place].match != entry.match {
      return "in a burst rule \(burst[place].match.rule), alone \(entry.match.rule)"
    }
    return nil
  }
}

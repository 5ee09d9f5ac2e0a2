import Tables
import VPCModel
import Wire

extension Compilation {
  /// Security groups, and what of `NICRecord.openBits` follows from them.
  mutating func addSecurityGroups() throws(TableCompilerError) {
    let members = groupMembers()
    for group in model.securityGroups {
      let ingress = try classifierRules(group.ingress, members: members)
      let egress = try classifierRules(group.egress, members: members)
      var record = GroupRecord()
      record.classifiers = try addClassifiers(ingress: ingress, egress: egress)
      groups.append(record)
      groupOpenBits.append(
        Self.openBits(ingress, .ingress) | Self.openBits(egress, .egress))
    }
    for index in nics.indices {
      let range = nics[index].groups
      for member in range.start..<range.start + range.count {
        nics[index].openBits |= groupOpenBits[Int(nicGroups[Int(member)])]
      }
    }
  }

  /// Network ACLs: the first rule by number decides, and no match is the final deny.
  mutating func addNetworkACLs() throws(TableCompilerError) {
    for acl in model.networkACLs {
      let ingress = try classifierRules(acl.ingress)
      let egress = try classifierRules(acl.egress)
      var record = ACLRecord()
      record.classifiers = try addClassifiers(ingress: ingress, egress: egress)
      acls.append(record)
    }
  }

  private mutating func addClassifiers(
    ingress: [ClassifierRule], egress: [ClassifierRule]
  ) throws(TableCompilerError) -> ClassifierIndices {
    var indices = ClassifierIndices()
    indices.ingressV4 = try classifiers.add(ingress, family: .v4, tries: &tries)
    indices.ingressV6 = try classifiers.add(ingress, family: .v6, tries: &tries)
    indices.egressV4 = try classifiers.add(egress, family: .v4, tries: &tries)
    indices.egressV6 = try classifiers.add(egress, family: .v6, tries: &tries)
    return indices
  }

  private mutating func classifierRules(
    _ rules: [SecurityGroupRule], members: [[IPPrefix]]
  ) throws(TableCompilerError) -> [ClassifierRule] {
    try rules.map { rule throws(TableCompilerError) in
      var prefixes: [IPPrefix] = []
      for peer in rule.peers {
        switch peer {
        case .cidr(let prefix): prefixes.append(prefix)
        case .prefixList(let id): prefixes += try prefixList(id)
        case .securityGroup(let id): prefixes += members[Int(try groupNames[id])]
        }
      }
      return ClassifierRule(
        number: try addRule(rule.id), allow: true, intervals: rule.match.keyIntervals,
        prefixes: prefixes)
    }
  }

  private mutating func classifierRules(
    _ rules: [NetworkACLRule]
  ) throws(TableCompilerError) -> [ClassifierRule] {
    // Sorted here, too, because rule numbers must be in the order of judgement.
    let ordered = rules.enumerated().sorted {
      ($0.element.number, $0.offset) < ($1.element.number, $1.offset)
    }
    return try ordered.map { item throws(TableCompilerError) in
      let rule = item.element
      return ClassifierRule(
        number: try addRule(rule.id), allow: rule.allow, intervals: rule.match.keyIntervals,
        prefixes: [rule.cidr])
    }
  }

  /// The private addresses, as prefixes, of the network interfaces in each group.
  private func groupMembers() -> [[IPPrefix]] {
    var members = [[IPPrefix]](repeating: [], count: model.securityGroups.count)
    for (index, nic) in model.networkInterfaces.enumerated() {
      let range = nics[index].groups
      let prefixes = nic.addresses.map { IPPrefix($0, length: $0.family.bitWidth) }
      for member in range.start..<range.start + range.count {
        members[Int(nicGroups[Int(member)])] += prefixes
      }
    }
    return members
  }

  /// The bits of `NICRecord.openBits` that rules of one direction set.
  private static func openBits(_ rules: [ClassifierRule], _ direction: Direction) -> UInt8 {
    var bits: UInt8 = 0
    for rule in rules {
      for (number, protocolNumber) in [UInt8(6), 17].enumerated() {
        let first = ClassifierKey.key(protocolNumber: protocolNumber, low: 0)
        let coversAll = rule.intervals.contains {
          $0.contains(first) && $0.contains(first | 0xFFFF)
        }
        guard coversAll else { continue }
        for prefix in rule.prefixes where prefix.isEverything {
          bits |= 1 << (direction.rawValue * 4 + (prefix.family == .v6 ? 2 : 0) + UInt8(number))
        }
      }
    }
    return bits
  }
}

import Wire

// AWS's default quotas ("Amazon VPC quotas"). Apus has none of them, but a model that comes from an
// account or goes to one has.
extension ModelLint {
  static func quotaNotes(_ model: VPCModel, _ context: LintContext) -> [ModelWarning] {
    var notes: [ModelWarning] = []
    func note(_ object: String, _ count: Int, _ what: String, _ quota: Int) {
      if count <= quota { return }
      notes.append(
        ModelWarning(.quotaExceeded, object, "\(count) \(what); AWS's default quota is \(quota)."))
    }
    for vpc in model.vpcs {
      note(vpc.id, vpc.cidrs.count { $0.family == .v4 }, "IPv4 CIDR blocks", 5)
      note(vpc.id, vpc.cidrs.count { $0.family == .v6 }, "IPv6 CIDR blocks", 5)
    }
    for (vpc, count) in counted(model.subnets.map(\.vpc)) { note(vpc, count, "subnets", 200) }
    for (vpc, count) in counted(model.peerings.flatMap(\.vpcs)) {
      note(vpc, count, "peering connections", 50)
    }
    for nic in model.networkInterfaces {
      note(nic.id, nic.securityGroups.count, "security groups of an interface", 5)
    }
    for group in model.securityGroups {
      for (rules, way) in [(group.ingress, "inbound"), (group.egress, "outbound")] {
        for (family, name) in [(IPFamily.v4, "IPv4"), (.v6, "IPv6")] {
          let count = rules.reduce(0) { $0 + weight($1, family, context) }
          note(group.id, count, "\(way) rules for \(name)", 60)
        }
      }
    }
    for acl in model.networkACLs {
      for (rules, way) in [(acl.ingress, "inbound"), (acl.egress, "outbound")] {
        for (family, name) in [(IPFamily.v4, "IPv4"), (.v6, "IPv6")] {
          let count = rules.count { $0.cidr.family == family }
          note(acl.id, count, "\(way) rules for \(name)", 20)
        }
      }
    }
    for table in model.routeTables { note(table.id, table.routes.count, "routes", 50) }
    return notes
  }

  /// How many rules of AWS a rule is: one for each remote side, a prefix list as many as it has
  /// entries; a group counts for both families.
  private static func weight(
    _ rule: SecurityGroupRule, _ family: IPFamily, _ context: LintContext
  ) -> Int {
    rule.peers.reduce(0) { count, peer in
      switch peer {
      case .cidr(let prefix): count + (prefix.family == family ? 1 : 0)
      case .securityGroup: count + 1
      case .prefixList(let id):
        count + (context.prefixLists[id]?.count { $0.family == family } ?? 0)
      }
    }
  }

  /// How often each name comes, in the order of first appearance.
  private static func counted(_ names: [String]) -> [(name: String, count: Int)] {
    var places: [String: Int] = [:]
    var counts: [(name: String, count: Int)] = []
    for name in names {
      if let place = places[name] {
        counts[place].count += 1
      } else {
        places[name] = counts.count
        counts.append((name, 1))
      }
    }
    return counts
  }
}

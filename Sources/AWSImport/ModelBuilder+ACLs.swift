import VPCModel
import Wire

extension ModelBuilder {
  mutating func buildACLs() {
    for (id, entry) in inventory.acls.entries.sorted(by: { $0.key < $1.key }) {
      guard isThere(entry.value.vpc, for: id, entry.place) else { continue }
      var acl = NetworkACL(id: id, vpc: entry.value.vpc, ingress: [], egress: [])
      let entries = entry.value.entries + (inventory.addedEntries[id] ?? [])
      acl.ingress = rules(of: id, entries.filter { !$0.value.isEgress }, "ingress")
      acl.egress = rules(of: id, entries.filter { $0.value.isEgress }, "egress")
      model.networkACLs.append(acl)
      note(.networkACLs, id, entry.place)
    }
  }

  private mutating func rules(
    of acl: String, _ entries: [Sited<ACLEntry>], _ direction: String
  ) -> [NetworkACLRule] {
    var rules: [NetworkACLRule] = []
    var seen: [Int: Sited<ACLEntry>] = [:]
    for entry in entries {
      let value = entry.value
      if let first = seen[value.number] {
        if first != entry {
          findings.add(
            .conflict, entry.place, id: acl,
            "has a second \(direction) rule \(value.number); the first is at"
              + " \(findings.text(first.place))")
        }
        continue
      }
      seen[value.number] = entry
      rules.append(
        NetworkACLRule(
          id: "\(acl)/\(direction)/\(value.number)", number: value.number, allow: value.allow,
          match: value.match, cidr: value.cidr))
    }
    return rules.sorted { $0.number < $1.number }
  }

  // MARK: Which subnet has which

  /// Gives each subnet its route table and its network ACL.
  mutating func finishSubnets() {
    let replaced = Set(inventory.mainTables.map(\.value.vpc))
    let associations =
      inventory.mainTables
      + inventory.tableAssociations.filter {
        $0.value.subnet != nil || !replaced.contains($0.value.vpc)
      }
    let tables = Assigned(associations, "route table", &findings)
    let acls = Assigned(inventory.aclAssociations, "network ACL", &findings)
    let knownTables = Set(model.routeTables.map(\.id))
    var knownACLs = Set(model.networkACLs.map(\.id))
    for index in model.subnets.indices {
      let (id, vpc) = (model.subnets[index].id, model.subnets[index].vpc)
      let place = origins[ModelObjectName(.subnets, id)] ?? .none
      if let table = tables.object(of: id, in: vpc), knownTables.contains(table) {
        model.subnets[index].routeTable = table
      } else {
        missing.add(
          "main route table", tables.object(of: id, in: vpc) ?? "of \(vpc)", by: id, place,
          consequence: "nothing outside the VPC can be reached")
      }
      if let acl = acls.object(of: id, in: vpc), knownACLs.contains(acl) {
        model.subnets[index].networkACL = acl
        continue
      }
      missing.add(
        "network ACL", acls.object(of: id, in: vpc) ?? "of \(id)", by: id, place,
        consequence: "nothing may cross the subnet's edge")
      let acl = "apus-missing-acl-\(vpc)"
      model.subnets[index].networkACL = acl
      guard knownACLs.insert(acl).inserted else { continue }
      model.networkACLs.append(NetworkACL(id: acl, vpc: vpc, ingress: [], egress: []))
      note(.networkACLs, acl, place)
    }
  }
}

/// What subnets are associated with, and what their VPC gives those that are with nothing.
private struct Assigned {
  private var bySubnet: [String: Sited<Association>] = [:]
  private var byVPC: [String: Sited<Association>] = [:]

  init(_ associations: [Sited<Association>], _ noun: String, _ findings: inout Findings) {
    for association in associations {
      let value = association.value
      let first: Sited<Association>?
      if let subnet = value.subnet {
        first = bySubnet[subnet]
        bySubnet[subnet] = first ?? association
      } else {
        guard let vpc = value.vpc else { continue }
        first = byVPC[vpc]
        byVPC[vpc] = first ?? association
      }
      guard let first, first.value.object != value.object else { continue }
      findings.add(
        .conflict, association.place, id: value.subnet ?? value.vpc ?? "",
        "has the \(noun) `\(value.object)` here and `\(first.value.object)` at"
          + " \(findings.text(first.place))")
    }
  }

  func object(of subnet: String, in vpc: String) -> String? {
    (bySubnet[subnet] ?? byVPC[vpc])?.value.object
  }
}

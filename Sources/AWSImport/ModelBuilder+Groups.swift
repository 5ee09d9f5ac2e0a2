import VPCModel
import Wire

extension ModelBuilder {
  // MARK: Prefix lists

  mutating func buildPrefixLists() {
    // A list of which only entries are there counts as well.
    for id in Set(inventory.prefixLists.ids).union(inventory.prefixListEntries.keys).sorted() {
      guard let entries = inventory.prefixListEntries[id] else { continue }
      prefixLists.insert(id)
      model.prefixLists.append(
        PrefixList(id: id, entries: Set(entries.map(\.value)).sorted(by: IPPrefix.isBefore)))
      let place = inventory.prefixLists.place(id) ?? entries.first?.place
      note(.prefixLists, id, place ?? .none)
    }
  }

  /// The list, which is made without entries if it is missing.
  mutating func prefixList(_ id: String, by referrer: String, _ place: Place) -> String {
    if inventory.prefixListEntries[id] == nil {
      let why =
        inventory.prefixLists[id] == nil
        ? "it is empty" : "its entries are in no file: it is empty"
      missing.add("prefix list", id, by: referrer, place, consequence: why)
      if prefixLists.insert(id).inserted {
        model.prefixLists.append(PrefixList(id: id, entries: []))
        note(.prefixLists, id, place)
      }
    }
    return id
  }

  // MARK: Security groups

  mutating func buildGroups() {
    for (id, entry) in inventory.groups.entries.sorted(by: { $0.key < $1.key }) {
      guard isThere(entry.value.vpc, for: id, entry.place) else { continue }
      vpcOfGroup[id] = entry.value.vpc
      note(.securityGroups, id, entry.place)
    }
    addMissingGroups()
    let named = namesOfRules()
    for id in inventory.groups.ids {
      guard let record = inventory.groups[id], vpcOfGroup[id] != nil else { continue }
      var group = SecurityGroup(id: id, vpc: record.vpc, ingress: [], egress: [])
      group.ingress = rules(of: id, record.ingress, isEgress: false, named)
      group.egress = rules(of: id, record.egress, isEgress: true, named)
      model.securityGroups.append(group)
    }
  }

  /// Groups that network interfaces name and no file has: they allow nothing.
  private mutating func addMissingGroups() {
    for index in model.networkInterfaces.indices {
      let nic = model.networkInterfaces[index]
      guard let vpc = interfaces[nic.id]?.vpc else { continue }
      let place = origins[ModelObjectName(.networkInterfaces, nic.id)] ?? .none
      for group in nic.securityGroups
      where inventory.groups[group] == nil && !group.hasPrefix(Self.openGroups) {
        addMissingGroup(group, vpc: vpc, by: nic.id, place)
      }
    }
  }

  private mutating func addMissingGroup(
    _ id: String, vpc: String, by referrer: String, _ place: Place
  ) {
    missing.add("security group", id, by: referrer, place, consequence: "it allows nothing")
    guard vpcOfGroup[id] == nil else { return }
    vpcOfGroup[id] = vpc
    model.securityGroups.append(SecurityGroup(id: id, vpc: vpc, ingress: [], egress: []))
    note(.securityGroups, id, place)
  }

  /// Ids of rules, by what they say.
  private mutating func namesOfRules() -> [String: String] {
    var names: [String: String] = [:]
    var known: Set<String> = []
    for (id, entry) in inventory.groups.entries where !inventory.namedRules.entries.isEmpty {
      for rule in entry.value.ingress { known.insert(rule.value.key(group: id, isEgress: false)) }
      for rule in entry.value.egress { known.insert(rule.value.key(group: id, isEgress: true)) }
    }
    for (id, entry) in inventory.namedRules.entries.sorted(by: { $0.key < $1.key }) {
      let rule = entry.value
      guard inventory.groups[rule.group] != nil else {
        missing.add(
          "security group", rule.group, by: id, entry.place, consequence: "the rule is left out")
        continue
      }
      let key = rule.permission.key(group: rule.group, isEgress: rule.isEgress)
      guard known.contains(key) else {
        findings.add(
          .conflict, entry.place, id: id,
          "is no rule of `\(rule.group)` in the output of describe-security-groups; were the files"
            + " made at once?")
        continue
      }
      if names[key] == nil { names[key] = id }
    }
    for (id, entry) in inventory.addedRules.entries.sorted(by: { $0.key < $1.key }) {
      let rule = entry.value
      let key = rule.permission.key(group: rule.group, isEgress: rule.isEgress)
      if names[key] == nil && id.hasPrefix("sgr-") { names[key] = id }
    }
    return names
  }

  private mutating func rules(
    of group: String, _ permissions: [Sited<Permission>], isEgress: Bool, _ named: [String: String]
  ) -> [SecurityGroupRule] {
    var all: [(key: String, permission: Sited<Permission>)] = []
    var seen: Set<String> = []
    let added = rulesAdded[group] ?? []
    let permissions = permissions + added.filter { $0.isEgress == isEgress }.map(\.permission)
    for permission in permissions {
      let key = permission.value.key(group: group, isEgress: isEgress)
      if seen.insert(key).inserted { all.append((key, permission)) }
    }
    all.sort { $0.permission.value.isBefore($1.permission.value) }
    let names = "\(group)/\(isEgress ? "egress" : "ingress")"
    var rules: [SecurityGroupRule] = []
    for (key, permission) in all {
      guard let peer = peer(permission, of: group) else { continue }
      let match = permission.value.match
      if let id = named[key] {
        rules.append(SecurityGroupRule(id: id, match: match, peers: [peer]))
      } else if let last = rules.last, last.match == match, last.id.hasPrefix(names) {
        rules[rules.count - 1].peers.append(peer)
      } else {
        rules.append(
          SecurityGroupRule(id: "\(names)/\(rules.count)", match: match, peers: [peer]))
      }
    }
    return rules
  }

  /// The remote side of a rule; nil when it is nobody.
  private mutating func peer(_ rule: Sited<Permission>, of group: String) -> RulePeer? {
    switch rule.value.peer {
    case .cidr(let prefix): return .cidr(prefix)
    case .prefixList(let id): return .prefixList(prefixList(id, by: group, rule.place))
    case .group(let id, _, let peering):
      guard let ours = vpcOfGroup[group] else { return nil }
      if vpcOfGroup[id] == nil || inventory.groups[id] == nil {
        if let peering, let record = inventory.peerings[peering], !record.isActive {
          findings.add(
            .unused, rule.place, id: group,
            "is stale: the peering \(peering) to the group \(id) is \(record.status)")
          return nil
        }
        addMissingGroup(id, vpc: ours, by: group, rule.place)
      }
      guard let theirs = vpcOfGroup[id] else { return nil }
      if theirs == ours || peers[ours]?.contains(theirs) ?? false { return .securityGroup(id) }
      if inventory.pages.finished.contains("VpcPeeringConnections") {
        findings.add(
          .unsupported, rule.place, id: group,
          "names the group \(id) of \(theirs), which no active peering joins with \(ours): the rule"
            + " is stale, or works through a transit gateway; it allows nothing here")
      } else {
        missing.add(
          "peering", "\(ours)-\(theirs)", by: group, rule.place,
          consequence: "rules that name groups of the other VPC allow nothing")
      }
      return nil
    }
  }
}

extension Permission {
  private var peerText: String {
    switch peer {
    case .cidr(let prefix): prefix.description
    case .prefixList(let id), .group(let id, _, _): id
    }
  }

  /// What the rule lets pass, as text: the same of two rules that let the same pass.
  func key(group: String, isEgress: Bool) -> String {
    let number = match.protocolNumber.map(String.init) ?? "all"
    let ports = match.ports.first.map { "\($0.lowerBound)-\($0.upperBound)" } ?? ""
    let icmp = "\(match.icmpType.map(String.init) ?? "") \(match.icmpCode.map(String.init) ?? "")"
    return "\(group) \(isEgress) \(number) \(ports) \(icmp) \(peerText)"
  }

  /// Order of rules: by protocol, ports and peer, whatever the order of the files.
  func isBefore(_ other: Permission) -> Bool {
    let (a, b) = (order, other.order)
    if a != b { return a.lexicographicallyPrecedes(b) }
    if case .cidr(let mine) = peer, case .cidr(let theirs) = other.peer {
      return IPPrefix.isBefore(mine, theirs)
    }
    return peerText < other.peerText
  }

  private var order: [Int] {
    let rank =
      switch peer {
      case .cidr: 0
      case .prefixList: 1
      case .group: 2
      }
    return [
      match.protocolNumber.map(Int.init) ?? -1, Int(match.ports.first?.lowerBound ?? 0),
      Int(match.ports.first?.upperBound ?? 0), match.icmpType.map(Int.init) ?? -1,
      match.icmpCode.map(Int.init) ?? -1, rank,
    ]
  }
}

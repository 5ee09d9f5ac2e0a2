import Wire

/// Facts about the objects of a model that a change does not name.
///
/// Only those are added that a check of the change can meet: a change of one object must not cost
/// what reading a million mappings costs.
extension ModelReader {
  mutating func addFacts(of present: VPCModel, besides named: ChangedNames) {
    addDeclarations(of: present, besides: named)
    addRuleNames(of: present, besides: named)
    addNumbers(of: present, besides: named)
    if mayBreakReferences(present, named) { addReferences(of: present, besides: named) }
    if named.touches(.networkInterfaces), let other {
      for named in other.present() {
        let place = Place.present(file: state.files.count - 1, named.object)
        referToInterface((named.networkInterface, place))
      }
    }
    let placed: [ModelSection] = [
      .vpcs, .subnets, .peerings, .networkInterfaces, .mappings,
    ]
    guard placed.contains(where: named.touches) else { return }
    addBlocks(of: present, besides: named)
    addAddresses(of: present, besides: named)
  }

  func place(_ section: ModelSection, _ id: String) -> Place {
    .present(file: state.files.count - 1, "\(section.rawValue)/\(id)")
  }

  // MARK: Declarations

  private mutating func addDeclarations(of present: VPCModel, besides named: ChangedNames) {
    for vpc in present.vpcs { declare(vpc.id, .vpc, nil, named) }
    for subnet in present.subnets { declare(subnet.id, .subnet, .vpc(subnet.vpc), named) }
    for nic in present.networkInterfaces {
      declare(nic.id, .networkInterface, .subnet(nic.subnet), named)
    }
    for group in present.securityGroups {
      declare(group.id, .securityGroup, .vpc(group.vpc), named)
    }
    for list in present.prefixLists { declare(list.id, .prefixList, nil, named) }
    for acl in present.networkACLs { declare(acl.id, .networkACL, .vpc(acl.vpc), named) }
    for table in present.routeTables { declare(table.id, .routeTable, .vpc(table.vpc), named) }
    for gateway in present.internetGateways {
      declare(gateway.id, .internetGateway, .vpc(gateway.vpc), named)
    }
    for peering in present.peerings where !named.contains(.peerings, peering.id) {
      declare(peering.id, .peering, nil, named)
      facts.peeredVPCs[peering.id] = peering.vpcs
      facts.peerings.insert(
        PeeringFact(place: place(.peerings, peering.id).field("vpcs"), vpcs: peering.vpcs), at: 0)
    }
  }

  private mutating func declare(
    _ id: String, _ kind: ObjectKind, _ owner: Owner?, _ named: ChangedNames
  ) {
    if named.contains(kind.section, id) { return }
    let key = Identifier(namespace: kind.namespace, id: id)
    let place = place(kind.section, id)
    if let mine = facts.declarations[key] {
      fail(mine.place, "the id `\(id)` is also a \(kind.noun)'s; first at \(text(place))")
    } else {
      facts.declarations[key] = Declaration(kind: kind, place: place, owner: owner)
    }
  }

  /// Rules whose names the change gives to rules of its own.
  private mutating func addRuleNames(of present: VPCModel, besides named: ChangedNames) {
    if facts.ruleNames.isEmpty { return }
    func check(_ id: String, _ section: ModelSection, _ owner: String) {
      guard let mine = facts.ruleNames[id] else { return }
      fail(mine.place, "duplicate rule id `\(id)`; first at \(text(place(section, owner)))")
    }
    for group in present.securityGroups where !named.contains(.securityGroups, group.id) {
      for rule in group.ingress { check(rule.id, .securityGroups, group.id) }
      for rule in group.egress { check(rule.id, .securityGroups, group.id) }
    }
    for acl in present.networkACLs where !named.contains(.networkACLs, acl.id) {
      for rule in acl.ingress { check(rule.id, .networkACLs, acl.id) }
      for rule in acl.egress { check(rule.id, .networkACLs, acl.id) }
    }
    for table in present.routeTables where !named.contains(.routeTables, table.id) {
      for route in table.routes {
        if let id = route.id { check(id, .routeTables, table.id) }
      }
    }
  }

  // MARK: Numbers and addresses

  private mutating func addNumbers(of present: VPCModel, besides named: ChangedNames) {
    if named.touches(.vpcs) || named.touches(.internetGateways) {
      var numbers: [NumberFact] = []
      for vpc in present.vpcs where !named.contains(.vpcs, vpc.id) {
        let place = place(.vpcs, vpc.id).field("vni")
        numbers.append(NumberFact(number: vpc.vni, place: place, kind: .vpc))
      }
      for gateway in present.internetGateways
      where !named.contains(.internetGateways, gateway.id) {
        let place = place(.internetGateways, gateway.id).field("vni")
        numbers.append(NumberFact(number: gateway.vni, place: place, kind: .internetGateway))
      }
      facts.virtualNetworks.insert(contentsOf: numbers, at: 0)
    }
    if named.touches(.networkInterfaces) {
      var addresses: [(address: IPAddress, place: Place)] = []
      for nic in present.networkInterfaces where !named.contains(.networkInterfaces, nic.id) {
        let place = place(.networkInterfaces, nic.id).field("publicAddresses")
        addresses += nic.publicAddresses.map { ($0.publicAddress, place) }
      }
      facts.publicAddresses.insert(contentsOf: addresses, at: 0)
    }
    if let host = model.host { addEndpoints(of: present, besides: named, unlike: host) }
  }

  /// Tunnel endpoints that are not of the family of the new host.
  private mutating func addEndpoints(
    of present: VPCModel, besides named: ChangedNames, unlike host: Host
  ) {
    for gateway in present.internetGateways
    where gateway.host.family != host.address.family
      && !named.contains(.internetGateways, gateway.id)
    {
      facts.endpoints.append((gateway.host, place(.internetGateways, gateway.id).field("host")))
    }
    for mapping in present.mappings
    where mapping.host.family != host.address.family && !named.contains(mapping) {
      facts.endpoints.append((mapping.host, place(.mappings, mapping.id).field("host")))
      // One host's family is wrong for all of them: a few are enough to say so.
      if facts.endpoints.count > 100 { return }
    }
  }

  // MARK: Places in the VPCs

  private mutating func addBlocks(of present: VPCModel, besides named: ChangedNames) {
    var blocks: [BlockFact] = []
    for vpc in present.vpcs where !named.contains(.vpcs, vpc.id) {
      let place = place(.vpcs, vpc.id).field("cidrs")
      blocks += vpc.cidrs.map { BlockFact(prefix: $0, place: place, vpc: vpc.id) }
    }
    for subnet in present.subnets where !named.contains(.subnets, subnet.id) {
      let place = place(.subnets, subnet.id).field("cidrs")
      blocks += subnet.cidrs.map {
        BlockFact(prefix: $0, place: place, vpc: subnet.vpc, subnet: subnet.id)
      }
    }
    facts.blocks.insert(contentsOf: blocks, at: 0)
  }

  /// Addresses that the change takes as well, and all of VPCs whose blocks or subnets it changes.
  private mutating func addAddresses(of present: VPCModel, besides named: ChangedNames) {
    let vpcs = changedVPCs(present, named)
    let taken = AddressSet(facts.addresses.lazy.map(\.address))
    var addresses: [AddressFact] = []
    for nic in present.networkInterfaces where !named.contains(.networkInterfaces, nic.id) {
      let owner = Owner.subnet(nic.subnet)
      let isInChangedVPC = facts.vpc(of: owner).map { vpcs.contains($0) } ?? true
      for address in nic.addresses where isInChangedVPC || taken.contains(address) {
        let place = place(.networkInterfaces, nic.id).field("addresses")
        addresses.append(AddressFact(address: address, place: place, owner: owner))
      }
    }
    if !taken.isEmpty || !vpcs.isEmpty {
      for mapping in present.mappings
      where taken.contains(mapping.address) || (!vpcs.isEmpty && vpcs.contains(mapping.vpc)) {
        if named.contains(mapping) { continue }
        let place = place(.mappings, mapping.id).field("address")
        addresses.append(
          AddressFact(address: mapping.address, place: place, owner: .vpc(mapping.vpc)))
      }
    }
    facts.addresses.insert(contentsOf: addresses, at: 0)
  }

  /// VPCs with other blocks or subnets than before, where addresses may have lost their place.
  private func changedVPCs(_ present: VPCModel, _ named: ChangedNames) -> Set<String> {
    var changed: Set<String> = []
    let wanted = Dictionary(model.vpcs.map { ($0.id, $0) }) { first, _ in first }
    for vpc in present.vpcs
    where named.contains(.vpcs, vpc.id) && wanted[vpc.id]?.cidrs != vpc.cidrs {
      changed.insert(vpc.id)
    }
    let before = Dictionary(present.subnets.map { ($0.id, $0) }) { first, _ in first }
    let after = Dictionary(model.subnets.map { ($0.id, $0) }) { first, _ in first }
    for id in named.ids(of: .subnets) {
      let (old, new) = (before[id], after[id])
      if old?.cidrs == new?.cidrs && old?.vpc == new?.vpc { continue }
      if let old { changed.insert(old.vpc) }
      if let new { changed.insert(new.vpc) }
    }
    return changed
  }
}

extension Place {
  /// An object that was there before a change; it has no line.
  static func present(file: Int, _ object: String) -> Place {
    Place(file: file, line: 0, column: 0, path: FieldPath(nil, .field(object)))
  }
}

/// References of objects that a change does not name, to those that it does.
extension ModelReader {
  /// Whether something that others refer to goes, or gets another owner.
  func mayBreakReferences(_ present: VPCModel, _ named: ChangedNames) -> Bool {
    breaks(present.vpcs, model.vpcs, \.id, .vpcs, named) { _ in "" }
      || breaks(present.subnets, model.subnets, \.id, .subnets, named) { $0.vpc }
      || breaks(
        present.networkInterfaces, model.networkInterfaces, \.id, .networkInterfaces, named
      ) { $0.subnet }
      || breaks(present.securityGroups, model.securityGroups, \.id, .securityGroups, named) {
        $0.vpc
      }
      || breaks(present.prefixLists, model.prefixLists, \.id, .prefixLists, named) { _ in "" }
      || breaks(present.networkACLs, model.networkACLs, \.id, .networkACLs, named) { $0.vpc }
      || breaks(present.routeTables, model.routeTables, \.id, .routeTables, named) { $0.vpc }
      || breaks(
        present.internetGateways, model.internetGateways, \.id, .internetGateways, named
      ) { $0.vpc }
      || breaks(present.peerings, model.peerings, \.id, .peerings, named) {
        $0.vpcs.joined(separator: "/")
      }
  }

  private func breaks<Object>(
    _ present: [Object], _ wanted: [Object], _ id: (Object) -> String, _ section: ModelSection,
    _ named: ChangedNames, owner: (Object) -> String
  ) -> Bool {
    if !named.touches(section) { return false }
    let owners = Dictionary(wanted.map { (id($0), owner($0)) }) { first, _ in first }
    return present.contains { object in
      named.contains(section, id(object)) && owners[id(object)] != owner(object)
    }
  }

  mutating func addReferences(of present: VPCModel, besides named: ChangedNames) {
    for subnet in present.subnets where !named.contains(.subnets, subnet.id) {
      let place = place(.subnets, subnet.id)
      refer(subnet.vpc, [.vpc], place.field("vpc"))
      let scope = Reference.Scope.owner(.vpc(subnet.vpc))
      if let id = subnet.routeTable {
        refer(id, [.routeTable], place.field("routeTable"), scope)
      }
      if let id = subnet.networkACL {
        refer(id, [.networkACL], place.field("networkACL"), scope)
      }
    }
    for nic in present.networkInterfaces where !named.contains(.networkInterfaces, nic.id) {
      let place = place(.networkInterfaces, nic.id)
      refer(nic.subnet, [.subnet], place.field("subnet"))
      for group in nic.securityGroups {
        let field = place.field("securityGroups")
        refer(group, [.securityGroup], field, .owner(.subnet(nic.subnet)))
      }
    }
    for group in present.securityGroups where !named.contains(.securityGroups, group.id) {
      addReferences(of: group)
    }
    for acl in present.networkACLs where !named.contains(.networkACLs, acl.id) {
      refer(acl.vpc, [.vpc], place(.networkACLs, acl.id).field("vpc"))
    }
    for table in present.routeTables where !named.contains(.routeTables, table.id) {
      addReferences(of: table)
    }
    for gateway in present.internetGateways
    where !named.contains(.internetGateways, gateway.id) {
      refer(gateway.vpc, [.vpc], place(.internetGateways, gateway.id).field("vpc"))
    }
    for peering in present.peerings where !named.contains(.peerings, peering.id) {
      for vpc in peering.vpcs {
        refer(vpc, [.vpc], place(.peerings, peering.id).field("vpcs"))
      }
    }
    addMappingReferences(of: present, besides: named)
  }

  private mutating func addReferences(of group: SecurityGroup) {
    let place = place(.securityGroups, group.id)
    refer(group.vpc, [.vpc], place.field("vpc"))
    for (name, rules) in [("ingress", group.ingress), ("egress", group.egress)] {
      for rule in rules {
        for peer in rule.peers {
          if case .cidr = peer { continue }
          refer(
            peer.text, [.securityGroup, .prefixList], place.field(name),
            .ownerOrPeer(.vpc(group.vpc)))
        }
      }
    }
  }

  private mutating func addReferences(of table: RouteTable) {
    let place = place(.routeTables, table.id)
    refer(table.vpc, [.vpc], place.field("vpc"))
    for route in table.routes {
      if case .prefixList(let id) = route.destination {
        refer(id, [.prefixList], place.field("routes"))
      }
      switch route.target {
      case .blackhole: continue
      case .internetGateway(let id), .peering(let id), .networkInterface(let id):
        refer(
          id, [.internetGateway, .peering, .networkInterface], place.field("routes"),
          .owner(.vpc(table.vpc)))
      }
    }
  }

  /// Mappings refer to VPCs only: those of a VPC that goes are named, a few of them.
  private mutating func addMappingReferences(of present: VPCModel, besides named: ChangedNames) {
    let wanted = Set(model.vpcs.map(\.id))
    let gone = named.ids(of: .vpcs).subtracting(wanted)
    if gone.isEmpty { return }
    var count = 0
    for mapping in present.mappings where gone.contains(mapping.vpc) && !named.contains(mapping) {
      refer(mapping.vpc, [.vpc], place(.mappings, mapping.id).field("vpc"))
      count += 1
      if count == 100 { return }
    }
  }

  private mutating func refer(
    _ id: String, _ kinds: [ObjectKind], _ place: Place,
    _ scope: Reference.Scope = .anywhere
  ) {
    facts.references.append(Reference(id: id, place: place, kinds: kinds, scope: scope))
  }
}

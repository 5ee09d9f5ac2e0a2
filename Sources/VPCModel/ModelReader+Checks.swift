import Wire

/// Checks that need all files.
extension ModelReader {
  mutating func checkAll() {
    checkReferencesAndValues()
    model.resolveNames(facts.declarations)
  }

  mutating func checkReferencesAndValues() {
    let peers = peersByVPC()
    for reference in facts.references { check(reference, peers: peers) }
    checkEndpoints()
    checkVirtualNetworks()
    checkPublicAddresses()
    let blocks = checkBlocks()
    checkPeerings()
    checkAddresses(blocks)
  }

  // MARK: References

  private func peersByVPC() -> [String: Set<String>] {
    var peers: [String: Set<String>] = [:]
    for peering in facts.peerings {
      peers[peering.vpcs[0], default: []].insert(peering.vpcs[1])
      peers[peering.vpcs[1], default: []].insert(peering.vpcs[0])
    }
    return peers
  }

  private mutating func check(_ reference: Reference, peers: [String: Set<String>]) {
    let nouns = reference.kinds.map(\.noun).joined(separator: " or ")
    let key = Identifier(namespace: reference.kinds[0].namespace, id: reference.id)
    guard let target = facts.declarations[key] else {
      fail(reference.place, "there is no \(nouns) \(quote(reference.id))")
      return
    }
    guard reference.kinds.contains(target.kind) else {
      fail(reference.place, "`\(reference.id)` is a \(target.kind.noun), not a \(nouns)")
      return
    }
    switch reference.scope {
    case .anywhere: break
    case .owner(let owner):
      if target.kind == .peering {
        checkPeering(reference, owner)
      } else {
        checkOwner(reference, target, owner, peers: [:])
      }
    case .ownerOrPeer(let owner): checkOwner(reference, target, owner, peers: peers)
    }
  }

  private mutating func checkOwner(
    _ reference: Reference, _ target: Declaration, _ owner: Owner, peers: [String: Set<String>]
  ) {
    // Where one of the two VPCs is unknown, that is reported already.
    guard target.owner != nil, let theirs = facts.vpc(of: target.owner),
      let ours = facts.vpc(of: owner), theirs != ours,
      !(peers[ours]?.contains(theirs) ?? false)
    else { return }
    var reason = "the \(target.kind.noun) `\(reference.id)` is of `\(theirs)`, not of `\(ours)`"
    if case .ownerOrPeer = reference.scope { reason += " or a VPC peered with it" }
    fail(reference.place, reason)
  }

  private mutating func checkPeering(_ reference: Reference, _ owner: Owner) {
    guard let ours = facts.vpc(of: owner),
      let joined = facts.peeredVPCs[reference.id], !joined.contains(ours)
    else { return }
    let vpcs = joined.map { "`\($0)`" }.joined(separator: " and ")
    fail(reference.place, "the peering `\(reference.id)` joins \(vpcs), not `\(ours)`")
  }

  // MARK: Numbers and addresses outside the VPCs

  private mutating func checkEndpoints() {
    guard let host = model.host else { return }
    for endpoint in facts.endpoints where endpoint.address.family != host.address.family {
      fail(
        endpoint.place,
        "`\(endpoint.address)` must be of the family of this host's address, `\(host.address)`")
    }
  }

  private mutating func checkVirtualNetworks() {
    var vpcs: [UInt32: Place] = [:]
    for fact in facts.virtualNetworks where fact.kind == .vpc {
      if let first = vpcs[fact.number] {
        fail(fact.place, "VNI \(fact.number) is another VPC's; first at \(text(first))")
      } else {
        vpcs[fact.number] = fact.place
      }
    }
    for fact in facts.virtualNetworks where fact.kind == .internetGateway {
      guard let vpc = vpcs[fact.number] else { continue }
      fail(fact.place, "VNI \(fact.number) is a VPC's, at \(text(vpc))")
    }
  }

  private mutating func checkPublicAddresses() {
    var seen: [IPAddress: Place] = [:]
    for (address, place) in facts.publicAddresses {
      if let first = seen[address] {
        fail(place, "duplicate public address `\(address)`; first at \(text(first))")
      } else {
        seen[address] = place
      }
    }
  }
}

extension VPCModel {
  /// Sets what each rule's peer and each route's target is, now that all ids are known.
  mutating func resolveNames(_ declarations: [Identifier: Declaration]) {
    for group in securityGroups.indices {
      for rule in securityGroups[group].ingress.indices {
        resolve(&securityGroups[group].ingress[rule].peers, declarations)
      }
      for rule in securityGroups[group].egress.indices {
        resolve(&securityGroups[group].egress[rule].peers, declarations)
      }
    }
    for table in routeTables.indices {
      for route in routeTables[table].routes.indices {
        var target = routeTables[table].routes[route].target
        resolve(&target, declarations)
        // Writing what is there already would end sharing it with the model before.
        if target != routeTables[table].routes[route].target {
          routeTables[table].routes[route].target = target
        }
      }
    }
  }
}

private func resolve(_ peers: inout [RulePeer], _ declarations: [Identifier: Declaration]) {
  for index in peers.indices {
    switch peers[index] {
    case .cidr: continue
    case .securityGroup(let id), .prefixList(let id):
      let kind = declarations[Identifier(namespace: .rulePeers, id: id)]?.kind
      peers[index] = kind == .prefixList ? .prefixList(id) : .securityGroup(id)
    }
  }
}

private func resolve(_ target: inout RouteTarget, _ declarations: [Identifier: Declaration]) {
  switch target {
  case .blackhole: return
  case .internetGateway(let id), .peering(let id), .networkInterface(let id):
    switch declarations[Identifier(namespace: .routeTargets, id: id)]?.kind {
    case .internetGateway: target = .internetGateway(id)
    case .peering: target = .peering(id)
    default: target = .networkInterface(id)
    }
  }
}

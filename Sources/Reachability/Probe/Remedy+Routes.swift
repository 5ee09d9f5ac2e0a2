import VPCModel
import Wire

extension Remedy {
  /// A route that leads the packet to whoever has its destination, or back to where the packet that
  /// it answers came from.
  func route(_ refusal: Refusal, _ nic: Int) -> Change? {
    let destination = refusal.packet.destination
    let subnet = directory.subnet(ofNIC: nic)
    if destination.isLinkLocal || directory.owns(nic, destination) { return nil }
    guard let id = subnet.routeTable, let table = directory.routeTables[id] else {
      return newTable(subnet)
    }
    guard let (prefix, target) = way(refusal, nic, isOther: refusal.reason != .routeNone) else {
      return newPeering(destination, nic)
    }
    let name = Self.name(target)
    let words =
      switch refusal.reason {
      case .routeBlackhole: "the route \(refusal.rule) is a black hole for \(destination)"
      case .routePeering: "the route \(refusal.rule) leads to a VPC that has no \(destination)"
      default: "\(table.id), of subnet \(subnet.id), has no route to \(destination)"
      }
    return Change(
      words, place: "routeTables: \(table.id), routes",
      yaml: "- {to: \(Self.quoted(prefix)), via: \(name)}"
    ) { model in
      guard let index = model.routeTables.firstIndex(where: { $0.id == table.id }) else { return }
      model.routeTables[index].routes.removeAll { $0.destination == .cidr(prefix) }
      model.routeTables[index].routes.append(Route(destination: .cidr(prefix), target: target))
    }
  }

  /// Where a route has to lead.
  ///
  /// - Parameter isOther: a route is there already, and this one must be more specific.
  private func way(
    _ refusal: Refusal, _ nic: Int, isOther: Bool
  ) -> (IPPrefix, RouteTarget)? {
    let destination = refusal.packet.destination
    let own = directory.vpcOf[nic]
    let single = IPPrefix(destination, length: destination.family.bitWidth)
    if case .nic(let asker)? = refusal.cameFrom, asker != nic,
      !directory.owns(asker, destination)
    {
      return (single, .networkInterface(directory.nic(asker).id))
    }
    if case .nic(let resident)? = directory.residents[own][destination], resident != nic {
      return (single, .networkInterface(directory.nic(resident).id))
    }
    for peering in model.peerings {
      guard peering.vpcs.contains(model.vpcs[own].id),
        let other = peering.vpcs.first(where: { $0 != model.vpcs[own].id }),
        let index = directory.vpcIndex[other],
        let block = model.vpcs[index].cidrs.first(where: { $0.contains(destination) })
      else { continue }
      return (isOther ? single : block, .peering(peering.id))
    }
    guard !directory.isInVPC(own, destination), !isForeign(destination, to: own),
      let gateway = model.internetGateways.first(where: { $0.vpc == model.vpcs[own].id })
    else { return nil }
    let everything = IPPrefix(destination, length: 0)
    return (isOther ? single : everything, .internetGateway(gateway.id))
  }

  /// Whether an address is somebody's in another VPC of the model, to which a gateway is no way.
  private func isForeign(_ address: IPAddress, to vpc: Int) -> Bool {
    directory.residents.indices.contains {
      $0 != vpc && directory.residents[$0][address] != nil
    }
  }

  private func newTable(_ subnet: Subnet) -> Change {
    let id = "rtb-\(subnet.id)"
    return Change(
      "subnet \(subnet.id) has no route table, so it reaches only its own VPC",
      place: "subnets: \(subnet.id), and routeTables",
      yaml: "routeTable: \(id), and - {id: \(id), vpc: \(subnet.vpc), routes: []}"
    ) { model in
      model.routeTables.append(RouteTable(id: id, vpc: subnet.vpc, routes: []))
      guard let index = model.subnets.firstIndex(where: { $0.id == subnet.id }) else { return }
      model.subnets[index].routeTable = id
    }
  }

  /// A peering with the VPC that has an address, if there is exactly one and their blocks are
  /// apart.
  private func newPeering(_ address: IPAddress, _ nic: Int) -> Change? {
    let own = directory.vpcOf[nic]
    let vpcs = directory.residents.indices.filter {
      $0 != own && directory.residents[$0][address] != nil
    }
    guard vpcs.count == 1, !directory.peersOf[own].contains(vpcs[0]) else {
      let vpc = model.vpcs[own].id
      let hasGateway = model.internetGateways.contains { $0.vpc == vpc }
      return directory.isInVPC(own, address) || hasGateway ? nil : Self.gateway(of: vpc)
    }
    let (here, there) = (model.vpcs[own], model.vpcs[vpcs[0]])
    let overlaps = here.cidrs.contains { a in there.cidrs.contains { a.overlaps($0) } }
    if overlaps { return nil }
    let id = "pcx-\(here.id)-\(there.id)"
    return Change(
      "\(address) is an address of \(there.id), with which \(here.id) has no peering",
      place: "peerings", yaml: "- {id: \(id), vpcs: [\(here.id), \(there.id)]}"
    ) { $0.peerings.append(Peering(id: id, vpcs: [here.id, there.id])) }
  }

  private static func name(_ target: RouteTarget) -> String {
    switch target {
    case .blackhole: "blackhole"
    case .internetGateway(let id), .peering(let id), .networkInterface(let id): id
    }
  }
}

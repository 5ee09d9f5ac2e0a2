import Wire

// Where routes lead, and whether there is a way back.
extension ModelLint {
  static func targetWarnings(
    _ route: Route, _ name: String, _ context: LintContext
  ) -> [ModelWarning] {
    switch route.target {
    case .blackhole:
      return [ModelWarning(.routeBlackHole, name, "It drops every packet that takes it.")]
    case .networkInterface(let id) where context.checkedNICs.contains(id):
      let message =
        "`\(id)` has its source and destination check on, so it gets nothing but what is for its"
        + " own addresses."
      return [ModelWarning(.routeToCheckedNIC, name, message)]
    default: return []
    }
  }

  /// Routes to a peered VPC none of whose subnets has a route to any subnet of this one.
  static func oneWayRoutes(_ model: VPCModel, _ context: LintContext) -> [ModelWarning] {
    var subnets: [String: [Subnet]] = [:]
    for subnet in model.subnets {
      if let table = subnet.routeTable { subnets[table, default: []].append(subnet) }
    }
    let known = Set(model.subnets.map(\.vpc))
    var ways: [String: PrefixIndex] = [:]
    for peering in model.peerings {
      for vpc in peering.vpcs where ways["\(peering.id) \(vpc)"] == nil {
        let routes = model.routeTables.filter { $0.vpc == vpc && subnets[$0.id] != nil }
          .flatMap(\.routes).filter { $0.target == .peering(peering.id) }
        ways["\(peering.id) \(vpc)"] = PrefixIndex(
          routes.flatMap { destinations(of: $0, context) })
      }
    }
    var warnings: [ModelWarning] = []
    for table in model.routeTables {
      guard let sources = subnets[table.id]?.flatMap(\.cidrs) else { continue }
      for route in table.routes {
        guard case .peering(let id) = route.target,
          let peer = context.peerings[id]?.first(where: { $0 != table.vpc }), known.contains(peer),
          let back = ways["\(id) \(peer)"], !sources.contains(where: { back.overlaps($0) })
        else { continue }
        let message = "No subnet of `\(peer)` has a route back to the subnets with this table."
        warnings.append(ModelWarning(.routeOneWay, name(of: route, in: table), message))
      }
    }
    return warnings
  }

  static func name(of route: Route, in table: RouteTable) -> String {
    switch route.destination {
    case .cidr(let prefix): "\(table.id)/\(prefix)"
    case .prefixList(let id): "\(table.id)/\(id)"
    }
  }

  static func destinations(of route: Route, _ context: LintContext) -> [IPPrefix] {
    switch route.destination {
    case .cidr(let prefix): [prefix]
    case .prefixList(let id): context.prefixLists[id] ?? []
    }
  }
}

import Wire

extension ModelLint {
  static func routeWarnings(_ table: RouteTable, _ context: LintContext) -> [ModelWarning] {
    var warnings: [ModelWarning] = []
    if !context.usedRouteTables.contains(table.id) {
      warnings.append(unused(.routeTableUnused, table.id, "subnet"))
    }
    let explicit = explicitRoutes(of: table)
    for route in table.routes {
      let destinations = destinations(of: route, context)
      let name = name(of: route, in: table)
      let found = unreachable(route, destinations, name, table, explicit, context)
      warnings += found
      warnings += outsidePeer(route, destinations, name, table, context)
      if found.contains(where: { $0.rule == .routeUnreachable }) { continue }
      warnings += targetWarnings(route, name, context)
    }
    return warnings
  }

  private static func explicitRoutes(of table: RouteTable) -> Set<IPPrefix> {
    var routes: Set<IPPrefix> = []
    for route in table.routes {
      if case .cidr(let prefix) = route.destination { routes.insert(prefix) }
    }
    return routes
  }

  /// Local routes win over routes to the same block, and CIDRs over prefix lists.
  private static func unreachable(
    _ route: Route, _ destinations: [IPPrefix], _ name: String, _ table: RouteTable,
    _ explicit: Set<IPPrefix>, _ context: LintContext
  ) -> [ModelWarning] {
    func warning(_ rule: LintRule, _ message: String) -> [ModelWarning] {
      [ModelWarning(rule, name, message)]
    }
    if destinations.isEmpty {
      return warning(.routeUnreachable, "No packet takes it: its prefix list is empty.")
    }
    let local = context.ownBlocks[table.vpc] ?? []
    if destinations.allSatisfy({ local.contains($0) }) {
      return warning(
        .routeUnreachable, "No packet takes it: the local route of `\(table.vpc)` wins.")
    }
    if case .prefixList = route.destination,
      destinations.allSatisfy({ local.contains($0) || explicit.contains($0) })
    {
      return warning(.routeUnreachable, "No packet takes it: routes to the same CIDR blocks win.")
    }
    let inside = destinations.first { prefix in
      !local.contains(prefix) && context.blocks[table.vpc]?.contains(prefix) ?? false
    }
    guard let inside else { return [] }
    return warning(
      .routeInsideVPC,
      "It takes \(inside) out of the local range of `\(table.vpc)`; packets within a subnet do"
        + " not take it.")
  }

  private static func outsidePeer(
    _ route: Route, _ destinations: [IPPrefix], _ name: String, _ table: RouteTable,
    _ context: LintContext
  ) -> [ModelWarning] {
    guard case .peering(let id) = route.target, !destinations.isEmpty,
      let peer = context.peerings[id]?.first(where: { $0 != table.vpc }),
      let blocks = context.blocks[peer],
      !destinations.contains(where: { blocks.overlaps($0) })
    else { return [] }
    let message = "The peered VPC `\(peer)` has none of these addresses."
    return [ModelWarning(.routeOutsidePeer, name, message)]
  }
}

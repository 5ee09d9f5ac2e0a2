import Wire

extension ModelLint {
  static func routeWarnings(_ table: RouteTable, _ context: LintContext) -> [ModelWarning] {
    var warnings: [ModelWarning] = []
    if !context.usedRouteTables.contains(table.id) {
      warnings.append(unused("route-table-unused", table.id, "subnet"))
    }
    let explicit = explicitRoutes(of: table)
    for route in table.routes {
      let destinations: [IPPrefix]
      let name: String
      switch route.destination {
      case .cidr(let prefix): (destinations, name) = ([prefix], "\(table.id)/\(prefix)")
      case .prefixList(let id):
        (destinations, name) = (context.prefixLists[id] ?? [], "\(table.id)/\(id)")
      }
      warnings += unreachable(route, destinations, name, table, explicit, context)
      warnings += outsidePeer(route, destinations, name, table, context)
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
    func warning(_ code: String, _ message: String) -> [ModelWarning] {
      [ModelWarning(code: code, object: name, message: message)]
    }
    if destinations.isEmpty {
      return warning("route-unreachable", "No packet takes it: its prefix list is empty.")
    }
    let local = context.ownBlocks[table.vpc] ?? []
    if destinations.allSatisfy({ local.contains($0) }) {
      return warning(
        "route-unreachable", "No packet takes it: the local route of `\(table.vpc)` wins.")
    }
    if case .prefixList = route.destination,
      destinations.allSatisfy({ local.contains($0) || explicit.contains($0) })
    {
      return warning(
        "route-unreachable", "No packet takes it: routes to the same CIDR blocks win.")
    }
    let inside = destinations.first { prefix in
      !local.contains(prefix) && context.blocks[table.vpc]?.contains(prefix) ?? false
    }
    guard let inside else { return [] }
    return warning(
      "route-inside-vpc",
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
    return [ModelWarning(code: "route-outside-peer", object: name, message: message)]
  }
}

import Tables
import VPCModel
import Wire

extension Compilation {
  /// Route tables in the model's order, then one with local routes only for each VPC that has a
  /// subnet without a table.
  mutating func addRouteTables() throws(TableCompilerError) {
    routes.append(RouteRecord())  // every table's local route
    for table in model.routeTables {
      let vpc = model.vpcs[Int(try vpcNames[table.vpc])]
      var local = localRoutes(of: vpc)
      try addRoutes(of: table, to: &local)
      routeTables.append(try routeTable(local))
    }
    var implicit: [String: TableIndex] = [:]
    for (index, subnet) in model.subnets.enumerated() {
      if let id = subnet.routeTable {
        subnets[index].routeTable = try routeTableNames[id]
      } else if let known = implicit[subnet.vpc] {
        subnets[index].routeTable = known
      } else {
        let vpc = model.vpcs[Int(try vpcNames[subnet.vpc])]
        let table = UInt32(routeTables.count)
        routeTables.append(try routeTable(localRoutes(of: vpc)))
        implicit[subnet.vpc] = table
        subnets[index].routeTable = table
      }
    }
  }

  private func localRoutes(of vpc: VPC) -> [IPPrefix: TableIndex] {
    Dictionary(vpc.cidrs.map { ($0, 0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Adds routes to prefixes that have none yet: local routes came before, CIDRs come before prefix
  /// lists, and of one kind the first counts.
  private mutating func addRoutes(
    of table: RouteTable, to prefixes: inout [IPPrefix: TableIndex]
  ) throws(TableCompilerError) {
    for route in table.routes {
      if case .cidr(let prefix) = route.destination {
        try add(route, to: [prefix], of: table, in: &prefixes)
      }
    }
    for route in table.routes {
      if case .prefixList(let id) = route.destination {
        try add(route, to: try prefixList(id), of: table, in: &prefixes)
      }
    }
  }

  /// Adds the prefixes of a route. The rule has the route's own name, or one for each prefix, also
  /// when a list holds them.
  private mutating func add(
    _ route: Route, to destinations: [IPPrefix], of table: RouteTable,
    in prefixes: inout [IPPrefix: TableIndex]
  ) throws(TableCompilerError) {
    var named: TableIndex?
    for prefix in destinations {
      let index = named ?? UInt32(routes.count)
      if named == nil {
        routes.append(try record(route, name: route.id ?? "\(table.id)/\(prefix)"))
        if route.id != nil { named = index }
      }
      if prefixes[prefix] == nil { prefixes[prefix] = index }
    }
  }

  private mutating func record(
    _ route: Route, name: String
  ) throws(TableCompilerError) -> RouteRecord {
    var record = RouteRecord()
    record.rule = try addRule(name)
    switch route.target {
    case .internetGateway(let id):
      record.kind = .gateway
      record.target = try gatewayNames[id]
    case .peering(let id):
      record.kind = .peering
      record.target = try peeringNames[id]
    case .networkInterface(let id):
      record.kind = .nic
      record.target = try nicNames[id]
    case .blackhole:
      record.kind = .blackhole
    }
    return record
  }

  private mutating func routeTable(
    _ prefixes: [IPPrefix: TableIndex]
  ) throws(TableCompilerError) -> RouteTableRecord {
    let entries = prefixes.map { (prefix: $0.key, value: $0.value) }
    var record = RouteTableRecord()
    record.v4 = try tries.add(entries.filter { $0.prefix.family == .v4 })
    record.v6 = try tries.add(entries.filter { $0.prefix.family == .v6 })
    return record
  }
}

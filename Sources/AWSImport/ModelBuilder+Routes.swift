import VPCModel
import Wire

extension ModelBuilder {
  mutating func buildGateways() {
    for (id, entry) in inventory.internetGateways.entries.sorted(by: { $0.key < $1.key }) {
      guard let vpc = vpc(ofGateway: id), isThere(vpc, for: id, entry.place) else { continue }
      // Its VNI comes with those of the VPCs.
      model.internetGateways.append(
        InternetGateway(id: id, vpc: vpc, host: options.gatewayHost, vni: 0))
      note(.internetGateways, id, entry.place)
    }
  }

  /// Where a gateway is attached.
  private func vpc(ofGateway id: String) -> String? {
    inventory.internetGateways[id]?.vpc ?? inventory.gatewayAttachments[id]
  }

  mutating func buildRouteTables() {
    for (id, entry) in inventory.tables.entries.sorted(by: { $0.key < $1.key }) {
      guard isThere(entry.value.vpc, for: id, entry.place) else { continue }
      let routes = entry.value.routes + (inventory.addedRoutes[id] ?? [])
      var builder = RouteTableBuilder(id: id, vpc: entry.value.vpc)
      for route in builder.effective(routes, &findings) { add(route, to: &builder) }
      model.routeTables.append(
        RouteTable(id: id, vpc: entry.value.vpc, routes: builder.sorted(&findings)))
      note(.routeTables, id, entry.place)
    }
  }

  private mutating func add(_ route: Sited<RouteRecord>, to table: inout RouteTableBuilder) {
    let target: RouteTarget
    if route.value.isBlackhole {
      target = .blackhole
    } else if route.value.target == .local {
      return
    } else {
      target = self.target(of: route, in: table)
    }
    switch route.value.destination {
    case .prefixList(let id):
      let list = prefixList(id, by: table.id, route.place)
      table.add(.prefixList(list), target, route.place)
    case .cidr(let prefix) where vpcs[table.vpc]?.cidrs.contains(prefix) ?? false:
      // A local route that was replaced. The model's own local route would win over one of the same
      // length, and gives way to the two halves of it.
      for half in prefix.halves { table.add(.cidr(half), target, route.place, isHalf: true) }
      findings.add(
        .assumed, route.place, id: table.id,
        "replaces the local route to \(prefix): it is written as routes to its two halves")
    case .cidr(let prefix): table.add(.cidr(prefix), target, route.place)
    }
  }

  // MARK: Targets

  private mutating func target(
    of route: Sited<RouteRecord>, in table: RouteTableBuilder
  ) -> RouteTarget {
    let black = "routes to it are black holes"
    switch route.value.target {
    case .local, .none: return .blackhole
    case .gateway(let id) where id.hasPrefix("igw-"):
      guard inventory.internetGateways[id] != nil else {
        missing.add("internet gateway", id, by: table.id, route.place, consequence: black)
        return .blackhole
      }
      if vpc(ofGateway: id) == table.vpc { return .internetGateway(id) }
      return blackhole(route, table, "\(id) is not attached to \(table.vpc)")
    case .gateway(let id):
      return unsupported(route, table, Self.gatewayKind(id), id)
    case .other(let kind, let id): return unsupported(route, table, kind, id)
    case .peering(let id):
      guard let record = inventory.peerings[id] else {
        missing.add("peering", id, by: table.id, route.place, consequence: black)
        return .blackhole
      }
      guard record.isActive else {
        return blackhole(route, table, "the peering \(id) is \(quote(record.status))")
      }
      guard vpcsOfPeering[id]?.contains(table.vpc) ?? false else {
        return blackhole(route, table, "the peering \(id) does not join \(table.vpc)")
      }
      return .peering(id)
    case .natGateway(let id): return natGateway(id, route, table)
    case .interface(let id): return interface(id, route, table)
    case .instance(let id):
      let own = (interfacesOfInstance[id] ?? []).filter { interfaces[$0]?.vpc == table.vpc }
      guard own.count == 1, let nic = own.first else {
        missing.add("network interface", "of \(id)", by: table.id, route.place, consequence: black)
        return .blackhole
      }
      return .networkInterface(nic)
    }
  }

  private static func gatewayKind(_ id: String) -> String {
    if id.hasPrefix("vgw-") { return "a virtual private gateway" }
    if id.hasPrefix("vpce-") { return "an endpoint" }
    return "a gateway of another kind"
  }

  private mutating func natGateway(
    _ id: String, _ route: Sited<RouteRecord>, _ table: RouteTableBuilder
  ) -> RouteTarget {
    guard let record = inventory.natGateways[id] else {
      missing.add(
        "NAT gateway", id, by: table.id, route.place, consequence: "routes to it are black holes")
      return .blackhole
    }
    guard record.isLive else { return blackhole(route, table, "the NAT gateway \(id) is gone") }
    let known = record.interfaces.filter { interfaces[$0]?.vpc == table.vpc }
    guard let nic = known.first else {
      missing.add(
        "network interface", record.interfaces.first ?? "of \(id)", by: id, route.place,
        consequence: "routes to it are black holes")
      return .blackhole
    }
    findings.add(
      .assumed, route.place, id: table.id,
      "a NAT gateway is judged up to its network interface \(nic): its translation is not part of"
        + " the model" + (known.count > 1 ? "; it has \(known.count), of which this is one" : ""))
    return .networkInterface(nic)
  }

  private mutating func interface(
    _ id: String, _ route: Sited<RouteRecord>, _ table: RouteTableBuilder
  ) -> RouteTarget {
    guard let nic = interfaces[id] else {
      missing.add(
        "network interface", id, by: table.id, route.place,
        consequence: "routes to it are black holes")
      return .blackhole
    }
    guard nic.vpc == table.vpc else {
      return unsupported(route, table, "a network interface of another VPC", id)
    }
    return .networkInterface(id)
  }

  private mutating func blackhole(
    _ route: Sited<RouteRecord>, _ table: RouteTableBuilder, _ why: String
  ) -> RouteTarget {
    findings.add(.assumed, route.place, id: table.id, "is a black hole: \(why)")
    return .blackhole
  }

  private mutating func unsupported(
    _ route: Sited<RouteRecord>, _ table: RouteTableBuilder, _ kind: String, _ id: String
  ) -> RouteTarget {
    let target =
      switch route.value.destination {
      case .cidr(let prefix): prefix.description
      case .prefixList(let list): list
      }
    findings.add(
      .unsupported, route.place, id: table.id,
      "the route to \(target) leads to \(kind), \(quote(id)), which the model does not have: it is"
        + " a black hole, what goes there is dropped as route.blackhole")
    return .blackhole
  }
}

/// Collects the routes of one table.
struct RouteTableBuilder {
  let id: String
  let vpc: String
  private var routes: [(route: Route, place: Place, isHalf: Bool)] = []

  init(id: String, vpc: String) {
    self.id = id
    self.vpc = vpc
  }

  mutating func add(
    _ destination: RouteDestination, _ target: RouteTarget, _ place: Place, isHalf: Bool = false
  ) {
    routes.append((Route(destination: destination, target: target), place, isHalf))
  }

  /// One route to each destination: a static one wins over those that are propagated.
  func effective(
    _ routes: [Sited<RouteRecord>], _ findings: inout Findings
  ) -> [Sited<RouteRecord>] {
    var order: [String] = []
    var chosen: [String: Sited<RouteRecord>] = [:]
    for route in routes {
      let key = route.value.destination.text
      guard let first = chosen[key] else {
        order.append(key)
        chosen[key] = route
        continue
      }
      if first == route { continue }
      if first.value.isPropagated != route.value.isPropagated {
        if first.value.isPropagated { chosen[key] = route }
        findings.add(
          .unused, first.value.isPropagated ? first.place : route.place, id: id,
          "the propagated route to \(key) gives way to the static one")
      } else if !route.value.isPropagated {
        findings.add(
          .conflict, route.place, id: id,
          "has a second route to \(key); the first is at \(findings.text(first.place))")
      } else {
        findings.add(
          .unsupported, route.place, id: id,
          "a second propagated route to \(key): the model knows one, the first")
      }
    }
    return order.compactMap { chosen[$0] }
  }

  /// The routes by destination; a route of its own wins over the half of another.
  func sorted(_ findings: inout Findings) -> [Route] {
    var chosen: [String: (route: Route, isHalf: Bool)] = [:]
    for entry in routes {
      let key = entry.route.destination.text
      if let first = chosen[key], entry.isHalf || !first.isHalf { continue }
      chosen[key] = (entry.route, entry.isHalf)
    }
    return chosen.values.map(\.route).sorted { a, b in
      switch (a.destination, b.destination) {
      case (.cidr(let a), .cidr(let b)): IPPrefix.isBefore(a, b)
      case (.cidr, .prefixList): true
      case (.prefixList, .cidr): false
      case (.prefixList(let a), .prefixList(let b)): a < b
      }
    }
  }
}

extension RouteDestination {
  var text: String {
    switch self {
    case .cidr(let prefix): prefix.description
    case .prefixList(let id): id
    }
  }
}

extension IPPrefix {
  /// The two prefixes that it consists of; itself if it is a single address.
  fileprivate var halves: [IPPrefix] {
    guard length < family.bitWidth else { return [self] }
    let low = IPPrefix(address, length: length + 1)
    let bit = family.bitWidth - length - 1
    let second = IPAddress(
      family: family, high: address.high | (bit >= 64 ? 1 << (bit - 64) : 0),
      low: address.low | (bit < 64 ? 1 << bit : 0))
    return [low, IPPrefix(second, length: length + 1)]
  }
}

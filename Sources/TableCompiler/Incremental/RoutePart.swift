import Tables
import VPCModel
import Wire

/// What the routes of a table lead to, resolved.
struct RouteTargets: Sendable, Equatable {
  /// Kind and index of each target that a route names.
  var records: [RouteTarget: RouteRecord] = [:]
  /// Entries of the prefix lists that routes name.
  var lists: [String: [IPPrefix]] = [:]
  /// The address blocks of the table's VPC, which are its local routes.
  var local: [IPPrefix] = []
}

/// One route table, compiled: shared by all generations in which it is the same.
final class RoutePart: Sendable {
  let id: String
  /// nil for the table of a VPC's subnets that have none.
  let table: RouteTable?
  let targets: RouteTargets
  let names: [String]
  let numbers: [UInt32]
  let record: RouteTableRecord

  private let routes: Stored<RouteRecord>
  private let tries: TrieImage

  /// - Parameter numbers: of the rules, in the order of `draft.names`.
  init(_ draft: RouteDraft, numbers: [UInt32], in arenas: TableArenas) throws(TableCompilerError) {
    id = draft.id
    table = draft.table
    targets = draft.targets
    names = draft.names
    self.numbers = numbers
    routes = try arenas.routes.reserve(draft.routes.count)
    routes.write(
      draft.routes.map { route in
        var route = route
        if route.rule != 0 { route.rule = numbers[Int(route.rule) - 1] }
        return route
      })
    tries = try TrieImage(draft.tries, adding: routes.start, in: arenas)
    var record = draft.record
    record.v4 = tries.index(record.v4)
    record.v6 = tries.index(record.v6)
    self.record = record
  }

  /// What names the table of a VPC's subnets that have none: no table of a model.
  static func implicitID(_ vpc: String) -> String { "vpc " + vpc }

  var byteCount: Int { routes.byteCount + tries.byteCount }
}

/// A route table, not in the arenas yet; rules are named by their places from 1.
struct RouteDraft {
  let id: String
  let table: RouteTable?
  let targets: RouteTargets
  private(set) var names: [String] = []
  /// The local route comes first.
  private(set) var routes = [RouteRecord()]
  private(set) var tries = PrefixTrieBuilder()
  private(set) var record = RouteTableRecord()

  /// - Complexity: O(n log n) in the prefixes.
  init(_ table: RouteTable?, _ targets: RouteTargets, id: String) throws(TableCompilerError) {
    self.id = id
    self.table = table
    self.targets = targets
    var prefixes: [IPPrefix: TableIndex] = [:]
    for prefix in targets.local { prefixes[prefix] = 0 }
    if let table { try addRoutes(of: table, to: &prefixes) }
    let entries = prefixes.map { (prefix: $0.key, value: $0.value) }
    record.v4 = try tries.add(entries.filter { $0.prefix.family == .v4 })
    record.v6 = try tries.add(entries.filter { $0.prefix.family == .v6 })
  }

  /// Room that the part takes in the arenas.
  var sizes: ArenaSizes {
    ArenaSizes(
      routes: routes.count, tries: tries.tries.count, nodes: tries.nodes.count,
      values: tries.values.count, direct: tries.direct.count)
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
        try add(route, to: targets.lists[id] ?? [], of: table, in: &prefixes)
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
        names.append(route.id ?? "\(table.id)/\(prefix)")
        var record = targets.records[route.target] ?? RouteRecord()
        record.rule = UInt32(names.count)
        routes.append(record)
        if route.id != nil { named = index }
      }
      if prefixes[prefix] == nil { prefixes[prefix] = index }
    }
  }
}

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
  /// What the tries were built from, and the routes by their places, for the next generation.
  let flat: FlatRules
  let placed: [RouteRecord]

  let v4: RouteTrie?
  let v6: RouteTrie?

  /// - Parameters:
  ///   - numbers: of the rules, in the order of `draft.names`.
  ///   - previous: the table before, whose pieces are taken where they are the same.
  init(
    _ draft: RouteDraft, numbers: [UInt32], in arenas: TableArenas, after previous: RoutePart?
  ) throws(TableCompilerError) {
    id = draft.id
    table = draft.table
    targets = draft.targets
    names = draft.names
    flat = draft.flat
    placed = draft.routes
    self.numbers = numbers
    v4 = try RouteTrie(draft.placed(.v4, numbers), .v4, in: arenas, after: previous?.v4)
    v6 = try RouteTrie(draft.placed(.v6, numbers), .v6, in: arenas, after: previous?.v6)
    var record = RouteTableRecord()
    record.v4 = v4?.index ?? .none
    record.v6 = v6?.index ?? .none
    self.record = record
  }

  /// Whether the part is that of a table, as far as its own routes go.
  func isOf(_ table: RouteTable?) -> Bool {
    guard let table, let known = self.table else { return self.table == nil && table == nil }
    return known.id == table.id && known.vpc == table.vpc
      && ChangedRange.areSame(known.routes, table.routes)
  }

  /// What names the table of a VPC's subnets that have none: no table of a model.
  static func implicitID(_ vpc: String) -> String { "vpc " + vpc }

  var byteCount: Int { (v4?.byteCount ?? 0) + (v6?.byteCount ?? 0) }
}

/// A route table, not in the arenas yet; rules are named by their places from 1.
struct RouteDraft {
  let id: String
  let table: RouteTable?
  let targets: RouteTargets
  private(set) var names: [String] = []
  /// The local route comes first.
  private(set) var routes = [RouteRecord()]
  /// The prefixes of each of `routes`. Of one that several have, the first counts: local routes,
  /// then CIDRs, then prefix lists.
  private(set) var flat = FlatRules()

  /// - Parameter known: the table before: of routes that are the same, nothing is sorted again.
  /// - Complexity: O(n + m log m) in the prefixes, m of them of other routes than before.
  init(
    _ table: RouteTable?, _ targets: RouteTargets, id: String, after known: RoutePart?
  ) {
    self.id = id
    self.table = table
    self.targets = targets
    if let table, let known, let before = known.table, hasPlaces(of: known) {
      follow(table, before, known)
    } else {
      make(table)
    }
  }

  /// Room that the part takes in the arenas at most.
  var sizes: ArenaSizes { RouteTrie.bound(flat.pairs(.v4)) + RouteTrie.bound(flat.pairs(.v6)) }

  /// Each prefix once, with the first route that has it.
  ///
  /// - Parameter numbers: of the rules, in the order of `names`.
  func placed(_ family: IPFamily, _ numbers: [UInt32]) -> [PlacedRoute] {
    let pairs = flat.pairs(family)
    var placed: [PlacedRoute] = []
    placed.reserveCapacity(pairs.count)
    for index in pairs.indices where index == 0 || !pairs[index].hasPrefix(of: pairs[index - 1]) {
      var record = routes[Int(pairs[index].rule)]
      if record.rule != 0 { record.rule = numbers[Int(record.rule) - 1] }
      placed.append(PlacedRoute(pairs[index], record))
    }
    return placed
  }

  // MARK: From nothing

  private mutating func make(_ table: RouteTable?) {
    var prefixes = [Self.rule(targets.local)]
    for route in table?.routes ?? [] {
      guard case .cidr(let prefix) = route.destination else { continue }
      add(route, prefix, of: table)
      prefixes.append(Self.rule([prefix]))
    }
    for route in table?.routes ?? [] {
      guard case .prefixList(let id) = route.destination, let list = targets.lists[id],
        let first = list.first
      else { continue }
      // A route has its own name, or one for each prefix, also when a list holds them.
      if route.id != nil {
        add(route, first, of: table)
        prefixes.append(Self.rule(list))
        continue
      }
      for prefix in list {
        add(route, prefix, of: table)
        prefixes.append(Self.rule([prefix]))
      }
    }
    flat.replace(0..<0, with: prefixes)
  }

  private static func rule(_ prefixes: [IPPrefix]) -> ClassifierRule {
    ClassifierRule(allow: true, intervals: [], prefixes: prefixes)
  }

  private mutating func add(_ route: Route, _ prefix: IPPrefix, of table: RouteTable?) {
    names.append(Self.name(route, prefix, table))
    var record = targets.records[route.target] ?? RouteRecord()
    record.rule = UInt32(names.count)
    routes.append(record)
  }

  private static func name(_ route: Route, _ prefix: IPPrefix, _ table: RouteTable?) -> String {
    route.id ?? "\(table?.id ?? "")/\(prefix)"
  }

  // MARK: From the generation before

  /// Whether every route has the place after that of the route before it, here and there, and means
  /// the same.
  private func hasPlaces(of known: RoutePart) -> Bool {
    known.id == id && known.targets.local == targets.local && known.targets.lists.isEmpty
      && targets.lists.isEmpty
      && known.targets.records.allSatisfy { target, record in
        targets.records[target].map { $0 == record } ?? true
      }
  }

  private mutating func follow(_ table: RouteTable, _ before: RouteTable, _ known: RoutePart) {
    let changed = ChangedRange(before.routes, table.routes)
    var newNames: [String] = []
    var records: [RouteRecord] = []
    var prefixes: [ClassifierRule] = []
    for route in table.routes[changed.new] {
      guard case .cidr(let prefix) = route.destination else { continue }
      newNames.append(Self.name(route, prefix, table))
      records.append(targets.records[route.target] ?? RouteRecord())
      prefixes.append(Self.rule([prefix]))
    }
    names = changed.applied(to: known.names, newNames)
    // The local route is the first.
    let places = ChangedRange(
      old: changed.old.lowerBound + 1..<changed.old.upperBound + 1,
      new: changed.new.lowerBound + 1..<changed.new.upperBound + 1)
    routes = places.applied(to: known.placed, records)
    for place in routes.indices { routes[place].rule = UInt32(place) }
    flat = known.flat
    flat.replace(places.old, with: prefixes)
  }
}

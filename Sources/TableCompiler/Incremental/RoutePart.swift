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

/// A route to the entries of a prefix list.
struct ListRoute: Sendable {
  let route: Route
  let list: String
  /// Of a route with a name whose list has entries: all of these have it. 0 otherwise.
  var number: UInt32 = 0

  init?(_ route: Route) {
    guard case .prefixList(let id) = route.destination else { return nil }
    (self.route, list) = (route, id)
  }
}

/// One route table, compiled: shared by all generations in which it is the same.
final class RoutePart: Sendable {
  let id: String
  /// nil for the table of a VPC's subnets that have none.
  let table: RouteTable?
  let targets: RouteTargets
  /// How many routes name each target.
  let uses: [RouteTarget: Int]
  /// In the table's order.
  let lists: [ListRoute]
  /// Whether two routes have the same CIDR, of which the first has it: no model of the loader's.
  let hasDuplicates: Bool
  /// Rules that have a number.
  let ruleCount: Int
  let record: RouteTableRecord

  let v4: RouteTrie?
  let v6: RouteTrie?

  /// - Parameter previous: the table before.
  init(
    _ draft: RouteDraft, _ numbered: RouteDraft.Numbered, in arenas: TableArenas,
    after previous: RoutePart?
  ) throws(TableCompilerError) {
    id = draft.id
    table = draft.table
    targets = draft.targets
    uses = draft.uses
    lists = numbered.lists
    hasDuplicates = draft.hasDuplicates
    ruleCount = draft.ruleCount
    let known = draft.isChange ? previous : nil
    v4 = try Self.trie(draft, numbered.added, .v4, known?.v4, in: arenas)
    v6 = try Self.trie(draft, numbered.added, .v6, known?.v6, in: arenas)
    var record = RouteTableRecord()
    record.v4 = v4?.index ?? .none
    record.v6 = v6?.index ?? .none
    self.record = record
  }

  private static func trie(
    _ draft: RouteDraft, _ added: [RouteClaim], _ family: IPFamily, _ known: RouteTrie?,
    in arenas: TableArenas
  ) throws(TableCompilerError) -> RouteTrie? {
    let added = added.filter { $0.family == family }.sorted()
    guard let known else {
      return added.isEmpty ? nil : try RouteTrie(SortedPieces(added), family, in: arenas)
    }
    let removed = draft.removed.filter { $0.family == family }.sorted()
    if added.isEmpty && removed.isEmpty { return known }
    return try known.replacing(removed, with: added, family, in: arenas)
  }

  /// All claims, ascending within their family.
  ///
  /// - Complexity: O(n).
  var claims: [RouteClaim] { (v4?.claims.all ?? []) + (v6?.claims.all ?? []) }

  func claims(_ family: IPFamily) -> SortedPieces<RouteClaim> {
    (family == .v4 ? v4 : v6)?.claims ?? SortedPieces()
  }

  /// Calls with the number and the name of each rule; a route to a named list comes once.
  func forEachRule(_ body: (UInt32, String) -> Void) {
    for claim in claims where claim.rank != RouteClaim.local && !claim.isOfNamedList {
      body(claim.record.rule, claim.id ?? "\(id)/\(claim.prefix)")
    }
    for list in lists where list.number != 0 { body(list.number, list.route.id ?? "") }
  }

  /// Numbers of all rules.
  var numbers: [UInt32] {
    var numbers: [UInt32] = []
    numbers.reserveCapacity(ruleCount)
    forEachRule { number, _ in numbers.append(number) }
    return numbers
  }

  /// Whether the part is that of a table, as far as its own routes go.
  ///
  /// - Complexity: linear in the pieces of the list of routes that are shared.
  func isOf(_ table: RouteTable?) -> Bool {
    guard let table, let known = self.table else { return self.table == nil && table == nil }
    return known == table
  }

  /// What names the table of a VPC's subnets that have none: no table of a model.
  static func implicitID(_ vpc: String) -> String { "vpc " + vpc }

  var byteCount: Int { (v4?.byteCount ?? 0) + (v6?.byteCount ?? 0) }
}

import Tables
import VPCModel
import Wire

/// A route table, not in the arenas yet: what has changed since the generation before, or all of
/// it.
struct RouteDraft {
  let id: String
  let table: RouteTable?
  private(set) var targets = RouteTargets()
  private(set) var uses: [RouteTarget: Int] = [:]
  private(set) var lists: [ListRoute] = []
  private(set) var hasDuplicates = false
  private(set) var ruleCount = 0
  /// Whether claims that are in neither of the following stay as they are; otherwise `added` is
  /// all.
  private(set) var isChange = false
  private(set) var removed: [RouteClaim] = []
  /// In the order of the routes; of what has no number yet, the record has none.
  private(set) var added: [RouteClaim] = []

  /// - Parameter known: the table before.
  /// - Complexity: O(c log n) for c changed routes and entries of lists, when nothing else is
  ///   different; else O(n log n).
  init(
    _ table: RouteTable?, _ vpc: VPC, after known: RoutePart?, _ resolver: RouteResolver
  ) throws(TableCompilerError) {
    id = table?.id ?? RoutePart.implicitID(vpc.id)
    self.table = table
    targets.local = vpc.cidrs
    if let table, let known, try follow(table, known, resolver) {
      isChange = true
      return
    }
    try make(table, resolver)
    if let known { removed = known.claims }
  }

  /// Room that the part takes in the arenas at most.
  var sizes: ArenaSizes {
    RouteTrie.bound(added.filter { $0.family == .v4 })
      + RouteTrie.bound(added.filter { $0.family == .v6 })
  }

  /// Whether the draft is the part before.
  func isSame(as known: RoutePart) -> Bool {
    isChange && removed.isEmpty && added.isEmpty && targets == known.targets
      && known.isOf(table)
  }

  // MARK: From nothing

  private mutating func make(
    _ table: RouteTable?, _ resolver: RouteResolver
  ) throws(TableCompilerError) {
    (uses, lists, added, removed, ruleCount) = ([:], [], [], [], 0)
    for prefix in targets.local {
      added.append(RouteClaim(prefix, rank: RouteClaim.local, id: nil, RouteRecord()))
    }
    for route in table?.routes ?? [] { uses[route.target, default: 0] += 1 }
    try resolve(resolver)
    for route in table?.routes ?? [] {
      if let list = ListRoute(route) { lists.append(list) }
      guard case .cidr(let prefix) = route.destination else { continue }
      added.append(claim(route, prefix, RouteClaim.cidr))
    }
    for (number, list) in lists.enumerated() {
      let entries = try resolver.entries(of: list.list)
      targets.lists[list.list] = entries
      var seen: Set<IPPrefix> = []
      for prefix in entries where seen.insert(prefix).inserted {
        added.append(claim(list.route, prefix, RouteClaim.list(number)))
      }
      if list.route.id != nil && !entries.isEmpty { ruleCount += 1 }
    }
    ruleCount += Self.ownRules(added)
    rankDuplicates()
  }

  private func claim(_ route: Route, _ prefix: IPPrefix, _ rank: UInt32) -> RouteClaim {
    RouteClaim(
      prefix, rank: rank, id: route.id, targets.records[route.target] ?? RouteRecord())
  }

  /// Claims with a number of their own.
  private static func ownRules(_ claims: [RouteClaim]) -> Int {
    claims.count { $0.rank != RouteClaim.local && !$0.isOfNamedList }
  }

  /// Gives each of several claims that have the same place one of its own, in their order.
  private mutating func rankDuplicates() {
    let order = added.indices.sorted {
      added[$0] == added[$1] ? $0 < $1 : added[$0] < added[$1]
    }
    var (first, gone) = (0, [Int]())
    for place in order.indices.dropFirst() {
      let known = added[order[first]]
      guard known == added[order[place]] else {
        first = place
        continue
      }
      hasDuplicates = true
      // Of local routes one is as good as the other.
      if known.rank == RouteClaim.local {
        gone.append(order[place])
      } else {
        added[order[place]].rank += UInt32(place - first)
      }
    }
    for index in gone.sorted(by: >) { added.remove(at: index) }
  }

  private mutating func resolve(_ resolver: RouteResolver) throws(TableCompilerError) {
    targets.records = [:]
    for target in uses.keys { targets.records[target] = try resolver.record(target) }
  }

  // MARK: From the generation before

  /// Takes what has changed since the table before.
  ///
  /// - Returns: whether all else means what it meant.
  private mutating func follow(
    _ table: RouteTable, _ known: RoutePart, _ resolver: RouteResolver
  ) throws(TableCompilerError) -> Bool {
    guard known.id == id, !known.hasDuplicates, known.targets.local == targets.local,
      let before = known.table
    else { return false }
    let changes = table.routes.changes(since: before.routes)
    let range = ChangedRange(changes.removed, changes.added)
    let (old, new) = (changes.removed[range.old], changes.added[range.new])
    // Where lists stand among each other decides which of two has a prefix.
    guard old.filter(\.namesList) == new.filter(\.namesList) else { return false }
    uses = known.uses
    for route in old {
      let count = (uses[route.target] ?? 0) - 1
      uses[route.target] = count > 0 ? count : nil
    }
    for route in new { uses[route.target, default: 0] += 1 }
    try resolve(resolver)
    for (target, record) in targets.records
    where known.targets.records[target].map({ $0 != record }) ?? false {
      return false
    }
    lists = known.lists
    ruleCount = known.ruleCount
    guard followCIDRs(old, new, known) else { return false }
    try followLists(known, resolver)
    ruleCount += Self.ownRules(added) - Self.ownRules(removed)
    return true
  }

  /// - Returns: false when a CIDR is there twice.
  private mutating func followCIDRs(
    _ old: ArraySlice<Route>, _ new: ArraySlice<Route>, _ known: RoutePart
  ) -> Bool {
    var gone: [IPPrefix: Route] = [:]
    for route in old {
      guard case .cidr(let prefix) = route.destination else { continue }
      gone[prefix] = route
    }
    var isNew: Set<IPPrefix> = []
    for route in new {
      guard case .cidr(let prefix) = route.destination else { continue }
      if !isNew.insert(prefix).inserted { return false }
      let claim = claim(route, prefix, RouteClaim.cidr)
      if let before = gone[prefix] {
        if before == route {
          gone[prefix] = nil
          continue
        }
      } else if known.claims(claim.family).same(as: claim) != nil {
        return false
      }
      added.append(claim)
    }
    for (prefix, route) in gone { remove(claim(route, prefix, RouteClaim.cidr), known) }
    return true
  }

  /// Takes a claim of the table before out.
  private mutating func remove(_ claim: RouteClaim, _ known: RoutePart) {
    if let claim = known.claims(claim.family).same(as: claim) { removed.append(claim) }
  }

  private mutating func followLists(
    _ known: RoutePart, _ resolver: RouteResolver
  ) throws(TableCompilerError) {
    for (number, list) in lists.enumerated() {
      let entries = try resolver.entries(of: list.list)
      targets.lists[list.list] = entries
      let before = known.targets.lists[list.list] ?? []
      let change = PeerChange(from: before, to: entries)
      for prefix in change.removed {
        remove(claim(list.route, prefix, RouteClaim.list(number)), known)
      }
      for prefix in change.added {
        added.append(claim(list.route, prefix, RouteClaim.list(number)))
      }
      if list.route.id != nil {
        ruleCount += (entries.isEmpty ? 0 : 1) - (before.isEmpty ? 0 : 1)
      }
    }
  }
}

extension Route {
  fileprivate var namesList: Bool { if case .prefixList = destination { true } else { false } }
}

import Tables
import VPCModel
import Wire

/// A part of the tables: as it was, or to be made anew.
enum PartDraft<Part, Draft> {
  case same(Part)
  case new(Draft)
}

/// The parts of a generation before those that are new are in the arenas.
struct PartDrafts {
  typealias Rules = PartDraft<RulePart, RuleDraft>
  typealias Routes = PartDraft<RoutePart, RouteDraft>

  private(set) var groups: [Rules] = []
  private(set) var acls: [Rules] = []
  private(set) var routes: [Routes] = []
  /// Rules of all parts.
  private(set) var ruleCount = 0
  /// Room that the new parts take.
  private(set) var sizes = ArenaSizes()

  // MARK: Groups and ACLs

  /// Security groups and network ACLs in the model's order.
  mutating func addRules(
    _ model: VPCModel, _ peers: PeerPrefixes, after previous: CompiledTables?
  ) throws(TableCompilerError) {
    var knownGroups = PartLookup(previous?.groups ?? []) { $0.source.id }
    for (index, group) in model.securityGroups.enumerated() {
      let known = knownGroups.find(group.id, at: index)
      let same = known.flatMap { $0.isOf(group) ? $0 : nil }
      if let same, !peers.haveChanged(of: same) {
        add(same, to: \.groups)
      } else if let same, let arenas = previous?.arenas,
        var patch = RulePatch(same, group, peers.changes(of: same))
      {
        if let patches = try patch.classifiers(in: arenas) {
          add(RulePart(patch, patches), to: \.groups)
        } else {
          add(try RuleDraft(patch), to: \.groups)
        }
      } else {
        let peers = try peers.peers(of: group, after: known)
        add(try RuleDraft(group, peers: peers, after: known), to: \.groups)
      }
    }
    var knownACLs = PartLookup(previous?.acls ?? []) { $0.source.id }
    for (index, acl) in model.networkACLs.enumerated() {
      let known = knownACLs.find(acl.id, at: index)
      if let known, known.isOf(acl) {
        add(known, to: \.acls)
      } else {
        add(try RuleDraft(acl, after: known), to: \.acls)
      }
    }
  }

  private mutating func add(_ part: RulePart, to list: WritableKeyPath<PartDrafts, [Rules]>) {
    self[keyPath: list].append(.same(part))
    ruleCount += part.numbers.count
  }

  private mutating func add(_ draft: RuleDraft, to list: WritableKeyPath<PartDrafts, [Rules]>) {
    self[keyPath: list].append(.new(draft))
    ruleCount += draft.names.count
    sizes = sizes + draft.sizes
  }

  /// Puts new parts in the arenas. Their rules keep the numbers that they had; those of rules and
  /// parts that went are retired.
  func place(
    _ drafts: [Rules], after previous: [RulePart], _ numbers: inout RuleNumbers,
    in arenas: TableArenas, _ generation: UInt32
  ) throws(TableCompilerError) -> [RulePart] {
    var leftover = PartLookup(previous) { $0.source.id }
    var parts: [RulePart] = []
    parts.reserveCapacity(drafts.count)
    for (index, draft) in drafts.enumerated() {
      switch draft {
      case .same(let part):
        leftover.remove(part.source.id, at: index)
        parts.append(part)
      case .new(let draft):
        let old = leftover.find(draft.source.id, at: index)
        leftover.remove(draft.source.id, at: index)
        let assigned = try numbers.assign(
          draft.names, after: (old?.names ?? [], old?.numbers ?? []), generation: generation)
        parts.append(try RulePart(draft, numbers: assigned, in: arenas))
      }
    }
    for part in leftover.rest { numbers.retire(part.numbers, generation: generation) }
    return parts
  }

  // MARK: Routes

  /// Route tables in the model's order, then one with local routes only for each VPC that has a
  /// subnet without a table.
  ///
  /// - Returns: the numbers of the latter, by VPC.
  mutating func addRoutes(
    _ model: VPCModel, _ names: ModelNames, _ interfaces: SlotTable<InterfaceKey>,
    after previous: CompiledTables?
  ) throws(TableCompilerError) -> [String: TableIndex] {
    var known = PartLookup(previous?.routeTables ?? []) { $0.id }
    let resolver = RouteResolver(model: model, names: names, interfaces: interfaces)
    for (index, table) in model.routeTables.enumerated() {
      let vpc = model.vpcs[Int(try names.vpcs[table.vpc])]
      try add(table, vpc, known.find(table.id, at: index), resolver)
    }
    var implicit: [String: TableIndex] = [:]
    for subnet in model.subnets where subnet.routeTable == nil && implicit[subnet.vpc] == nil {
      let vpc = model.vpcs[Int(try names.vpcs[subnet.vpc])]
      implicit[subnet.vpc] = UInt32(routes.count)
      try add(nil, vpc, known.find(RoutePart.implicitID(vpc.id), at: routes.count), resolver)
    }
    return implicit
  }

  private mutating func add(
    _ table: RouteTable?, _ vpc: VPC, _ known: RoutePart?, _ resolver: RouteResolver
  ) throws(TableCompilerError) {
    if let known, table == nil, known.table == nil, known.targets.local == vpc.cidrs {
      routes.append(.same(known))
      return
    }
    let draft = try RouteDraft(table, vpc, after: known, resolver)
    ruleCount += draft.ruleCount
    if let known, draft.isSame(as: known) {
      routes.append(.same(known))
    } else {
      routes.append(.new(draft))
      sizes = sizes + draft.sizes
    }
  }

  /// As `place`, of route tables.
  func placeRoutes(
    after previous: [RoutePart], _ numbers: inout RuleNumbers, in arenas: TableArenas,
    _ generation: UInt32
  ) throws(TableCompilerError) -> [RoutePart] {
    var leftover = PartLookup(previous) { $0.id }
    var parts: [RoutePart] = []
    for (index, draft) in routes.enumerated() {
      switch draft {
      case .same(let part):
        leftover.remove(part.id, at: index)
        parts.append(part)
      case .new(let draft):
        let old = leftover.find(draft.id, at: index)
        leftover.remove(draft.id, at: index)
        let numbered = try draft.numbered(after: old, &numbers, generation: generation)
        parts.append(try RoutePart(draft, numbered, in: arenas, after: old))
      }
    }
    for part in leftover.rest { numbers.retire(part.numbers, generation: generation) }
    return parts
  }
}

/// Parts of the generation before by name; most are at the place where they were.
struct PartLookup<Part> {
  private let parts: [Part]
  private var isTaken: [Bool]
  private let id: (Part) -> String
  /// Made when a part is somewhere else for the first time.
  private lazy var places = Dictionary(
    parts.enumerated().map { (id($0.element), $0.offset) }, uniquingKeysWith: { first, _ in first })

  init(_ parts: [Part], id: @escaping (Part) -> String) {
    self.parts = parts
    self.id = id
    isTaken = [Bool](repeating: false, count: parts.count)
  }

  private mutating func place(_ name: String, at index: Int) -> Int? {
    if index < parts.count, id(parts[index]) == name { return index }
    return parts.isEmpty ? nil : places[name]
  }

  mutating func find(_ name: String, at index: Int) -> Part? {
    place(name, at: index).map { parts[$0] }
  }

  mutating func remove(_ name: String, at index: Int) {
    if let place = place(name, at: index) { isTaken[place] = true }
  }

  /// Parts that were not removed.
  var rest: [Part] { zip(parts, isTaken).filter { !$0.1 }.map(\.0) }
}

/// Finds what routes lead to.
struct RouteResolver {
  let model: VPCModel
  let names: ModelNames
  let interfaces: SlotTable<InterfaceKey>

  /// The prefixes of a prefix list.
  func entries(of list: String) throws(TableCompilerError) -> [IPPrefix] {
    model.prefixLists[Int(try names.prefixLists[list])].entries
  }

  func record(_ target: RouteTarget) throws(TableCompilerError) -> RouteRecord {
    switch target {
    case .internetGateway(let id): return try record(.gateway, try names.gateways[id])
    case .peering(let id): return try record(.peering, try names.peerings[id])
    case .networkInterface(let id):
      let nic = model.networkInterfaces[Int(try names.interfaces[id])]
      let subnet = model.subnets[Int(try names.subnets[nic.subnet])]
      return try record(.nic, interfaces[InterfaceKey(nic, subnet)] ?? .none)
    case .blackhole: return RouteRecord(.blackhole, .none)
    }
  }

  private func record(
    _ kind: RouteKind, _ target: TableIndex
  ) throws(TableCompilerError) -> RouteRecord {
    if target != .none {
      try TableCompilerError.check(
        Int(target), of: "targets of routes", limit: RouteRecord.targetLimit - 1)
    }
    return RouteRecord(kind, target)
  }
}

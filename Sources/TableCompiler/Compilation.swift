import Tables
import VPCModel
import Wire

/// One run of the compiler: compares a model with the tables before, and makes anew what is not the
/// same.
struct Compilation {
  let model: VPCModel
  let request: CompileRequest
  let previous: CompiledTables?

  private(set) var names: ModelNames
  private(set) var interfaces: SlotTable<InterfaceKey>
  private(set) var numbers: RuleNumbers
  private(set) var peers: PeerPrefixes
  private(set) var groups: [RulePart] = []
  private(set) var acls: [RulePart] = []
  private(set) var routeTables: [RoutePart] = []
  let arenas: TableArenas
  let locations: LocationImage
  let topology: TopologyImage

  /// - Complexity: linear in the number of groups, ACLs and route tables, and O(n log n) in the
  ///   size of those that are others than before.
  init(_ model: VPCModel, _ request: CompileRequest) throws(TableCompilerError) {
    self.model = model
    self.request = request
    previous = request.previous
    let unlimited = TableCapacity(networkInterfaces: NameIndex.limit, rules: NameIndex.limit / 2)
    let capacity = request.capacity ?? unlimited
    names = previous?.names ?? ModelNames()
    try names.fill(model, after: previous?.model)
    interfaces =
      previous?.interfaces
      ?? SlotTable(kind: "network interfaces", capacity: capacity.networkInterfaces)
    numbers = previous?.numbers ?? RuleNumbers(capacity: capacity.ruleNumbers)
    numbers.reclaim(swept: request.swept)
    let hasSameInterfaces = previous.map { Self.haveSameInterfaces($0.model, model) } ?? false
    if hasSameInterfaces {
      interfaces.reclaim(swept: request.swept)
    } else {
      try interfaces.update(
        try Self.interfaceKeys(model, names), generation: request.generation, swept: request.swept)
    }
    peers = try PeerPrefixes(model, names, after: previous?.peers)
    let places: [LocationImage.InterfaceLocation]
    if hasSameInterfaces, let previous {
      places = previous.locations.interfaces
    } else {
      places = try Self.places(model, names, interfaces)
    }
    locations = try Self.locations(model, names, places, request)

    var drafts = PartDrafts()
    try drafts.addRules(model, peers, after: previous)
    let implicit = try drafts.addRoutes(
      model, names, interfaces, after: previous)
    try TableCompilerError.check(
      drafts.ruleCount, of: "rules", limit: capacity.rules)
    arenas =
      previous?.arenas
      ?? TableArenas(request.capacity == nil ? drafts.sizes : .reserved)
    groups = try drafts.place(
      drafts.groups, after: previous?.groups ?? [], &numbers, in: arenas, request.generation)
    acls = try drafts.place(
      drafts.acls, after: previous?.acls ?? [], &numbers, in: arenas, request.generation)
    routeTables = try drafts.placeRoutes(
      after: previous?.routeTables ?? [], &numbers, in: arenas, request.generation)
    topology = try Self.topology(
      model, names, interfaces, locations, groups, implicit, request)
  }

  private static func interfaceKeys(
    _ model: VPCModel, _ names: ModelNames
  ) throws(TableCompilerError) -> [InterfaceKey] {
    try model.networkInterfaces.map { nic throws(TableCompilerError) in
      InterfaceKey(nic, model.subnets[Int(try names.subnets[nic.subnet])])
    }
  }

  /// Whether network interfaces and what places them are the same: asked first, because in most
  /// changes they are, and then nothing has to be looked up for them.
  private static func haveSameInterfaces(_ a: VPCModel, _ b: VPCModel) -> Bool {
    a.networkInterfaces == b.networkInterfaces && a.subnets == b.subnets && a.vpcs == b.vpcs
  }

  private static func places(
    _ model: VPCModel, _ names: ModelNames, _ slots: SlotTable<InterfaceKey>
  ) throws(TableCompilerError) -> [LocationImage.InterfaceLocation] {
    try model.networkInterfaces.map { nic throws(TableCompilerError) in
      let subnet = model.subnets[Int(try names.subnets[nic.subnet])]
      return LocationImage.InterfaceLocation(
        slot: slots[InterfaceKey(nic, subnet)] ?? .none, vpc: try names.vpcs[subnet.vpc],
        addresses: nic.addresses)
    }
  }

  private static func locations(
    _ model: VPCModel, _ names: ModelNames, _ places: [LocationImage.InterfaceLocation],
    _ request: CompileRequest
  ) throws(TableCompilerError) -> LocationImage {
    if let known = request.previous?.locations, known.isOf(model, places) { return known }
    return try LocationImage(
      model, places, names: names, after: request.previous?.locations,
      isLast: request.capacity == nil, generation: request.generation)
  }

  private static func topology(
    _ model: VPCModel, _ names: ModelNames, _ slots: SlotTable<InterfaceKey>,
    _ locations: LocationImage, _ groups: [RulePart], _ implicit: [String: TableIndex],
    _ request: CompileRequest
  ) throws(TableCompilerError) -> TopologyImage {
    let source = TopologyImage.Source(
      host: model.host, vpcs: model.vpcs, subnets: model.subnets,
      interfaces: model.networkInterfaces,
      gateways: model.internetGateways, peerings: model.peerings, groupNames: names.groups.names,
      groupOpenBits: groups.map(\.openBits), aclNames: names.acls.names,
      routeTableNames: names.routeTables.names, endpoints: locations.endpointSlots.owners)
    let known = request.previous?.topology
    if let known, known.source == source { return known }
    var draft = try TopologyDraft(
      source, names: names, implicitTables: implicit, endpoints: locations.endpointSlots)
    try draft.addInterfaces(
      slots, names: names, previous: known?.nics ?? FlatArray(), generation: request.generation)
    return try TopologyImage(draft)
  }
}

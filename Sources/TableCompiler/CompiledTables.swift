import Synchronization
import Tables
import VPCModel
import Wire

/// The rule tables of one generation together with the memory they stand in and the names of
/// what they number.
///
/// `tables` and every copy of it may be read as long as this object lives.
// Sendable although it holds raw memory: nothing writes to it, or to `memory`, after `init`.
public final class CompiledTables: @unchecked Sendable {
  public let tables: RuleTables
  public let model: VPCModel

  let names: ModelNames
  let interfaces: SlotTable<InterfaceKey>
  let numbers: RuleNumbers
  let peers: PeerPrefixes
  let groups: [RulePart]
  let acls: [RulePart]
  let routeTables: [RoutePart]
  let arenas: TableArenas
  let locations: LocationImage
  let topology: TopologyImage
  /// Of what is of this generation alone.
  private let memory: ImageMemory
  private let cachedRuleNames = Mutex<[String]?>(nil)

  init(_ compilation: borrowing Compilation) {
    model = compilation.model
    names = compilation.names
    interfaces = compilation.interfaces
    numbers = compilation.numbers
    peers = compilation.peers
    groups = compilation.groups
    acls = compilation.acls
    routeTables = compilation.routeTables
    arenas = compilation.arenas
    locations = compilation.locations
    topology = compilation.topology
    memory = ImageMemory()
    tables = compilation.tables(in: memory)
  }

  /// Name of each rule by its number; number 0, "no rule", and numbers without a rule have an empty
  /// name.
  ///
  /// - Complexity: O(rules) when asked first.
  public var ruleNames: [String] {
    cachedRuleNames.withLock { cached in
      if let cached { return cached }
      var names = [String](repeating: "", count: Int(numbers.end))
      forEachRule { names[Int($0)] = $1 }
      cached = names
      return names
    }
  }

  /// Calls with the number and the name of every rule.
  public func forEachRule(_ body: (UInt32, String) -> Void) {
    for part in groups + acls {
      for (number, name) in zip(part.numbers, part.names) { body(number, name) }
    }
    for part in routeTables {
      for (number, name) in zip(part.numbers, part.names) { body(number, name) }
    }
  }

  /// Names by index of `tables.vpcs`, `subnets`, `groups`, `acls`, `gateways`, `peerings`.
  public var vpcIDs: [String] { names.vpcs.names }
  public var subnetIDs: [String] { names.subnets.names }
  public var groupIDs: [String] { names.groups.names }
  public var aclIDs: [String] { names.acls.names }
  public var gatewayIDs: [String] { names.gateways.names }
  public var peeringIDs: [String] { names.peerings.names }
  /// Names by index of `tables.nics`; empty for a slot that nobody has.
  public var nicIDs: [String] { interfaces.owners.map { $0?.id ?? "" } }

  /// The index in `tables.nics` of the model's network interface with an index there.
  public func slot(ofInterface index: Int) -> TableIndex {
    locations.interfaces[index].slot
  }

  /// The index in `tables.nics` of a network interface by name; nil when there is none.
  public func slot(ofInterface id: String) -> TableIndex? {
    guard let index = try? names.interfaces[id] else { return nil }
    return slot(ofInterface: Int(index))
  }

  /// Whether interfaces, subnets, VPCs and mappings are the same as in other tables, and have the
  /// same numbers.
  public func hasInterfacesAndMappings(of other: CompiledTables) -> Bool {
    locations === other.locations && topology === other.topology
  }

  /// Whether groups, and which interfaces have them, are the same as in other tables.
  public func hasRules(of other: CompiledTables) -> Bool {
    topology === other.topology && groups.elementsEqual(other.groups) { $0 === $1 }
  }

  /// The rules of groups that are not the same as in the tables before, a bit for each number of
  /// those: only a connection that one of them, or none, allowed may be refused now.
  ///
  /// - Returns: nil when interfaces or their groups have changed, so that nothing is certain.
  public func rulesInDoubt(since previous: CompiledTables) -> [UInt64]? {
    guard topology === previous.topology, groups.count == previous.groups.count else { return nil }
    var bits = [UInt64](repeating: 0, count: Int(previous.numbers.end) / 64 + 1)
    for (part, old) in zip(groups, previous.groups) where part !== old {
      for number in old.numbers { bits[Int(number) / 64] |= 1 << UInt64(number % 64) }
    }
    // Connections may still name rules that went earlier.
    for word in 0..<min(bits.count, tables.retiredRules.count) {
      bits[word] |= tables.retiredRules[word]
    }
    bits[0] |= 1
    return bits
  }

  /// Whether tunnel endpoints are the same as in other tables, number by number.
  public func hasEndpoints(of other: CompiledTables) -> Bool {
    locations.endpoints === other.locations.endpoints
      || locations.endpointSlots.owners == other.locations.endpointSlots.owners
  }

  /// Underlay address of each endpoint by its index; nil for a slot that nobody has.
  public var endpointAddresses: [IPAddress?] { locations.endpointSlots.owners }

  /// The mappings of these tables, for those who outlive them.
  public var mappings: CompiledMappings { CompiledMappings(image: locations) }

  /// The mapping behind an index in `tables.mappings`, for whoever explains a verdict.
  ///
  /// - Complexity: O(mappings).
  public func mapping(at index: TableIndex) -> Mapping? {
    guard let key = locations.key(ofMapping: index) else { return nil }
    return model.mappings.first { $0.address == key.address && $0.vpc == vpcIDs[Int(key.scope)] }
  }

  /// Bytes of the images that the tables view.
  public var byteCount: Int {
    var sum = memory.byteCount + locations.byteCount + topology.byteCount
    for part in groups { sum += part.byteCount }
    for part in acls { sum += part.byteCount }
    for part in routeTables { sum += part.byteCount }
    return sum
  }
}

extension Compilation {
  /// The views of all images.
  ///
  /// - Parameter memory: takes what is of this generation alone.
  borrowing func tables(in memory: ImageMemory) -> RuleTables {
    var tables = RuleTables()
    let generation = request.generation
    tables.generation = generation
    tables.host = hostRecord
    tables.dropMidstream = model.policy.midstream == .drop
    tables.ruleCount = Int(numbers.end)
    tables.vpcs = topology.vpcs
    tables.vpcCIDRs = topology.vpcCIDRs
    tables.subnets = topology.subnets
    tables.subnetCIDRs = topology.subnetCIDRs
    tables.nics = topology.nics
    tables.nicAddresses = topology.nicAddresses
    tables.nicPublicAddresses = topology.nicPublicAddresses
    tables.nicGroups = topology.nicGroups
    tables.gateways = topology.gateways
    tables.peerings = topology.peerings
    tables.vnis = topology.vnis
    tables.gatewayVNIs = topology.gatewayVNIs
    tables.publicAddresses = topology.publicAddresses
    tables.nicMACs = topology.nicMACs
    tables.mappings = locations.mappings
    tables.endpoints = locations.endpoints.records
    tables.addresses = locations.addresses
    tables.endpointsByAddress = locations.endpoints.byAddress
    tables.routes = arenas.routes.view
    tables.prefixes = arenas.prefixes
    tables.classifiers = arenas.classifierSet
    tables.groups = memory.store(
      groups.map { part in
        var record = GroupRecord()
        record.classifiers = part.indices
        return record
      })
    tables.acls = memory.store(
      acls.map { part in
        var record = ACLRecord()
        record.classifiers = part.indices
        return record
      })
    tables.routeTables = memory.store(routeTables.map(\.record))
    follow(previous?.tables.cutGeneration ?? 0, &tables, in: memory)
    return tables
  }

  /// What tells workers how these tables differ from the ones before.
  private func follow(_ cut: UInt32, _ tables: inout RuleTables, in memory: ImageMemory) {
    tables.cutGeneration = request.cutsConnections ? request.generation : cut
    tables.nicCount = interfaces.count
    tables.sameWays = sameWays
    let known = previous.map { $0.topology === topology } ?? false
    tables.allowanceGeneration =
      known ? previous?.tables.allowanceGeneration ?? 0 : request.generation
    tables.retirement = max(interfaces.lastRetirement, numbers.lastRetirement)
    tables.retiredNICs = memory.store(interfaces.retiredSlots)
    tables.retiredRules = memory.store(numbers.retiredBits)
  }

  /// How many generations before this one led every packet the same way; a connection that found
  /// its way in one of them need not look again.
  private var sameWays: UInt32 {
    guard let previous, !request.cutsConnections,
      // Connections may remember ways of a generation between that was taken back.
      previous.tables.generation &+ 1 == request.generation,
      previous.model.host == model.host, previous.locations === locations,
      previous.topology === topology,
      previous.acls.elementsEqual(acls, by: { $0 === $1 }),
      previous.routeTables.elementsEqual(routeTables, by: { $0 === $1 })
    else { return 0 }
    return previous.tables.sameWays + 1
  }

  private var hostRecord: HostRecord {
    var record = HostRecord()
    guard let host = model.host else { return record }
    record.isPresent = true
    record.isVXLAN = host.encapsulation == .vxlan
    record.address = host.address
    // Ethernet, outer IP, UDP and the tunnel header.
    let overhead = host.address.family == .v4 ? 50 : 70
    record.innerMTU = UInt32(clamping: host.mtu - overhead)
    return record
  }
}

import Tables
import VPCModel
import Wire

/// Where addresses live: mappings, tunnel endpoints, and the map of all addresses. Shared by all
/// generations in which these are the same; the next one shares the pages in which nothing changes.
final class LocationImage: @unchecked Sendable {
  // Sendable although it holds raw memory: nothing writes to it after `init`.
  let host: Host?
  let vpcs: [VPC]
  let sourceMappings: SharedList<Mapping>
  let gateways: [InternetGateway]
  let interfaces: [InterfaceLocation]

  let addresses: PagedAddressMap
  let endpoints: EndpointImage
  private let v4: AddressPages<AddressSlotV4>
  private let v6: AddressPages<AddressSlotV6>
  /// How many mappings and gateways have each endpoint.
  private let endpointUses: [IPAddress: Int]
  /// Whether an address was there twice: what comes after one that goes is not known here.
  private let hasDuplicates: Bool
  let arenas: LocationArenas
  private let memory = ImageMemory()

  /// A network interface's part of the map.
  struct InterfaceLocation: Sendable, Equatable {
    var slot: TableIndex
    var vpc: TableIndex
    var addresses: [IPAddress]
  }

  /// Records of the mappings of all generations.
  var mappings: FlatArray<MappingRecord> { arenas.mappings.view }
  var endpointSlots: SlotTable<IPAddress> { endpoints.slots }
  var byteCount: Int { memory.byteCount + v4.byteCount + v6.byteCount + endpoints.byteCount }

  /// Whether the image is that of a model, too.
  func isOf(_ model: VPCModel, _ interfaces: [InterfaceLocation]) -> Bool {
    host == model.host && vpcs == model.vpcs && gateways == model.internetGateways
      && self.interfaces == interfaces && sourceMappings == model.mappings
  }

  /// The scope (index of a VPC) and address of a mapping, for whoever explains.
  ///
  /// - Complexity: O(pages).
  func key(ofMapping index: TableIndex) -> (scope: UInt32, address: IPAddress)? {
    v4.key(ofMapping: index, in: arenas) ?? v6.key(ofMapping: index, in: arenas)
  }

  /// All parts, from nothing or as a change has made them.
  private struct Parts {
    var v4 = AddressPages<AddressSlotV4>()
    var v6 = AddressPages<AddressSlotV6>()
    var endpoints: EndpointImage
    var uses: [IPAddress: Int]
    var hasDuplicates = false
    var arenas: LocationArenas
  }

  /// - Parameters:
  ///   - previous: whose pages are shared, and whose endpoints keep their numbers.
  ///   - isLast: whether there are no generations after this one, for which memory is kept.
  /// - Complexity: O(pages + changes); O(n) when the pages have to be made anew.
  init(
    _ model: VPCModel, _ interfaces: [InterfaceLocation], names: ModelNames,
    after previous: LocationImage?, isLast: Bool, generation: UInt32
  ) throws(TableCompilerError) {
    host = model.host
    vpcs = model.vpcs
    sourceMappings = model.mappings
    gateways = model.internetGateways
    self.interfaces = interfaces
    let parts: Parts
    if let changed = try previous?.changed(model, interfaces, names, generation) {
      parts = changed
    } else {
      parts = try Self.made(
        model, interfaces, names, after: previous, isLast: isLast, generation)
    }
    endpoints = parts.endpoints
    endpointUses = parts.uses
    hasDuplicates = parts.hasDuplicates
    arenas = parts.arenas
    (v4, v6) = (parts.v4, parts.v6)
    addresses = PagedAddressMap(
      seed: AddressPages<AddressSlotV4>.seed, v4Pages: memory.store(v4.directory),
      v4: arenas.v4.view, v6Pages: memory.store(v6.directory), v6: arenas.v6.view)
  }

  // MARK: From nothing

  private static func made(
    _ model: VPCModel, _ interfaces: [InterfaceLocation], _ names: ModelNames,
    after previous: LocationImage?, isLast: Bool, _ generation: UInt32
  ) throws(TableCompilerError) -> Parts {
    var uses: [IPAddress: Int] = [:]
    var wanted: [IPAddress] = []
    if model.host != nil {
      func use(_ address: IPAddress) {
        if uses[address] == nil { wanted.append(address) }
        uses[address, default: 0] += 1
      }
      for mapping in model.mappings { use(mapping.host) }
      for gateway in model.internetGateways { use(gateway.host) }
    }
    let endpoints = try EndpointImage(
      wanted, model.host, after: previous?.endpoints, generation: generation)
    var families = Families()
    for mapping in model.mappings {
      families.add(try entry(mapping, model, names, endpoints))
    }
    for interface in interfaces { families.add(interface) }
    let v4 = try AddressPagePlan<AddressSlotV4>(families.v4)
    let v6 = try AddressPagePlan<AddressSlotV6>(families.v6)
    let slots = PagedAddressMap.slotsPerPage
    let room = LocationArenas.self
    let arenas =
      previous?.arenas
      ?? (isLast
        ? room.init(
          v4: v4.pageCount * slots, v6: v6.pageCount * slots,
          mappings: v4.mappingRoom + v6.mappingRoom)
        : room.reserved())
    return Parts(
      v4: try AddressPages(v4, in: arenas), v6: try AddressPages(v6, in: arenas),
      endpoints: endpoints, uses: uses, hasDuplicates: v4.hasDuplicates || v6.hasDuplicates,
      arenas: arenas)
  }

  /// Entries by the family of their addresses.
  private struct Families {
    private(set) var v4: [AddressEntry] = []
    private(set) var v6: [AddressEntry] = []

    mutating func add(_ entry: AddressEntry) {
      if entry.address.family == .v4 { v4.append(entry) } else { v6.append(entry) }
    }

    mutating func add(_ interface: InterfaceLocation) {
      for address in interface.addresses {
        add(AddressEntry(scope: interface.vpc, address, nic: interface.slot))
      }
    }
  }

  private static func entry(
    _ mapping: Mapping, _ model: VPCModel, _ names: ModelNames, _ endpoints: EndpointImage
  ) throws(TableCompilerError) -> AddressEntry {
    let vpc = try names.vpcs[mapping.vpc]
    var record = MappingRecord()
    record.vni = model.vpcs[Int(vpc)].vni
    record.endpoint = endpoints.slots[mapping.host] ?? .none
    record.mac = mapping.mac
    return AddressEntry(scope: vpc, mapping.address, record)
  }

  // MARK: From the generation before

  /// The parts as a model that has other mappings or interfaces makes them.
  ///
  /// - Returns: nil when they have to be made from nothing.
  private func changed(
    _ model: VPCModel, _ interfaces: [InterfaceLocation], _ names: ModelNames,
    _ generation: UInt32
  ) throws(TableCompilerError) -> Parts? {
    guard !hasDuplicates, host == model.host, vpcs == model.vpcs,
      gateways == model.internetGateways
    else { return nil }
    let (removed, added) = Self.differences(sourceMappings, model.mappings)
    // When much is another, page by page is slower than all at once.
    guard removed.count + added.count <= max(1_024, sourceMappings.count / 4) else { return nil }
    let (uses, endpoints) = try follow(removed, added, generation)
    var (gone, new) = (Families(), Families())
    for mapping in removed { gone.add(try Self.entry(mapping, model, names, endpoints)) }
    for mapping in added { new.add(try Self.entry(mapping, model, names, endpoints)) }
    let others = ChangedRange(self.interfaces, interfaces)
    for interface in self.interfaces[others.old] { gone.add(interface) }
    for interface in interfaces[others.new] { new.add(interface) }
    guard let v4 = try v4.changed(removing: gone.v4, adding: new.v4, in: arenas),
      let v6 = try v6.changed(removing: gone.v6, adding: new.v6, in: arenas)
    else { return nil }
    return Parts(v4: v4, v6: v6, endpoints: endpoints, uses: uses, arenas: arenas)
  }

  /// Mappings that one list has and the other has not, wherever they stand.
  private static func differences(
    _ before: SharedList<Mapping>, _ after: SharedList<Mapping>
  ) -> (removed: [Mapping], added: [Mapping]) {
    struct Key: Hashable {
      var vpc: String
      var address: IPAddress
    }
    let (old, new) = after.changes(since: before)
    let range = ChangedRange(old, new)
    var gone: [Key: Mapping] = [:]
    for mapping in old[range.old] {
      gone[Key(vpc: mapping.vpc, address: mapping.address)] = mapping
    }
    // Those that only have another place in the list are in both.
    let added = new[range.new].filter { mapping in
      let key = Key(vpc: mapping.vpc, address: mapping.address)
      guard gone[key] == mapping else { return true }
      gone[key] = nil
      return false
    }
    return (Array(gone.values), added)
  }

  /// Endpoints as some mappings that went and came make them.
  private func follow(
    _ removed: [Mapping], _ added: [Mapping], _ generation: UInt32
  ) throws(TableCompilerError) -> ([IPAddress: Int], EndpointImage) {
    var differences: [IPAddress: Int] = [:]
    if host != nil {
      for mapping in removed { differences[mapping.host, default: 0] -= 1 }
      for mapping in added { differences[mapping.host, default: 0] += 1 }
    }
    var uses = endpointUses
    var new: [IPAddress] = []
    var seen: Set<IPAddress> = []
    var isOneGone = false
    for mapping in added where endpointUses[mapping.host] == nil && host != nil {
      if seen.insert(mapping.host).inserted { new.append(mapping.host) }
    }
    for (address, difference) in differences where difference != 0 {
      let count = uses[address, default: 0] + difference
      uses[address] = count == 0 ? nil : count
      if count == 0 { isOneGone = true }
    }
    if new.isEmpty && !isOneGone { return (uses, endpoints) }
    let staying = endpoints.slots.owners.compactMap { $0 }.filter { uses[$0] != nil }
    let image = try EndpointImage(staying + new, host, after: endpoints, generation: generation)
    return (uses, image)
  }
}

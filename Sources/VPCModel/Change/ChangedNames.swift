import Wire

/// The objects that a change names.
struct ChangedNames {
  private var ids: [ModelSection: Set<String>] = [:]
  private(set) var mappings: Set<MappingKey> = []
  /// The addresses of `mappings`, which are quicker to ask for.
  private var mappingAddresses = AddressSet()

  init(_ names: [ModelObjectName] = []) {
    for name in names { insert(name) }
  }

  mutating func insert(_ name: ModelObjectName) {
    guard name.section == .mappings else {
      ids[name.section, default: []].insert(name.id)
      return
    }
    if let key = MappingKey(id: name.id) { insert(key) }
  }

  mutating func insert(_ key: MappingKey) {
    mappings.insert(key)
    mappingAddresses.insert(key.address)
  }

  func contains(_ section: ModelSection, _ id: String) -> Bool {
    ids[section]?.contains(id) ?? false
  }

  func contains(_ mapping: Mapping) -> Bool {
    mappingAddresses.contains(mapping.address) && mappings.contains(MappingKey(mapping))
  }

  /// Whether some object of the section is named.
  func touches(_ section: ModelSection) -> Bool {
    section == .mappings ? !mappings.isEmpty : !(ids[section]?.isEmpty ?? true)
  }

  func ids(of section: ModelSection) -> Set<String> { ids[section] ?? [] }

  var all: Set<ModelObjectName> {
    var names: Set<ModelObjectName> = []
    for (section, ids) in ids {
      for id in ids { names.insert(ModelObjectName(section, id)) }
    }
    for key in mappings { names.insert(ModelObjectName(.mappings, "\(key.vpc)/\(key.address)")) }
    return names
  }
}

/// A set of addresses that is asked a million times: a few are compared one by one, without
/// hashing.
struct AddressSet {
  private var few: [IPAddress] = []
  private var many: Set<IPAddress> = []

  init() {}

  init(_ addresses: some Sequence<IPAddress>) {
    for address in addresses { insert(address) }
  }

  var isEmpty: Bool { few.isEmpty }

  mutating func insert(_ address: IPAddress) {
    if few.count <= 4, !few.contains(address) { few.append(address) }
    many.insert(address)
  }

  func contains(_ address: IPAddress) -> Bool {
    guard few.count <= 4 else { return many.contains(address) }
    for index in few.indices where few[index] == address { return true }
    return false
  }
}

extension MappingKey {
  /// Parses `VPC/ADDRESS`.
  init?(id: String) {
    let parts = id.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let address = IPAddress(parts[1]) else { return nil }
    self.init(String(parts[0]), address)
  }
}

extension VPCModel {
  /// Those of the named objects that are not there.
  ///
  /// - Complexity: O(n) in the number of objects of the sections that are named.
  public func missing(_ names: [ModelObjectName]) -> [ModelObjectName] {
    let asked = ChangedNames(names)
    let mappings = Set(self.mappings.lazy.filter { asked.contains($0) }.map { MappingKey($0) })
    var present: [ModelSection: Set<String>] = [:]
    for section in ModelSection.allCases where section != .mappings && asked.touches(section) {
      present[section] = Set(objects(in: section).map(\.name.id))
    }
    return names.filter { name in
      if name.section == .mappings {
        return MappingKey(id: name.id).map { !mappings.contains($0) } ?? true
      }
      return !(present[name.section]?.contains(name.id) ?? false)
    }
  }
}

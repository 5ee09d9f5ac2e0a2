import Wire

/// What becomes of one object when a model changes.
public struct ModelChange: Sendable, Equatable {
  public enum Action: String, Sendable { case created, changed, deleted }

  public var name: ModelObjectName
  public var action: Action
  /// As it is afterwards; nil when deleted.
  public var object: ModelObject?

  public init(_ name: ModelObjectName, _ action: Action, _ object: ModelObject? = nil) {
    self.name = name
    self.action = action
    self.object = object
  }
}

/// A model after a change, and what the change did.
public struct ChangedModel: Sendable {
  public var model: VPCModel
  /// By section, deleted objects last; empty when the model is already as asked.
  public var changes: [ModelChange]
  /// Every object that the change names, whether that makes a difference or not.
  public var named: Set<ModelObjectName>
}

/// Names an address of a VPC, which is what tells mappings apart.
struct MappingKey: Hashable {
  var vpc: String
  var address: IPAddress

  init(_ vpc: String, _ address: IPAddress) {
    self.vpc = vpc
    self.address = address
  }

  init(_ mapping: Mapping) { self.init(mapping.vpc, mapping.address) }
}

/// Merges wanted objects into a model, section by section.
///
/// An object that is there already keeps its place, new ones follow in their order.
struct ModelMerge {
  private(set) var model: VPCModel
  private(set) var changes: [ModelChange] = []
  private let wanted: VPCModel
  private let isGone: (ModelObjectName) -> Bool
  /// Deleted mappings; nil when all go that are not wanted.
  private let goneMappings: Set<MappingKey>?

  /// Replaces a whole model.
  static func replacing(_ present: VPCModel, by wanted: VPCModel) -> ModelMerge {
    var merge = ModelMerge(present, wanted, isGone: { _ in true }, goneMappings: nil)
    merge.mergeSections()
    if wanted.host == nil { merge.removeHost() }
    merge.setPolicy(wanted.policy)
    return merge
  }

  /// Sets and deletes some objects.
  static func patching(
    _ present: VPCModel, setting wanted: VPCModel, setsPolicy: Bool, deleting names: ChangedNames
  ) -> ModelMerge {
    var merge = ModelMerge(
      present, wanted, isGone: { names.contains($0.section, $0.id) },
      goneMappings: names.mappings)
    merge.mergeSections()
    if names.contains(.host, "") { merge.removeHost() }
    if setsPolicy {
      merge.setPolicy(wanted.policy)
    } else if names.contains(.policy, "") {
      merge.setPolicy(Policy())
    }
    return merge
  }

  private init(
    _ present: VPCModel, _ wanted: VPCModel, isGone: @escaping (ModelObjectName) -> Bool,
    goneMappings: Set<MappingKey>?
  ) {
    model = present
    self.wanted = wanted
    self.isGone = isGone
    self.goneMappings = goneMappings
  }

  /// Sets anew what the peers of rules and the targets of routes are.
  mutating func resolveNames(_ declarations: [Identifier: Declaration]) {
    model.resolveNames(declarations)
  }

  private mutating func mergeSections() {
    if let host = wanted.host, host != model.host {
      let action: ModelChange.Action = model.host == nil ? .created : .changed
      changes.append(ModelChange(ModelObjectName(.host), action, .host(host)))
      model.host = host
    }
    merge(\.vpcs, \.id, .vpcs) { .vpc($0) }
    merge(\.subnets, \.id, .subnets) { .subnet($0) }
    merge(\.networkInterfaces, \.id, .networkInterfaces) { .networkInterface($0) }
    merge(\.securityGroups, \.id, .securityGroups) { .securityGroup($0) }
    merge(\.prefixLists, \.id, .prefixLists) { .prefixList($0) }
    merge(\.networkACLs, \.id, .networkACLs) { .networkACL($0) }
    merge(\.routeTables, \.id, .routeTables) { .routeTable($0) }
    merge(\.internetGateways, \.id, .internetGateways) { .internetGateway($0) }
    merge(\.peerings, \.id, .peerings) { .peering($0) }
    mergeMappings()
  }

  private mutating func removeHost() {
    guard model.host != nil else { return }
    model.host = nil
    changes.append(ModelChange(ModelObjectName(.host), .deleted))
  }

  private mutating func setPolicy(_ policy: Policy) {
    guard policy != model.policy else { return }
    model.policy = policy
    changes.append(ModelChange(ModelObjectName(.policy), .changed, .policy(policy)))
  }

  private mutating func merge<Object: Equatable>(
    _ list: WritableKeyPath<VPCModel, [Object]>, _ id: KeyPath<Object, String>,
    _ section: ModelSection, _ wrap: (Object) -> ModelObject
  ) {
    let isGone = self.isGone
    merge(
      list, section, key: { $0[keyPath: id] },
      isCandidate: { _ in true }, isGone: { isGone(ModelObjectName(section, $0)) },
      name: { $0[keyPath: id] }, wrap)
  }

  private mutating func mergeMappings() {
    var candidates = AddressSet(wanted.mappings.lazy.map(\.address))
    for key in goneMappings ?? [] { candidates.insert(key.address) }
    if let gone = goneMappings {
      merge(
        \.mappings, .mappings, key: { MappingKey($0) },
        // Of a million mappings, comparing addresses alone leaves the few that may be meant.
        isCandidate: { candidates.contains($0.address) }, isGone: { gone.contains($0) },
        name: \.id, { .mapping($0) })
    } else {
      merge(
        \.mappings, .mappings, key: { MappingKey($0) }, isCandidate: { _ in true },
        isGone: { _ in true }, name: \.id, { .mapping($0) })
    }
  }

  private mutating func merge<List, Object: Equatable, Key: Hashable>(
    _ list: WritableKeyPath<VPCModel, List>, _ section: ModelSection,
    key: (Object) -> Key, isCandidate: (Object) -> Bool, isGone: (Key) -> Bool,
    name: (Object) -> String, _ wrap: (Object) -> ModelObject
  )
  where
    List: RangeReplaceableCollection & RandomAccessCollection & MutableCollection,
    List.Element == Object, List.Index == Int
  {
    let objects = wanted[keyPath: list]
    var left: [Key: Int] = [:]
    left.reserveCapacity(objects.count)
    for (index, object) in objects.enumerated() { left[key(object)] = index }
    var gone: [Int] = []
    let present = model[keyPath: list]
    var replaced: [(index: Int, object: Object)] = []
    for (index, object) in present.enumerated() where isCandidate(object) {
      let key = key(object)
      if let position = left.removeValue(forKey: key) {
        if objects[position] != object { replaced.append((index, objects[position])) }
      } else if isGone(key) {
        gone.append(index)
      }
    }
    for (index, object) in replaced {
      model[keyPath: list][index] = object
      changes.append(ModelChange(ModelObjectName(section, name(object)), .changed, wrap(object)))
    }
    for object in objects where left[key(object)] != nil {
      model[keyPath: list].append(object)
      changes.append(ModelChange(ModelObjectName(section, name(object)), .created, wrap(object)))
    }
    guard !gone.isEmpty else { return }
    var next = gone.makeIterator()
    var following = next.next()
    var index = 0
    model[keyPath: list].removeAll { object in
      defer { index += 1 }
      guard index == following else { return false }
      following = next.next()
      return true
    }
    for index in gone {
      changes.append(ModelChange(ModelObjectName(section, name(present[index])), .deleted))
    }
  }
}

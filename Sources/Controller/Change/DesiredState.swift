import HostFile
import HostPlan
import VPCModel

/// What the host is to be: a model and the ports of guests.
package struct DesiredState: Sendable, Equatable {
  var generation: UInt64 = 0
  /// When the generation was acknowledged; nanoseconds since 1970.
  var changedAt: UInt64 = 0
  package var model = VPCModel()
  var ports: [GuestPlan] = []

  /// Objects of each kind that has some.
  var objectCounts: [ObjectKind: Int] {
    var counts: [ObjectKind: Int] = [:]
    for section in ModelSection.allCases {
      let count = model.count(of: section)
      if count > 0 { counts[ObjectKind(section)] = count }
    }
    if !ports.isEmpty { counts[.ports] = ports.count }
    return counts
  }

  /// All objects, policy included.
  var objectCount: Int {
    ModelSection.allCases.reduce(ports.count) { $0 + model.count(of: $1) }
  }

  /// The objects of some kinds as canonical JSON, in the model's order.
  ///
  /// - Complexity: O(n) in the size of the objects.
  func items(_ kinds: [ObjectKind]) -> [ObjectList.Item] {
    kinds.flatMap { kind -> [ObjectList.Item] in
      guard let section = kind.section else {
        return ports.map {
          ObjectList.Item(
            ObjectReference(.ports, $0.networkInterface), json: GuestWriter.json($0))
        }
      }
      return model.objects(in: section).map {
        ObjectList.Item(ObjectReference($0.name), json: ModelWriter.json($0))
      }
    }
  }

  func published(
    onRuleChange: Policy.RuleChange? = nil, isRestored: Bool = false
  ) -> PublishedState {
    PublishedState(
      generation: generation, model: model, ports: ports, onRuleChange: onRuleChange,
      isRestored: isRestored)
  }
}

extension DesiredState {
  /// A state before any change.
  package init(model: VPCModel) {
    self.init()
    self.model = model
  }
}

extension ObjectKind {
  init(_ section: ModelSection) {
    self =
      switch section {
      case .host: .host
      case .policy: .policy
      case .vpcs: .vpcs
      case .subnets: .subnets
      case .networkInterfaces: .networkInterfaces
      case .securityGroups: .securityGroups
      case .prefixLists: .prefixLists
      case .networkACLs: .networkACLs
      case .routeTables: .routeTables
      case .internetGateways: .internetGateways
      case .peerings: .peerings
      case .mappings: .mappings
      }
  }

  /// The section of the model; nil for ports, which are none of it.
  var section: ModelSection? { ModelSection(rawValue: rawValue) }

  /// What a caller needs to change objects of this kind.
  var permission: Permission { self == .ports ? .ports : .apply }
}

extension ObjectReference {
  init(_ name: ModelObjectName) {
    self.init(ObjectKind(name.section), name.id)
  }

  /// nil for ports.
  var modelName: ModelObjectName? { kind.section.map { ModelObjectName($0, id) } }
}

extension ObjectReference: CustomStringConvertible {
  /// Such as `securityGroups/sg-web`.
  public var description: String { id.isEmpty ? kind.rawValue : "\(kind.rawValue)/\(id)" }
}

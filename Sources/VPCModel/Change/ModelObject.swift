/// The sections of a model; the names are the fields of a model file.
public enum ModelSection: String, Sendable, CaseIterable {
  case host, policy
  case vpcs, subnets, networkInterfaces, securityGroups, prefixLists, networkACLs, routeTables
  case internetGateways, peerings, mappings
}

/// Names an object of a model: `host` and `policy` have an empty id, a mapping's is `VPC/ADDRESS`.
public struct ModelObjectName: Sendable, Hashable {
  public var section: ModelSection
  public var id: String

  public init(_ section: ModelSection, _ id: String = "") {
    self.section = section
    self.id = id
  }
}

extension ModelObjectName: CustomStringConvertible {
  /// Such as `securityGroups/sg-web`.
  public var description: String { id.isEmpty ? section.rawValue : "\(section.rawValue)/\(id)" }
}

/// One object of a model.
public enum ModelObject: Sendable, Equatable {
  case host(Host)
  case policy(Policy)
  case vpc(VPC)
  case subnet(Subnet)
  case networkInterface(NetworkInterface)
  case securityGroup(SecurityGroup)
  case prefixList(PrefixList)
  case networkACL(NetworkACL)
  case routeTable(RouteTable)
  case internetGateway(InternetGateway)
  case peering(Peering)
  case mapping(Mapping)

  public var name: ModelObjectName {
    switch self {
    case .host: ModelObjectName(.host)
    case .policy: ModelObjectName(.policy)
    case .vpc(let vpc): ModelObjectName(.vpcs, vpc.id)
    case .subnet(let subnet): ModelObjectName(.subnets, subnet.id)
    case .networkInterface(let nic): ModelObjectName(.networkInterfaces, nic.id)
    case .securityGroup(let group): ModelObjectName(.securityGroups, group.id)
    case .prefixList(let list): ModelObjectName(.prefixLists, list.id)
    case .networkACL(let acl): ModelObjectName(.networkACLs, acl.id)
    case .routeTable(let table): ModelObjectName(.routeTables, table.id)
    case .internetGateway(let gateway): ModelObjectName(.internetGateways, gateway.id)
    case .peering(let peering): ModelObjectName(.peerings, peering.id)
    case .mapping(let mapping): ModelObjectName(.mappings, mapping.id)
    }
  }
}

extension Mapping {
  /// `VPC/ADDRESS`.
  public var id: String { "\(vpc)/\(address)" }
}

extension VPCModel {
  /// The objects of a section, in order; `policy` is always there.
  ///
  /// - Complexity: O(n) in the number of objects.
  public func objects(in section: ModelSection) -> [ModelObject] {
    switch section {
    case .host: host.map { [.host($0)] } ?? []
    case .policy: [.policy(policy)]
    case .vpcs: vpcs.map { .vpc($0) }
    case .subnets: subnets.map { .subnet($0) }
    case .networkInterfaces: networkInterfaces.map { .networkInterface($0) }
    case .securityGroups: securityGroups.map { .securityGroup($0) }
    case .prefixLists: prefixLists.map { .prefixList($0) }
    case .networkACLs: networkACLs.map { .networkACL($0) }
    case .routeTables: routeTables.map { .routeTable($0) }
    case .internetGateways: internetGateways.map { .internetGateway($0) }
    case .peerings: peerings.map { .peering($0) }
    case .mappings: mappings.map { .mapping($0) }
    }
  }

  /// The number of objects of a section.
  public func count(of section: ModelSection) -> Int {
    switch section {
    case .host: host == nil ? 0 : 1
    case .policy: 1
    case .vpcs: vpcs.count
    case .subnets: subnets.count
    case .networkInterfaces: networkInterfaces.count
    case .securityGroups: securityGroups.count
    case .prefixLists: prefixLists.count
    case .networkACLs: networkACLs.count
    case .routeTables: routeTables.count
    case .internetGateways: internetGateways.count
    case .peerings: peerings.count
    case .mappings: mappings.count
    }
  }
}

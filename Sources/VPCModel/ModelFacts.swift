import Wire

/// A kind of object that other objects refer to.
enum ObjectKind: Sendable {
  case vpc, subnet, networkInterface, securityGroup, prefixList, networkACL, routeTable
  case internetGateway, peering

  var noun: String {
    switch self {
    case .vpc: "VPC"
    case .subnet: "subnet"
    case .networkInterface: "network interface"
    case .securityGroup: "security group"
    case .prefixList: "prefix list"
    case .networkACL: "network ACL"
    case .routeTable: "route table"
    case .internetGateway: "internet gateway"
    case .peering: "peering"
    }
  }

  var section: ModelSection {
    switch self {
    case .vpc: .vpcs
    case .subnet: .subnets
    case .networkInterface: .networkInterfaces
    case .securityGroup: .securityGroups
    case .prefixList: .prefixLists
    case .networkACL: .networkACLs
    case .routeTable: .routeTables
    case .internetGateway: .internetGateways
    case .peering: .peerings
    }
  }

  /// Kinds that one field may name share their ids: a rule's peer, a route's target.
  var namespace: Namespace {
    switch self {
    case .vpc: .vpcs
    case .subnet: .subnets
    case .securityGroup, .prefixList: .rulePeers
    case .networkACL: .networkACLs
    case .routeTable: .routeTables
    case .internetGateway, .peering, .networkInterface: .routeTargets
    }
  }
}

/// Within one of these, an id stands for one object.
enum Namespace: Sendable {
  case vpcs, subnets, rulePeers, networkACLs, routeTables, routeTargets
}

struct Identifier: Hashable {
  var namespace: Namespace
  var id: String
}

/// An object that has an id, even if the rest of it is wrong.
struct Declaration {
  var kind: ObjectKind
  var place: Place
  /// The VPC it belongs to: given, or that of its subnet; nil if it has none or it is wrong.
  var owner: Owner?
}

/// How a VPC is named: by its id, or by a subnet of it.
enum Owner {
  case vpc(String)
  case subnet(String)
}

/// A field that names another object.
struct Reference {
  enum Scope {
    case anywhere
    /// The object must be of this VPC (a peering: must include it).
    case owner(Owner)
    /// The object must be of this VPC or of one peered with it.
    case ownerOrPeer(Owner)
  }

  var id: String
  var place: Place
  /// All of one namespace.
  var kinds: [ObjectKind]
  var scope: Scope
}

/// A CIDR block of a VPC or subnet.
struct BlockFact {
  var prefix: IPPrefix
  var place: Place
  var vpc: String
  /// nil for a block of the VPC itself.
  var subnet: String?
}

/// An address that a network interface or mapping takes in a VPC.
struct AddressFact {
  var address: IPAddress
  var place: Place
  var owner: Owner
}

struct RuleNameFact {
  var place: Place
  /// Given by an `id` field; else the rule's standard name.
  var isGiven: Bool
}

struct PeeringFact {
  var place: Place
  var vpcs: [String]
}

struct NumberFact {
  var number: UInt32
  var place: Place
  var kind: ObjectKind
}

/// What the files say, as far as it takes more than one object to check it.
struct ModelFacts {
  var declarations: [Identifier: Declaration] = [:]
  var ruleNames: [String: RuleNameFact] = [:]
  var references: [Reference] = []
  var blocks: [BlockFact] = []
  /// VPCs and subnets of whose blocks some are wrong: nothing is said to be outside them.
  var incomplete: Set<Identifier> = []
  var addresses: [AddressFact] = []
  var publicAddresses: [(address: IPAddress, place: Place)] = []
  var virtualNetworks: [NumberFact] = []
  var peerings: [PeeringFact] = []
  /// The VPCs of a peering by its id.
  var peeredVPCs: [String: [String]] = [:]
  /// Tunnel endpoints of other hosts.
  var endpoints: [(address: IPAddress, place: Place)] = []
  /// Sections that may be given once, by name.
  var sections: [String: Place] = [:]

  /// The id of the VPC that owns something; nil when it cannot be known.
  func vpc(of owner: Owner?) -> String? {
    switch owner {
    case nil: return nil
    case .vpc(let id): return id
    case .subnet(let id):
      guard case .vpc(let id) = declarations[Identifier(namespace: .subnets, id: id)]?.owner
      else { return nil }
      return id
    }
  }
}

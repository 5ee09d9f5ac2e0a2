import VPCModel
import Wire

/// Something that was read, and where. Two are equal when the values are.
struct Sited<Value: Equatable>: Equatable {
  var value: Value
  var place: Place

  static func == (a: Sited, b: Sited) -> Bool { a.value == b.value }
}

struct VPCRecord: Equatable {
  var cidrs: [IPPrefix]
}

struct SubnetRecord: Equatable {
  var vpc: String
  var cidrs: [IPPrefix]
}

struct InterfaceRecord: Equatable {
  var subnet: String
  /// AWS's `InterfaceType`: `interface`, `nat_gateway`, …
  var type: String
  var instance: String?
  /// Nil where nothing says it.
  var mac: MACAddress?
  var addresses: [IPAddress]
  var groups: [String]
  var sourceDestCheck: Bool
  var publicAddresses: [PublicAddress]
  var tracking = ConnectionTracking()
}

/// One protocol and port range for one peer: what a security group rule is since they have ids.
struct Permission: Equatable {
  enum Peer: Equatable {
    case cidr(IPPrefix)
    case prefixList(String)
    /// With the VPC of the group and the peering between, where AWS says them.
    case group(String, vpc: String?, peering: String?)
  }

  var match: TrafficMatch
  var peer: Peer
}

struct GroupRecord: Equatable {
  var vpc: String
  /// In order of what they say: AWS lists them in any.
  var ingress: [Sited<Permission>]
  var egress: [Sited<Permission>]

  init(vpc: String, ingress: [Sited<Permission>], egress: [Sited<Permission>]) {
    self.vpc = vpc
    self.ingress = ingress.sorted { $0.value.isBefore($1.value) }
    self.egress = egress.sorted { $0.value.isBefore($1.value) }
  }
}

/// A security group rule that is an object of its own.
struct GroupRule: Equatable {
  var id: String
  var group: String
  var isEgress: Bool
  var permission: Permission
}

struct ACLEntry: Equatable {
  var number: Int
  var isEgress: Bool
  var allow: Bool
  var match: TrafficMatch
  var cidr: IPPrefix
}

struct ACLRecord: Equatable {
  var vpc: String
  var isDefault: Bool
  /// In order of direction and number.
  var entries: [Sited<ACLEntry>]

  init(vpc: String, isDefault: Bool, entries: [Sited<ACLEntry>]) {
    self.vpc = vpc
    self.isDefault = isDefault
    self.entries = entries.sorted { a, b in
      a.value.isEgress == b.value.isEgress ? a.value.number < b.value.number : b.value.isEgress
    }
  }
}

struct RouteRecord: Equatable {
  enum Target: Equatable {
    case local
    /// Of the field `GatewayId`: an internet gateway, a virtual private gateway, an endpoint.
    case gateway(String)
    case natGateway(String)
    case interface(String)
    case instance(String)
    case peering(String)
    /// What the model has nothing for, in words, and its id.
    case other(String, id: String)
    /// AWS names no target any more.
    case none
  }

  var destination: RouteDestination
  var target: Target
  var isBlackhole: Bool
  var isPropagated: Bool
}

struct TableRecord: Equatable {
  var vpc: String
  /// Without those that are always there, in order of destination.
  var routes: [Sited<RouteRecord>]

  init(vpc: String, routes: [Sited<RouteRecord>]) {
    self.vpc = vpc
    self.routes = routes.filter { $0.value.target != .local || $0.value.isBlackhole }
      .sorted { $0.value.destination.text < $1.value.destination.text }
  }
}

struct PeerVPC: Equatable {
  var id: String
  var owner: String?
  var cidrs: [IPPrefix]
}

struct PeeringRecord: Equatable {
  var requester: PeerVPC
  var accepter: PeerVPC
  var status: String
  var isActive: Bool { status == "active" }
}

struct GatewayRecord: Equatable {
  /// Nil when it is attached to none.
  var vpc: String?
}

struct NATGatewayRecord: Equatable {
  var vpc: String?
  var interfaces: [String]
  var isLive: Bool
  var publicAddresses: [PublicAddress]
}

struct ElasticAddressRecord: Equatable {
  var publicAddress: IPAddress
  var interface: String?
  var privateAddress: IPAddress?
}

struct PrefixListRecord: Equatable {
  var name: String
}

/// Which subnet has which table or ACL; nil is the VPC's main table or default ACL.
struct Association: Equatable {
  var subnet: String?
  var vpc: String?
  var object: String
}

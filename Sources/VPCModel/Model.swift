import Wire

/// The desired state of one host's VPC networking: what model files say, checked and resolved.
///
/// A value of this type that came from `ModelLoader` is valid: every reference resolves, no address
/// is twice in a VPC, and all CIDRs parse. Order of arrays is the order of the files.
public struct VPCModel: Sendable, Equatable {
  public var host: Host?
  public var vpcs: [VPC] = []
  public var subnets: [Subnet] = []
  public var networkInterfaces: [NetworkInterface] = []
  public var securityGroups: [SecurityGroup] = []
  public var prefixLists: [PrefixList] = []
  public var networkACLs: [NetworkACL] = []
  public var routeTables: [RouteTable] = []
  public var internetGateways: [InternetGateway] = []
  public var peerings: [Peering] = []
  public var mappings = SharedList<Mapping>()
  public var policy = Policy()

  public init() {}
}

/// This hypervisor on the underlay.
public struct Host: Sendable, Equatable {
  public var address: IPAddress
  public var mac: MACAddress
  public var gatewayMAC: MACAddress
  public var encapsulation: Encapsulation = .geneve
  /// The underlay's IP MTU in bytes.
  public var mtu: Int = 1500

  public init(address: IPAddress, mac: MACAddress, gatewayMAC: MACAddress) {
    self.address = address
    self.mac = mac
    self.gatewayMAC = gatewayMAC
  }
}

/// How packets leave for other hosts; both kinds are always decapsulated.
public enum Encapsulation: String, Sendable, CaseIterable {
  case geneve, vxlan
}

public struct VPC: Sendable, Equatable {
  public var id: String
  /// 24 bits (RFC 8926 section 3.4).
  public var vni: UInt32
  public var cidrs: [IPPrefix]

  public init(id: String, vni: UInt32, cidrs: [IPPrefix]) {
    self.id = id
    self.vni = vni
    self.cidrs = cidrs
  }
}

public struct Subnet: Sendable, Equatable {
  public var id: String
  public var vpc: String
  public var cidrs: [IPPrefix]
  public var routeTable: String?
  public var networkACL: String?

  public init(
    id: String, vpc: String, cidrs: [IPPrefix], routeTable: String? = nil,
    networkACL: String? = nil
  ) {
    self.id = id
    self.vpc = vpc
    self.cidrs = cidrs
    self.routeTable = routeTable
    self.networkACL = networkACL
  }
}

public struct NetworkInterface: Sendable, Equatable {
  public var id: String
  public var subnet: String
  public var mac: MACAddress
  /// The first of each family is the primary address.
  public var addresses: [IPAddress]
  public var securityGroups: [String] = []
  public var sourceDestCheck = true
  /// Private IPv4 address and its public one, in order of the private address.
  public var publicAddresses: [PublicAddress] = []
  public var connectionTracking = ConnectionTracking()
  public var limits = Limits()

  public init(id: String, subnet: String, mac: MACAddress, addresses: [IPAddress]) {
    self.id = id
    self.subnet = subnet
    self.mac = mac
    self.addresses = addresses
  }
}

public struct PublicAddress: Sendable, Equatable {
  public var privateAddress: IPAddress
  public var publicAddress: IPAddress

  public init(privateAddress: IPAddress, publicAddress: IPAddress) {
    self.privateAddress = privateAddress
    self.publicAddress = publicAddress
  }
}

/// Idle timeouts in nanoseconds; the defaults are AWS's.
public struct ConnectionTracking: Sendable, Equatable {
  public var tcpEstablished: UInt64 = 432_000 * 1_000_000_000
  public var udp: UInt64 = 30 * 1_000_000_000
  public var udpStream: UInt64 = 180 * 1_000_000_000

  public init() {}
}

/// Allowances of a network interface; nil is unlimited.
public struct Limits: Sendable, Equatable {
  /// Bits per second.
  public var bandwidthIn: UInt64?
  /// Bits per second.
  public var bandwidthOut: UInt64?
  /// Depth of each bandwidth bucket in bytes; nil is one second's worth.
  public var burst: UInt64?
  public var packetsPerSecond: UInt64?
  public var connections: UInt64?
  public var connectionsPerSecond: UInt64?
  public var linkLocalPacketsPerSecond: UInt64 = 1024

  public init() {}
}

public struct SecurityGroup: Sendable, Equatable {
  public var id: String
  public var vpc: String
  public var ingress: [SecurityGroupRule]
  /// Already holds the default allow-all rules when the file had no `egress`: one rule with the id
  /// `GROUP/egress/0`, protocol all, to 0.0.0.0/0 and ::/0.
  public var egress: [SecurityGroupRule]

  public init(
    id: String, vpc: String, ingress: [SecurityGroupRule], egress: [SecurityGroupRule]
  ) {
    self.id = id
    self.vpc = vpc
    self.ingress = ingress
    self.egress = egress
  }
}

public struct SecurityGroupRule: Sendable, Equatable {
  /// The `id` field, or `GROUP/ingress/N`, `GROUP/egress/N`.
  public var id: String
  public var match: TrafficMatch
  /// `from` of ingress rules and `to` of egress rules.
  public var peers: [RulePeer]

  public init(id: String, match: TrafficMatch, peers: [RulePeer]) {
    self.id = id
    self.match = match
    self.peers = peers
  }
}

public enum RulePeer: Sendable, Hashable {
  case cidr(IPPrefix)
  case securityGroup(String)
  case prefixList(String)
}

/// Protocol and ports, or ICMP type and code, of a rule.
public struct TrafficMatch: Sendable, Equatable {
  /// nil is every protocol.
  public var protocolNumber: UInt8?
  /// Destination ports; empty is all. Never set together with ICMP fields.
  public var ports: [ClosedRange<UInt16>] = []
  /// ICMP and ICMPv6 only; nil is any.
  public var icmpType: UInt8?
  public var icmpCode: UInt8?

  public init(
    protocolNumber: UInt8? = nil, ports: [ClosedRange<UInt16>] = [], icmpType: UInt8? = nil,
    icmpCode: UInt8? = nil
  ) {
    self.protocolNumber = protocolNumber
    self.ports = ports
    self.icmpType = icmpType
    self.icmpCode = icmpCode
  }

  /// Whether every port (or ICMP type and code) of the protocol matches.
  public var coversAllPorts: Bool {
    (ports.isEmpty || ports == [0...65535]) && icmpType == nil && icmpCode == nil
  }
}

public struct PrefixList: Sendable, Equatable {
  public var id: String
  public var entries: [IPPrefix]

  public init(id: String, entries: [IPPrefix]) {
    self.id = id
    self.entries = entries
  }
}

public struct NetworkACL: Sendable, Equatable {
  public var id: String
  public var vpc: String
  /// In ascending order of rule number.
  public var ingress: [NetworkACLRule]
  public var egress: [NetworkACLRule]

  public init(id: String, vpc: String, ingress: [NetworkACLRule], egress: [NetworkACLRule]) {
    self.id = id
    self.vpc = vpc
    self.ingress = ingress
    self.egress = egress
  }
}

public struct NetworkACLRule: Sendable, Equatable {
  /// The `id` field, or `ACL/ingress/RULE`, `ACL/egress/RULE`.
  public var id: String
  /// 1 to 32766, lowest first.
  public var number: Int
  public var allow: Bool
  public var match: TrafficMatch
  /// The remote address: source of ingress packets, destination of egress packets.
  public var cidr: IPPrefix

  public init(id: String, number: Int, allow: Bool, match: TrafficMatch, cidr: IPPrefix) {
    self.id = id
    self.number = number
    self.allow = allow
    self.match = match
    self.cidr = cidr
  }
}

public struct RouteTable: Sendable, Equatable {
  public var id: String
  public var vpc: String
  public var routes: SharedList<Route>

  public init(id: String, vpc: String, routes: some Sequence<Route>) {
    self.id = id
    self.vpc = vpc
    self.routes = SharedList(routes)
  }
}

public struct Route: Sendable, Equatable {
  /// The `id` field; without one the route is named `TABLE/PREFIX` by the prefix that matched.
  public var id: String?
  public var destination: RouteDestination
  public var target: RouteTarget

  public init(id: String? = nil, destination: RouteDestination, target: RouteTarget) {
    self.id = id
    self.destination = destination
    self.target = target
  }
}

public enum RouteDestination: Sendable, Equatable {
  case cidr(IPPrefix)
  case prefixList(String)
}

public enum RouteTarget: Sendable, Hashable {
  case internetGateway(String)
  case peering(String)
  case networkInterface(String)
  case blackhole
}

/// The edge that takes a VPC's internet traffic.
public struct InternetGateway: Sendable, Equatable {
  public var id: String
  public var vpc: String
  public var host: IPAddress
  public var vni: UInt32

  public init(id: String, vpc: String, host: IPAddress, vni: UInt32) {
    self.id = id
    self.vpc = vpc
    self.host = host
    self.vni = vni
  }
}

public struct Peering: Sendable, Equatable {
  public var id: String
  /// Exactly two.
  public var vpcs: [String]

  public init(id: String, vpcs: [String]) {
    self.id = id
    self.vpcs = vpcs
  }
}

/// The address of a NIC on another host.
public struct Mapping: Sendable, Equatable {
  public var vpc: String
  public var address: IPAddress
  /// Tunnel endpoint of the other host; of the family of `Host.address`.
  public var host: IPAddress
  public var mac: MACAddress

  public init(vpc: String, address: IPAddress, host: IPAddress, mac: MACAddress) {
    self.vpc = vpc
    self.address = address
    self.host = host
    self.mac = mac
  }
}

public struct Policy: Sendable, Equatable {
  public enum Midstream: String, Sendable, CaseIterable { case evaluate, drop }
  public enum RuleChange: String, Sendable, CaseIterable { case keep, cut }

  public var midstream: Midstream = .evaluate
  public var onRuleChange: RuleChange = .keep

  public init() {}
}

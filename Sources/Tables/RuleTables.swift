import Wire

/// An index into one of the arrays of `RuleTables`; `none` stands for "no record".
public typealias TableIndex = UInt32

extension TableIndex {
  @inlinable public static var none: TableIndex { .max }
}

/// A consecutive range of records in one of the arrays of `RuleTables`.
@frozen public struct TableRange: BitwiseCopyable, Sendable {
  public var start: UInt32
  public var count: UInt32
  @inlinable public init(start: UInt32 = 0, count: UInt32 = 0) {
    self.start = start
    self.count = count
  }
}

/// The compiled rule tables of one generation: what the fast path reads, and never changes.
///
/// Every array is a view of one image that `TableCompiler` built. Rules are named by a number that
/// the compiler's list of rule names explains; rule 0 is "no rule".
public struct RuleTables: ~Copyable {
  /// Grows by one with every published change.
  public var generation: UInt32 = 1
  public var host = HostRecord()
  public var dropMidstream = false
  /// One more than the highest rule number.
  public var ruleCount = 1

  public var vpcs = FlatArray<VPCRecord>()
  /// The CIDRs of all VPCs; `VPCRecord.cidrs` names a VPC's own.
  public var vpcCIDRs = FlatArray<CIDRRecord>()
  public var subnets = FlatArray<SubnetRecord>()
  public var subnetCIDRs = FlatArray<CIDRRecord>()
  public var nics = FlatArray<NICRecord>()
  public var nicAddresses = FlatArray<AddressRecord>()
  public var nicPublicAddresses = FlatArray<PublicAddressRecord>()
  /// Security groups of all NICs, each NIC's in its own order, as indices of `groups`.
  public var nicGroups = FlatArray<TableIndex>()
  public var groups = FlatArray<GroupRecord>()
  public var acls = FlatArray<ACLRecord>()
  public var routeTables = FlatArray<RouteTableRecord>()
  public var routes = FlatArray<RouteRecord>()
  public var gateways = FlatArray<GatewayRecord>()
  public var peerings = FlatArray<PeeringRecord>()
  /// Mappings of all generations; `addresses` leads to those of this one.
  public var mappings = FlatArray<MappingRecord>()
  /// Tunnel endpoints of other hosts, each with its header template.
  public var endpoints = FlatArray<EndpointRecord>()

  /// Where the addresses of each VPC live: NICs here and mappings.
  public var addresses = PagedAddressMap()
  /// VPC by VNI. Key: (0, VNI); value: index of `vpcs`.
  public var vnis = AddressMap()
  /// Gateways by VNI: key (0, VNI) to 1 when some gateway uses that VNI.
  public var gatewayVNIs = AddressMap()
  /// Public addresses, each VPC's its own. Key: (VPC, public address); value: index of
  /// `nicPublicAddresses`.
  public var publicAddresses = AddressMap()
  /// NICs by MAC. Key: (VPC, the MAC as the low half of an IPv6 address); value: index of `nics`.
  public var nicMACs = AddressMap()
  /// Endpoints by underlay address. Key: (0, address); value: index of `endpoints`.
  public var endpointsByAddress = AddressMap()

  /// Allow and deny rules of all groups and ACLs.
  public var classifiers = ClassifierSet()
  /// Routes of all tables.
  public var prefixes = PrefixTrieSet()

  /// How many generations before this one had the same ways: all but the groups, and no `cut`.
  public var sameWays: UInt32 = 0

  // What state that outlives a generation has to follow. Numbers of network interfaces and rules
  // stay with their owners as long as these exist.

  /// Connections that were judged by the groups before this generation are judged once more.
  public var cutGeneration: UInt32 = 0
  /// Records of `nics` that are in use; the others are free slots.
  public var nicCount = 0
  /// The last generation that changed an allowance, or took a slot of `nics` into use.
  public var allowanceGeneration: UInt32 = 0
  /// The last generation in which a network interface or a rule went: worker state that names one
  /// has to be cleaned before its number is given to another.
  public var retirement: UInt32 = 0
  /// Slots of `nics` whose owner went and whose state may still be there.
  public var retiredNICs = FlatArray<TableIndex>()
  /// The same of rules: a bit for each number, as far as there are any.
  public var retiredRules = FlatArray<UInt64>()

  public init() {}

  /// Whether what a connection remembers of its ways (source, route, network ACL, location) still
  /// holds. A change of groups alone asks no connection to find its way again.
  ///
  /// - Parameter since: the generation that it was found in; one that was taken back is a later
  ///   one, and does not hold.
  @inlinable @inline(__always)
  public func hasSameWays(since: UInt32) -> Bool { generation &- since <= sameWays }
}

/// This host in the underlay.
@frozen public struct HostRecord: BitwiseCopyable, Sendable {
  /// False when the model has no host: nothing is encapsulated and no size limit applies.
  public var isPresent = false
  public var isVXLAN = false
  public var address = IPAddress(v4: 0)
  /// Bytes an inner IP packet may have: underlay MTU less 50 (IPv6 underlay: 70).
  public var innerMTU: UInt32 = .max
  public init() {}
}

/// An address block of a VPC or a subnet.
@frozen public struct CIDRRecord: BitwiseCopyable, Sendable {
  public var prefix: IPPrefix
  @inlinable public init(_ prefix: IPPrefix) { self.prefix = prefix }
}

/// A VPC: its tunnel identifier and address blocks.
@frozen public struct VPCRecord: BitwiseCopyable, Sendable {
  public var vni: UInt32 = 0
  public var cidrs = TableRange()
  public init() {}
}

/// A subnet: whose it is, and by which ACL and routes its packets go.
@frozen public struct SubnetRecord: BitwiseCopyable, Sendable {
  public var vpc: TableIndex = .none
  public var cidrs = TableRange()
  /// Index of `acls`, or none: everything passes.
  public var acl: TableIndex = .none
  /// Index of `routeTables`. A subnet without a table has the VPC's own (local routes only).
  public var routeTable: TableIndex = .none
  public init() {}
}

/// A network interface of this host, with its rules and allowances.
@frozen public struct NICRecord: BitwiseCopyable, Sendable {
  public var mac = MACAddress(0)
  public var vpc: TableIndex = .none
  public var subnet: TableIndex = .none
  /// Into `nicAddresses`.
  public var addresses = TableRange()
  /// Into `nicPublicAddresses`.
  public var publicAddresses = TableRange()
  /// Into `nicGroups`.
  public var groups = TableRange()
  public var sourceDestCheck = true
  /// Bit per (direction, family, protocol): some group has a rule for all ports and all addresses.
  /// Bit number: `Direction.rawValue * 4 + (IPv6 ? 2 : 0) + (UDP ? 1 : 0)`.
  public var openBits: UInt8 = 0
  /// Idle timeouts in nanoseconds.
  public var tcpEstablished: UInt64 = 0
  public var udp: UInt64 = 0
  public var udpStream: UInt64 = 0
  /// Tracked connections allowed; `UInt32.max` is unlimited.
  public var connections: UInt32 = .max
  /// Token bucket settings. A rate of zero in `bandwidth…` and others means unlimited.
  public var bandwidthIn = BucketSettings()
  public var bandwidthOut = BucketSettings()
  public var packets = BucketSettings()
  public var connectionRate = BucketSettings()
  public var linkLocal = BucketSettings()
  /// The generation in which this network interface got its slot.
  public var since: UInt32 = 0
  /// The generation in which its allowances became what they are.
  public var allowancesSince: UInt32 = 0
  public init() {}

  /// False for a slot that nobody has.
  @inlinable public var isPresent: Bool { vpc != .none }
}

/// An address of a NIC.
@frozen public struct AddressRecord: BitwiseCopyable, Sendable {
  public var address: IPAddress
  @inlinable public init(_ address: IPAddress) { self.address = address }
}

/// A public address and the private one that it stands for.
@frozen public struct PublicAddressRecord: BitwiseCopyable, Sendable {
  public var nic: TableIndex
  public var privateAddress: IPAddress
  public var publicAddress: IPAddress
  @inlinable public init(nic: TableIndex, privateAddress: IPAddress, publicAddress: IPAddress) {
    self.nic = nic
    self.privateAddress = privateAddress
    self.publicAddress = publicAddress
  }
}

/// Which way a packet crosses a NIC, as its guest sees it.
@frozen public enum Direction: UInt8, BitwiseCopyable, Sendable {
  case egress = 0
  case ingress = 1
  @inlinable public var opposite: Direction { self == .egress ? .ingress : .egress }
}

/// Classifiers of a group or ACL, one for each direction and family.
@frozen public struct ClassifierIndices: BitwiseCopyable, Sendable {
  public var egressV4: TableIndex = .none
  public var egressV6: TableIndex = .none
  public var ingressV4: TableIndex = .none
  public var ingressV6: TableIndex = .none
  public init() {}

  /// The classifier for packets of a direction and family.
  @inlinable public func index(_ direction: Direction, _ family: IPFamily) -> TableIndex {
    switch (direction, family) {
    case (.egress, .v4): egressV4
    case (.egress, .v6): egressV6
    case (.ingress, .v4): ingressV4
    case (.ingress, .v6): ingressV6
    }
  }
}

/// A security group.
@frozen public struct GroupRecord: BitwiseCopyable, Sendable {
  public var classifiers = ClassifierIndices()
  public init() {}
}

/// A network ACL.
@frozen public struct ACLRecord: BitwiseCopyable, Sendable {
  public var classifiers = ClassifierIndices()
  public init() {}
}

/// A route table, by family.
@frozen public struct RouteTableRecord: BitwiseCopyable, Sendable {
  /// Tries whose values are indices of `routes`; none when the table has no prefix of the family.
  public var v4: TableIndex = .none
  public var v6: TableIndex = .none
  public init() {}
}

/// What a route leads to.
@frozen public enum RouteKind: UInt8, BitwiseCopyable, Sendable {
  case local, gateway, peering, nic, blackhole
}

/// A route, without its prefix: eight bytes, because there are a great many.
@frozen public struct RouteRecord: BitwiseCopyable, Sendable, Equatable {
  /// Kind in the upper three bits, target in the others.
  @usableFromInline var bits: UInt32 = RouteRecord.targetMask
  /// The rule number of `TABLE/PREFIX`.
  public var rule: UInt32 = 0

  /// Targets that a route can name: indices below this.
  @inlinable public static var targetLimit: Int { Int(targetMask) }
  @usableFromInline static var targetMask: UInt32 { 0x1FFF_FFFF }

  /// The local route.
  public init() {}

  /// - Parameter target: `none`, or below `targetLimit`.
  public init(_ kind: RouteKind, _ target: TableIndex) {
    bits = UInt32(kind.rawValue) &<< 29 | target & RouteRecord.targetMask
  }

  @inlinable public var kind: RouteKind {
    switch bits &>> 29 {
    case 1: .gateway
    case 2: .peering
    case 3: .nic
    case 4: .blackhole
    default: .local
    }
  }

  /// Index of `gateways`, `peerings` or `nics` as `kind` says; `none` without one.
  @inlinable public var target: TableIndex {
    let target = bits & RouteRecord.targetMask
    return target == RouteRecord.targetMask ? .none : target
  }
}

/// An internet gateway and the tunnel to it.
@frozen public struct GatewayRecord: BitwiseCopyable, Sendable {
  public var vpc: TableIndex = .none
  public var endpoint: TableIndex = .none
  public var vni: UInt32 = 0
  public var host = IPAddress(v4: 0)
  public init() {}
}

/// Two VPCs whose addresses reach each other.
@frozen public struct PeeringRecord: BitwiseCopyable, Sendable {
  public var first: TableIndex = .none
  public var second: TableIndex = .none
  public init() {}
}

/// An address that lives on another host.
@frozen public struct MappingRecord: BitwiseCopyable, Sendable {
  /// Of the mapping's VPC.
  public var vni: UInt32 = 0
  public var endpoint: TableIndex = .none
  public var mac = MACAddress(0)
  public init() {}
}

/// Another host's tunnel endpoint with the outer header for it, ready but for lengths, source port,
/// VNI and checksums.
@frozen public struct EndpointRecord: BitwiseCopyable, Sendable {
  public var address = IPAddress(v4: 0)
  /// 50 or 70: Ethernet, IPv4 or IPv6, UDP, Geneve or VXLAN.
  public var headerLength: UInt32 = 0
  /// The sum of the IPv4 header's 16-bit words without length and checksum; of the IPv6
  /// pseudo-header without length otherwise.
  public var partialSum: UInt32 = 0
  /// The header's bytes; the first `headerLength` count.
  public var template: OuterHeader = OuterHeader()
  public init() {}
}

/// 80 bytes of header template, as numbers so that it is copied in registers.
@frozen public struct OuterHeader: BitwiseCopyable, Sendable {
  public var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
  @inlinable public init() { words = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0) }
}

/// Where an address lives: the value of `RuleTables.addresses`.
@frozen public struct Location: BitwiseCopyable, Sendable {
  /// Bit 31 set: index of `mappings` in the other bits; clear: index of `nics`.
  public var bits: UInt32
  @inlinable public init(bits: UInt32) { self.bits = bits }
  @inlinable public init(nic: TableIndex) { bits = nic }
  @inlinable public init(mapping: TableIndex) { bits = mapping | 0x8000_0000 }
  @inlinable public var isMapping: Bool { bits & 0x8000_0000 != 0 }
  @inlinable public var index: TableIndex { bits & 0x7FFF_FFFF }
}

import Tables
import VPCModel
import Wire

/// The records of a `TopologyImage` while they are made.
struct TopologyDraft {
  let source: TopologyImage.Source
  private(set) var vpcs: [VPCRecord] = []
  private(set) var vpcCIDRs: [CIDRRecord] = []
  private(set) var subnets: [SubnetRecord] = []
  private(set) var subnetCIDRs: [CIDRRecord] = []
  private(set) var nics: [NICRecord] = []
  private(set) var nicAddresses: [AddressRecord] = []
  private(set) var nicPublicAddresses: [PublicAddressRecord] = []
  private(set) var nicGroups: [TableIndex] = []
  private(set) var gateways: [GatewayRecord] = []
  private(set) var peerings: [PeeringRecord] = []
  private(set) var publicAddresses = AddressMapBuilder()

  /// - Parameter implicitTables: the route table of each VPC's subnets that name none.
  init(
    _ source: TopologyImage.Source, names: ModelNames, implicitTables: [String: TableIndex],
    endpoints: SlotTable<IPAddress>
  ) throws(TableCompilerError) {
    self.source = source
    for vpc in source.vpcs {
      var record = VPCRecord()
      record.vni = vpc.vni
      record.cidrs = Self.append(vpc.cidrs.map { CIDRRecord($0) }, to: &vpcCIDRs)
      vpcs.append(record)
    }
    for subnet in source.subnets {
      var record = SubnetRecord()
      record.vpc = try names.vpcs[subnet.vpc]
      record.cidrs = Self.append(subnet.cidrs.map { CIDRRecord($0) }, to: &subnetCIDRs)
      if let acl = subnet.networkACL { record.acl = try names.acls[acl] }
      if let table = subnet.routeTable {
        record.routeTable = try names.routeTables[table]
      } else {
        record.routeTable = implicitTables[subnet.vpc] ?? .none
      }
      subnets.append(record)
    }
    for peering in source.peerings {
      var record = PeeringRecord()
      let sides = try peering.vpcs.map { id throws(TableCompilerError) in try names.vpcs[id] }
      record.first = sides.first ?? .none
      record.second = sides.dropFirst().first ?? .none
      peerings.append(record)
    }
    for gateway in source.gateways {
      var record = GatewayRecord()
      record.vpc = try names.vpcs[gateway.vpc]
      record.endpoint = endpoints[gateway.host] ?? .none
      record.vni = gateway.vni
      record.host = gateway.host
      gateways.append(record)
    }
  }

  /// Fills the slots of network interfaces.
  ///
  /// - Parameters:
  ///   - slots: of the model's interfaces, in its order.
  ///   - previous: whose allowances are as old as they are there when they are the same.
  mutating func addInterfaces(
    _ slots: SlotTable<InterfaceKey>, names: ModelNames, previous: FlatArray<NICRecord>,
    generation: UInt32
  ) throws(TableCompilerError) {
    nics = [NICRecord](repeating: NICRecord(), count: slots.owners.count)
    for nic in source.interfaces {
      var record = NICRecord()
      record.mac = nic.mac
      record.subnet = try names.subnets[nic.subnet]
      record.vpc = subnets[Int(record.subnet)].vpc
      guard let slot = slots[InterfaceKey(nic, source.subnets[Int(record.subnet)])] else {
        throw .unknownReference(kind: "network interface", id: nic.id)
      }
      record.addresses = Self.append(nic.addresses.map { AddressRecord($0) }, to: &nicAddresses)
      record.publicAddresses = addPublicAddresses(nic, index: slot, vpc: record.vpc)
      let groups = try nic.securityGroups.map { id throws(TableCompilerError) in
        try names.groups[id]
      }
      record.groups = Self.append(groups, to: &nicGroups)
      for group in groups { record.openBits |= source.groupOpenBits[Int(group)] }
      record.sourceDestCheck = nic.sourceDestCheck
      record.tcpEstablished = nic.connectionTracking.tcpEstablished
      record.udp = nic.connectionTracking.udp
      record.udpStream = nic.connectionTracking.udpStream
      record.apply(nic.limits)
      record.since = slots.since[Int(slot)]
      record.allowancesSince = generation
      if Int(slot) < previous.count, previous[slot].isPresent,
        previous[slot].since == record.since, previous[slot].hasAllowances(of: record)
      {
        record.allowancesSince = previous[slot].allowancesSince
      }
      nics[Int(slot)] = record
    }
    // Ranges into these arrays have 32-bit indices.
    let limit = Int(UInt32.max) - 1
    try TableCompilerError.check(nicAddresses.count, of: "addresses", limit: limit)
    try TableCompilerError.check(nicGroups.count, of: "group memberships", limit: limit)
  }

  private mutating func addPublicAddresses(
    _ nic: NetworkInterface, index: TableIndex, vpc: TableIndex
  ) -> TableRange {
    let start = UInt32(nicPublicAddresses.count)
    let records = nic.publicAddresses.map {
      PublicAddressRecord(
        nic: index, privateAddress: $0.privateAddress, publicAddress: $0.publicAddress)
    }
    for (offset, record) in records.enumerated() {
      publicAddresses.add(scope: vpc, record.publicAddress, start + UInt32(offset))
    }
    return Self.append(records, to: &nicPublicAddresses)
  }

  /// Appends records and returns where they are.
  private static func append<Record>(_ records: [Record], to array: inout [Record]) -> TableRange {
    let range = TableRange(start: UInt32(array.count), count: UInt32(records.count))
    array += records
    return range
  }
}

/// Who has a slot of `RuleTables.nics`: in another VPC an interface is another one, because its
/// connections are those of the VPC.
struct InterfaceKey: Hashable, Sendable {
  let id: String
  let vpc: String

  init(_ interface: NetworkInterface, _ subnet: Subnet) {
    id = interface.id
    vpc = subnet.vpc
  }
}

extension NICRecord {
  fileprivate mutating func apply(_ limits: Limits) {
    bandwidthIn = .bandwidth(limits.bandwidthIn, burst: limits.burst)
    bandwidthOut = .bandwidth(limits.bandwidthOut, burst: limits.burst)
    packets = .rate(limits.packetsPerSecond)
    connectionRate = .rate(limits.connectionsPerSecond)
    linkLocal = .rate(limits.linkLocalPacketsPerSecond)
    connections = limits.connections.map { UInt32(clamping: $0) } ?? .max
  }

  fileprivate func hasAllowances(of other: NICRecord) -> Bool {
    bandwidthIn == other.bandwidthIn && bandwidthOut == other.bandwidthOut
      && packets == other.packets && connectionRate == other.connectionRate
      && linkLocal == other.linkLocal
  }
}

extension BucketSettings {
  /// A bucket that admits nothing: it refills but holds less than the price of any packet, zero.
  static var closed: BucketSettings {
    BucketSettings(tokens: 0, perNanoseconds: 1, depth: 0)
  }

  /// A bucket of bytes for a rate in bits per second.
  fileprivate static func bandwidth(_ bitsPerSecond: UInt64?, burst: UInt64?) -> BucketSettings {
    guard let bitsPerSecond else { return BucketSettings() }
    guard bitsPerSecond > 0 else { return .closed }
    return BucketSettings(
      tokens: bitsPerSecond, perNanoseconds: 8_000_000_000, depth: burst)
  }

  /// A bucket that holds one second's worth.
  fileprivate static func rate(_ perSecond: UInt64?) -> BucketSettings {
    guard let perSecond else { return BucketSettings() }
    guard perSecond > 0 else { return .closed }
    return BucketSettings(tokens: perSecond, perNanoseconds: 1_000_000_000)
  }
}

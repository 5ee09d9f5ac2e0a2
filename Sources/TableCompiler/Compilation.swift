import Tables
import VPCModel
import Wire

/// The state of one run of the compiler: the records made so far, and where to find what the model
/// names.
struct Compilation {
  let model: VPCModel
  let memory = ImageMemory()
  private(set) var ruleNames = [""]

  var vpcs: [VPCRecord] = []
  var vpcCIDRs: [CIDRRecord] = []
  var subnets: [SubnetRecord] = []
  var subnetCIDRs: [CIDRRecord] = []
  var nics: [NICRecord] = []
  var nicAddresses: [AddressRecord] = []
  var nicPublicAddresses: [PublicAddressRecord] = []
  var nicGroups: [TableIndex] = []
  var groups: [GroupRecord] = []
  /// `NICRecord.openBits` as far as each group's rules set them.
  var groupOpenBits: [UInt8] = []
  var acls: [ACLRecord] = []
  var routeTables: [RouteTableRecord] = []
  var routes: [RouteRecord] = []
  var gateways: [GatewayRecord] = []
  var peerings: [PeeringRecord] = []
  var mappings: [MappingRecord] = []
  var endpoints: [EndpointRecord] = []
  var addresses = AddressMapBuilder()
  var publicAddresses = AddressMapBuilder()
  var endpointIndices: [IPAddress: TableIndex] = [:]
  var classifiers = ClassifierBuilder()
  var tries = PrefixTrieBuilder()

  /// Indices by name.
  var vpcNames = NameIndex(kind: "VPC")
  var subnetNames = NameIndex(kind: "subnet")
  var nicNames = NameIndex(kind: "network interface")
  var groupNames = NameIndex(kind: "security group")
  var prefixListNames = NameIndex(kind: "prefix list")
  var aclNames = NameIndex(kind: "network ACL")
  var routeTableNames = NameIndex(kind: "route table")
  var gatewayNames = NameIndex(kind: "internet gateway")
  var peeringNames = NameIndex(kind: "peering")

  init(_ model: VPCModel) { self.model = model }

  mutating func index() throws(TableCompilerError) {
    try vpcNames.fill(model.vpcs.map(\.id))
    try subnetNames.fill(model.subnets.map(\.id))
    try nicNames.fill(model.networkInterfaces.map(\.id))
    try groupNames.fill(model.securityGroups.map(\.id))
    try prefixListNames.fill(model.prefixLists.map(\.id))
    try aclNames.fill(model.networkACLs.map(\.id))
    try routeTableNames.fill(model.routeTables.map(\.id))
    try gatewayNames.fill(model.internetGateways.map(\.id))
    try peeringNames.fill(model.peerings.map(\.id))
    // An address map's value needs one bit to tell mappings from network interfaces.
    try TableCompilerError.check(model.mappings.count, of: "mappings", limit: NameIndex.limit)
  }

  /// Gives the next rule its number.
  mutating func addRule(_ name: String) throws(TableCompilerError) -> UInt32 {
    // A classifier's result needs one bit to tell allow from deny.
    try TableCompilerError.check(ruleNames.count, of: "rules", limit: NameIndex.limit)
    ruleNames.append(name)
    return UInt32(ruleNames.count - 1)
  }

  /// The entries of a prefix list.
  func prefixList(_ id: String) throws(TableCompilerError) -> [IPPrefix] {
    model.prefixLists[Int(try prefixListNames[id])].entries
  }

  /// The tables of the records made so far.
  func finish(generation: UInt32) throws(TableCompilerError) -> RuleTables {
    var tables = RuleTables()
    tables.generation = generation
    tables.host = hostRecord
    tables.dropMidstream = model.policy.midstream == .drop
    tables.ruleCount = ruleNames.count
    tables.vpcs = memory.store(vpcs)
    tables.vpcCIDRs = memory.store(vpcCIDRs)
    tables.subnets = memory.store(subnets)
    tables.subnetCIDRs = memory.store(subnetCIDRs)
    tables.nics = memory.store(nics)
    tables.nicAddresses = memory.store(nicAddresses)
    tables.nicPublicAddresses = memory.store(nicPublicAddresses)
    tables.nicGroups = memory.store(nicGroups)
    tables.groups = memory.store(groups)
    tables.acls = memory.store(acls)
    tables.routeTables = memory.store(routeTables)
    tables.routes = memory.store(routes)
    tables.gateways = memory.store(gateways)
    tables.peerings = memory.store(peerings)
    tables.mappings = memory.store(mappings)
    tables.endpoints = memory.store(endpoints)
    tables.addresses = try addresses.finish(in: memory)
    tables.publicAddresses = try publicAddresses.finish(in: memory)
    tables.vnis = try vniMap(model.vpcs.map(\.vni)) { $0 }
    tables.gatewayVNIs = try vniMap(model.internetGateways.map(\.vni)) { _ in 1 }
    tables.nicMACs = try macMap
    tables.endpointsByAddress = try endpointMap
    tables.prefixes = tries.finish(in: memory)
    tables.classifiers = classifiers.finish(in: memory, tries: tables.prefixes)
    return tables
  }

  private var hostRecord: HostRecord {
    var record = HostRecord()
    guard let host = model.host else { return record }
    record.isPresent = true
    record.isVXLAN = host.encapsulation == .vxlan
    record.address = host.address
    // Ethernet, outer IP, UDP and the tunnel header.
    let overhead = host.address.family == .v4 ? 50 : 70
    record.innerMTU = UInt32(clamping: host.mtu - overhead)
    return record
  }

  private func vniMap(
    _ vnis: [UInt32], value: (TableIndex) -> TableIndex
  ) throws(TableCompilerError) -> AddressMap {
    var map = AddressMapBuilder()
    for (index, vni) in vnis.enumerated() {
      map.add(scope: 0, IPAddress(v4: vni), value(UInt32(index)))
    }
    return try map.finish(in: memory)
  }

  private var macMap: AddressMap {
    get throws(TableCompilerError) {
      var map = AddressMapBuilder()
      var seen = Set<[UInt64]>()
      for (index, nic) in nics.enumerated()
      where seen.insert([UInt64(nic.vpc), nic.mac.bits]).inserted {
        map.add(scope: nic.vpc, IPAddress(v6: 0, nic.mac.bits), UInt32(index))
      }
      return try map.finish(in: memory)
    }
  }

  private var endpointMap: AddressMap {
    get throws(TableCompilerError) {
      var map = AddressMapBuilder()
      for (index, endpoint) in endpoints.enumerated() {
        map.add(scope: 0, endpoint.address, UInt32(index))
      }
      return try map.finish(in: memory)
    }
  }
}

/// The index of each name of one kind.
struct NameIndex {
  static let limit = Int(Int32.max) - 1

  private let kind: String
  private var indices: [String: TableIndex] = [:]

  init(kind: String) { self.kind = kind }

  mutating func fill(_ names: [String]) throws(TableCompilerError) {
    try TableCompilerError.check(names.count, of: kind + " records", limit: Self.limit)
    indices.reserveCapacity(names.count)
    for (index, name) in names.enumerated() where indices[name] == nil {
      indices[name] = UInt32(index)
    }
  }

  subscript(_ name: String) -> TableIndex {
    get throws(TableCompilerError) {
      guard let index = indices[name] else { throw .unknownReference(kind: kind, id: name) }
      return index
    }
  }
}

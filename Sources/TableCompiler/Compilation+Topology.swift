import Tables
import VPCModel
import Wire

extension Compilation {
  /// VPCs, subnets (their route tables and ACLs come later) and peerings.
  mutating func addTopology() throws(TableCompilerError) {
    for vpc in model.vpcs {
      var record = VPCRecord()
      record.vni = vpc.vni
      record.cidrs = Self.append(vpc.cidrs.map { CIDRRecord($0) }, to: &vpcCIDRs)
      vpcs.append(record)
    }
    for subnet in model.subnets {
      var record = SubnetRecord()
      record.vpc = try vpcNames[subnet.vpc]
      record.cidrs = Self.append(subnet.cidrs.map { CIDRRecord($0) }, to: &subnetCIDRs)
      if let acl = subnet.networkACL { record.acl = try aclNames[acl] }
      subnets.append(record)
    }
    for peering in model.peerings {
      var record = PeeringRecord()
      let sides = try peering.vpcs.map { id throws(TableCompilerError) in try vpcNames[id] }
      record.first = sides.first ?? .none
      record.second = sides.dropFirst().first ?? .none
      peerings.append(record)
    }
  }

  /// Mappings, gateways and the tunnel endpoints that they name.
  mutating func addEndpoints() throws(TableCompilerError) {
    for (index, mapping) in model.mappings.enumerated() {
      var record = MappingRecord()
      let vpc = try vpcNames[mapping.vpc]
      record.vni = vpcs[Int(vpc)].vni
      record.endpoint = try endpoint(mapping.host)
      record.mac = mapping.mac
      mappings.append(record)
      let location = Location(mapping: UInt32(index))
      addresses.add(scope: vpc, mapping.address, location.bits)
    }
    for gateway in model.internetGateways {
      var record = GatewayRecord()
      record.vpc = try vpcNames[gateway.vpc]
      record.endpoint = try endpoint(gateway.host)
      record.vni = gateway.vni
      record.host = gateway.host
      gateways.append(record)
    }
  }

  /// The index of the endpoint with an underlay address; `none` when the model has no host.
  private mutating func endpoint(_ address: IPAddress) throws(TableCompilerError) -> TableIndex {
    guard let host = model.host else { return .none }
    if let index = endpointIndices[address] { return index }
    guard address.family == host.address.family else { throw .underlayFamily(address) }
    let template = HeaderTemplate(host: host, endpoint: address)
    var record = EndpointRecord()
    record.address = address
    record.headerLength = UInt32(template.bytes.count)
    record.partialSum = template.partialSum
    record.template = template.header
    let index = UInt32(endpoints.count)
    endpoints.append(record)
    endpointIndices[address] = index
    return index
  }

  /// Appends records and returns where they are.
  static func append<Record>(_ records: [Record], to array: inout [Record]) -> TableRange {
    let range = TableRange(start: UInt32(array.count), count: UInt32(records.count))
    array += records
    return range
  }
}

import Tables
import VPCModel
import Wire

/// VPCs, subnets, network interfaces, gateways and peerings. Shared by all generations in which
/// these are the same.
final class TopologyImage: @unchecked Sendable {
  // Sendable although it holds raw memory: nothing writes to it after `init`.

  /// What an image is made from: as long as it is the same, so is the image.
  struct Source: Sendable, Equatable {
    var host: Host?
    var vpcs: [VPC]
    var subnets: [Subnet]
    var interfaces: [NetworkInterface]
    var gateways: [InternetGateway]
    var peerings: [Peering]
    var groupNames: [String]
    var groupOpenBits: [UInt8]
    var aclNames: [String]
    var routeTableNames: [String]
    /// Gateways name their endpoints.
    var endpoints: [IPAddress?]
  }

  let source: Source
  let vpcs: FlatArray<VPCRecord>
  let vpcCIDRs: FlatArray<CIDRRecord>
  let subnets: FlatArray<SubnetRecord>
  let subnetCIDRs: FlatArray<CIDRRecord>
  let nics: FlatArray<NICRecord>
  let nicAddresses: FlatArray<AddressRecord>
  let nicPublicAddresses: FlatArray<PublicAddressRecord>
  let nicGroups: FlatArray<TableIndex>
  let gateways: FlatArray<GatewayRecord>
  let peerings: FlatArray<PeeringRecord>
  let vnis: AddressMap
  let gatewayVNIs: AddressMap
  let publicAddresses: AddressMap
  let nicMACs: AddressMap
  private let memory: ImageMemory

  /// - Parameter draft: complete.
  init(_ draft: TopologyDraft) throws(TableCompilerError) {
    source = draft.source
    memory = ImageMemory()
    vpcs = memory.store(draft.vpcs)
    vpcCIDRs = memory.store(draft.vpcCIDRs)
    subnets = memory.store(draft.subnets)
    subnetCIDRs = memory.store(draft.subnetCIDRs)
    nics = memory.store(draft.nics)
    nicAddresses = memory.store(draft.nicAddresses)
    nicPublicAddresses = memory.store(draft.nicPublicAddresses)
    nicGroups = memory.store(draft.nicGroups)
    gateways = memory.store(draft.gateways)
    peerings = memory.store(draft.peerings)
    publicAddresses = try draft.publicAddresses.finish(in: memory)
    vnis = try Self.vniMap(source.vpcs.map(\.vni), in: memory) { $0 }
    gatewayVNIs = try Self.vniMap(source.gateways.map(\.vni), in: memory) { _ in 1 }
    nicMACs = try Self.macMap(draft.nics, in: memory)
  }

  private static func vniMap(
    _ vnis: [UInt32], in memory: ImageMemory, value: (TableIndex) -> TableIndex
  ) throws(TableCompilerError) -> AddressMap {
    var map = AddressMapBuilder()
    for (index, vni) in vnis.enumerated() {
      map.add(scope: 0, IPAddress(v4: vni), value(UInt32(index)))
    }
    return try map.finish(in: memory)
  }

  private static func macMap(
    _ nics: [NICRecord], in memory: ImageMemory
  ) throws(TableCompilerError) -> AddressMap {
    var map = AddressMapBuilder()
    var seen = Set<[UInt64]>()
    for (index, nic) in nics.enumerated()
    where nic.isPresent && seen.insert([UInt64(nic.vpc), nic.mac.bits]).inserted {
      map.add(scope: nic.vpc, IPAddress(v6: 0, nic.mac.bits), UInt32(index))
    }
    return try map.finish(in: memory)
  }

  var byteCount: Int { memory.byteCount }
}

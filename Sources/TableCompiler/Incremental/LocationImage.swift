import Tables
import VPCModel
import Wire

/// Where addresses live: mappings, tunnel endpoints, and the map of all addresses. Shared by all
/// generations in which these are the same.
final class LocationImage: @unchecked Sendable {
  // Sendable although it holds raw memory: nothing writes to it after `init`.
  let host: Host?
  let vpcs: [VPC]
  let sourceMappings: [Mapping]
  let gateways: [InternetGateway]
  let interfaces: [InterfaceLocation]

  let mappings: FlatArray<MappingRecord>
  let endpoints: FlatArray<EndpointRecord>
  let addresses: AddressMap
  let endpointsByAddress: AddressMap
  let endpointSlots: SlotTable<IPAddress>
  private let memory = ImageMemory()

  /// A network interface's part of the map.
  struct InterfaceLocation: Sendable, Equatable {
    var slot: TableIndex
    var vpc: TableIndex
    var addresses: [IPAddress]
  }

  /// Whether the image is that of a model, too.
  func isOf(_ model: VPCModel, _ interfaces: [InterfaceLocation]) -> Bool {
    host == model.host && vpcs == model.vpcs && gateways == model.internetGateways
      && self.interfaces == interfaces && sourceMappings == model.mappings
  }

  /// - Parameter previous: whose endpoints keep their numbers.
  /// - Complexity: O(n log n) in the addresses.
  init(
    _ model: VPCModel, _ interfaces: [InterfaceLocation], names: ModelNames,
    after previous: LocationImage?, generation: UInt32
  ) throws(TableCompilerError) {
    host = model.host
    vpcs = model.vpcs
    sourceMappings = model.mappings
    gateways = model.internetGateways
    self.interfaces = interfaces
    endpointSlots = try Self.endpointSlots(model, previous?.endpointSlots, generation: generation)
    var map = AddressMapBuilder()
    var records: [MappingRecord] = []
    records.reserveCapacity(model.mappings.count)
    for mapping in model.mappings {
      let vpc = try names.vpcs[mapping.vpc]
      var record = MappingRecord()
      record.vni = model.vpcs[Int(vpc)].vni
      record.endpoint = endpointSlots[mapping.host] ?? .none
      record.mac = mapping.mac
      map.add(
        scope: vpc, mapping.address, Location(mapping: UInt32(records.count)).bits)
      records.append(record)
    }
    for interface in interfaces {
      for address in interface.addresses {
        map.add(scope: interface.vpc, address, Location(nic: interface.slot).bits)
      }
    }
    mappings = memory.store(records)
    addresses = try map.finish(in: memory)
    (endpoints, endpointsByAddress) = try Self.endpoints(endpointSlots, model.host, in: memory)
  }

  private static func endpointSlots(
    _ model: VPCModel, _ previous: SlotTable<IPAddress>?, generation: UInt32
  ) throws(TableCompilerError) -> SlotTable<IPAddress> {
    var slots = previous ?? SlotTable(kind: "tunnel endpoints", capacity: NameIndex.limit)
    var wanted: [IPAddress] = []
    var seen: Set<IPAddress> = []
    if let host = model.host {
      for address in model.mappings.lazy.map(\.host) where seen.insert(address).inserted {
        wanted.append(address)
      }
      for address in model.internetGateways.lazy.map(\.host) where seen.insert(address).inserted {
        wanted.append(address)
      }
      for address in wanted where address.family != host.address.family {
        throw .underlayFamily(address)
      }
    }
    // Nothing that a worker keeps names an endpoint beyond a generation.
    try slots.update(wanted, generation: generation, swept: .max)
    return slots
  }

  private static func endpoints(
    _ slots: SlotTable<IPAddress>, _ host: Host?, in memory: ImageMemory
  ) throws(TableCompilerError) -> (FlatArray<EndpointRecord>, AddressMap) {
    var records: [EndpointRecord] = []
    var map = AddressMapBuilder()
    for (slot, owner) in slots.owners.enumerated() {
      var record = EndpointRecord()
      if let host, let address = owner {
        let template = HeaderTemplate(host: host, endpoint: address)
        record.address = address
        record.headerLength = UInt32(template.bytes.count)
        record.partialSum = template.partialSum
        record.template = template.header
        map.add(scope: 0, address, UInt32(slot))
      }
      records.append(record)
    }
    return (memory.store(records), try map.finish(in: memory))
  }

  var byteCount: Int { memory.byteCount }
}

import Tables
import VPCModel
import Wire

/// Tunnel endpoints of other hosts. Shared by all generations in which these are the same.
final class EndpointImage: @unchecked Sendable {
  // Sendable although it holds raw memory: nothing writes to it after `init`.
  let slots: SlotTable<IPAddress>
  let records: FlatArray<EndpointRecord>
  let byAddress: AddressMap
  private let memory = ImageMemory()

  /// - Parameters:
  ///   - wanted: every endpoint once; new ones get numbers in this order.
  ///   - previous: whose endpoints keep their numbers.
  /// - Throws: `underlayFamily` for an endpoint that this host cannot reach.
  /// - Complexity: O(n log n).
  init(
    _ wanted: [IPAddress], _ host: Host?, after previous: EndpointImage?, generation: UInt32
  ) throws(TableCompilerError) {
    var slots =
      previous?.slots ?? SlotTable(kind: "tunnel endpoints", capacity: NameIndex.limit)
    for address in wanted where address.family != host?.address.family {
      throw .underlayFamily(address)
    }
    // Nothing that a worker keeps names an endpoint beyond a generation.
    try slots.update(wanted, generation: generation, swept: .max)
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
    self.slots = slots
    self.records = memory.store(records)
    byAddress = try map.finish(in: memory)
  }

  var byteCount: Int { memory.byteCount }
}

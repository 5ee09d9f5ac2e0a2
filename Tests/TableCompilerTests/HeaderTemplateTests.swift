import TableCompiler
import Tables
import Testing
import VPCModel
import Wire

@Suite struct HeaderTemplateTests {
  private func bytes(_ endpoint: EndpointRecord) -> [UInt8] {
    withUnsafeBytes(of: endpoint.template.words) { Array($0) }
  }

  private func big16(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    UInt32(bytes[offset]) << 8 | UInt32(bytes[offset + 1])
  }

  /// The records of the model's mappings, in its order.
  private func mappings(_ compiled: CompiledTables) -> [MappingRecord] {
    compiled.model.mappings.compactMap { mapping in
      guard let vpc = compiled.vpcIDs.firstIndex(of: mapping.vpc) else { return nil }
      let found = compiled.tables.addresses.lookup(scope: UInt32(vpc), mapping.address)
      return found == .none ? nil : compiled.tables.mappings[Location(bits: found).index]
    }
  }

  @Test func `each underlay address has one endpoint`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    let mappings = mappings(compiled)
    #expect(compiled.tables.endpoints.count == 3)
    #expect(mappings[0].endpoint == mappings[1].endpoint)
    #expect(mappings[2].vni == 200)
    #expect(mappings[2].mac == MACAddress(0x02_00_00_00_00_15))
    for (index, text) in [
      (mappings[0].endpoint, "192.0.2.2"),
      (mappings[2].endpoint, "192.0.2.3"),
      (compiled.tables.gateways[0].endpoint, "192.0.2.254"),
    ] {
      #expect(compiled.tables.endpoints[index].address == (try address(text)))
      #expect(try compiled.tables.endpointsByAddress.lookup(scope: 0, address(text)) == index)
    }
    #expect(try compiled.tables.endpointsByAddress.lookup(scope: 0, address("192.0.2.9")) == .none)
    #expect(compiled.tables.gateways[0].vpc == 0 && compiled.tables.gateways[0].vni == 1)
    #expect(compiled.tables.gateways[0].host == (try address("192.0.2.254")))
  }

  @Test func `a Geneve header over IPv4, byte by byte`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    let endpoint = compiled.tables.endpoints[0]
    let expected: [UInt8] = [
      0x02, 0xAA, 0, 0, 0, 0xFE, 0x02, 0xAA, 0, 0, 0, 0x01, 0x08, 0x00,
      0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
      0, 0, 0x17, 0xC1, 0, 0, 0, 0,
      0, 0, 0x65, 0x58, 0, 0, 0, 0,
    ]
    #expect(endpoint.headerLength == 50)
    #expect(Array(bytes(endpoint).prefix(50)) == expected)
    #expect(bytes(endpoint).dropFirst(50).allSatisfy { $0 == 0 })
    let words = stride(from: 14, to: 34, by: 2).map { big16(expected, $0) }
    #expect(endpoint.partialSum == words.reduce(0, +))
  }

  @Test func `a checksum completed from the partial sum is right`() throws {
    let compiled = try TableCompiler.compile(exampleModel())
    let endpoint = compiled.tables.endpoints[0]
    var header = Array(bytes(endpoint)[14..<34])
    let length: UInt32 = 1_234
    header[2] = UInt8(length >> 8)
    header[3] = UInt8(length & 255)
    let checksum = ~folded(endpoint.partialSum + length)
    header[10] = UInt8(checksum >> 8)
    header[11] = UInt8(checksum & 255)
    // RFC 1071: the sum over a header with its checksum is all ones.
    let sum = stride(from: 0, to: 20, by: 2).map { big16(header, $0) }.reduce(0, +)
    #expect(folded(sum) == 0xFFFF)
  }

  @Test func `a VXLAN header over IPv6, byte by byte`() throws {
    var model = try exampleModel()
    var host = Host(
      address: try address("2001:db8::1"), mac: MACAddress(0x02_AA_00_00_00_01),
      gatewayMAC: MACAddress(0x02_AA_00_00_00_FE))
    host.encapsulation = .vxlan
    model.host = host
    for index in model.mappings.indices { model.mappings[index].host = try address("2001:db8::2") }
    model.internetGateways[0].host = try address("2001:db8::fe")
    let compiled = try TableCompiler.compile(model)
    #expect(compiled.tables.endpoints.count == 2)
    #expect(compiled.tables.host.isVXLAN)
    #expect(compiled.tables.host.innerMTU == 1430)
    let endpoint = compiled.tables.endpoints[0]
    let expected: [UInt8] = [
      0x02, 0xAA, 0, 0, 0, 0xFE, 0x02, 0xAA, 0, 0, 0, 0x01, 0x86, 0xDD,
      0x60, 0, 0, 0, 0, 0, 17, 64,
      0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
      0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
      0, 0, 0x12, 0xB5, 0, 0, 0, 0,
      0x08, 0, 0, 0, 0, 0, 0, 0,
    ]
    #expect(endpoint.headerLength == 70)
    #expect(Array(bytes(endpoint).prefix(70)) == expected)
    // The pseudo-header but for the length: both addresses and the next header.
    #expect(endpoint.partialSum == 2 * (0x2001 + 0x0DB8) + 1 + 2 + 17)
  }

  @Test func `without a host there are no endpoints`() throws {
    var model = try exampleModel()
    model.host = nil
    let compiled = try TableCompiler.compile(model)
    #expect(compiled.tables.endpoints.count == 0)
    #expect(mappings(compiled).map(\.endpoint) == [.none, .none, .none])
    #expect(compiled.tables.gateways[0].endpoint == .none)
  }

  @Test func `an endpoint of the other family is refused`() throws {
    var model = try exampleModel()
    model.mappings[1].host = try address("2001:db8::2")
    #expect(throws: TableCompilerError.underlayFamily(try address("2001:db8::2"))) {
      _ = try TableCompiler.compile(model)
    }
  }

  private func folded(_ sum: UInt32) -> UInt16 {
    var sum = sum
    while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
    return UInt16(sum)
  }
}

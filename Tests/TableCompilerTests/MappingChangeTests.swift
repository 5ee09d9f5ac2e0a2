import Foundation
import Synchronization
import Tables
import Testing
import VPCModel
import Wire

@testable import TableCompiler

/// Mappings that change one by one: the map of all addresses follows, page by page.
@Suite struct MappingChangeTests {
  private static let capacity = TableCapacity(networkInterfaces: 16, rules: 100)

  private static func model(_ count: Int) -> VPCModel {
    var model = VPCModel()
    model.host = Host(
      address: IPAddress(v4: 0xC000_0201), mac: MACAddress(1), gatewayMAC: MACAddress(2))
    let all = [IPPrefix(IPAddress(v4: 0), length: 0), IPPrefix(IPAddress(v6: 0, 0), length: 0)]
    model.vpcs = [VPC(id: "a", vni: 1, cidrs: all), VPC(id: "b", vni: 2, cidrs: all)]
    model.subnets = [Subnet(id: "subnet", vpc: "a", cidrs: all)]
    for index in 0..<count { model.mappings.append(mapping(index, 0)) }
    return model
  }

  /// A third of them have IPv6 addresses, and another third is in the other VPC.
  private static func mapping(_ index: Int, _ version: Int) -> Mapping {
    let address =
      index % 3 == 0
      ? IPAddress(v6: 0xFD00 << 48, UInt64(index)) : IPAddress(v4: 0x0A00_0000 + UInt32(index))
    return Mapping(
      vpc: index % 3 == 1 ? "b" : "a", address: address,
      host: IPAddress(v4: 0xC000_0210 + UInt32((index + version) % 5)),
      mac: MACAddress(UInt64(version) << 24 | UInt64(index)))
  }

  private struct Key: Hashable {
    var vpc: String
    var address: IPAddress
  }

  /// Every key of a model with what it leads to, by another way.
  private static func expected(_ model: VPCModel) -> [Key: Mapping] {
    var expected: [Key: Mapping] = [:]
    for mapping in model.mappings {
      let key = Key(vpc: mapping.vpc, address: mapping.address)
      if expected[key] == nil { expected[key] = mapping }
    }
    return expected
  }

  /// What tables have in the place of a mapping; nil when all is as it should be.
  private static func difference(
    _ compiled: CompiledTables, _ key: Key, _ mapping: Mapping?
  ) -> String? {
    let scope: UInt32 = key.vpc == "a" ? 0 : 1
    let found = compiled.tables.addresses.lookup(scope: scope, key.address)
    guard let mapping else { return found == .none ? nil : "\(key.address) is still there" }
    guard found != .none, Location(bits: found).isMapping else {
      return "\(key.address) is missing"
    }
    let record = compiled.tables.mappings[Location(bits: found).index]
    let host = compiled.endpointAddresses[Int(record.endpoint)]
    guard record.mac == mapping.mac, record.vni == scope + 1, host == mapping.host,
      compiled.tables.endpoints[record.endpoint].address == host
    else { return "\(key.address) leads to \(record.mac) at \(host.map { "\($0)" } ?? "nobody")" }
    return nil
  }

  private static func check(_ compiled: CompiledTables, gone: [Key] = []) {
    let expected = expected(compiled.model)
    for (key, mapping) in expected {
      if let text = difference(compiled, key, mapping) { Issue.record("\(text)") }
    }
    for key in gone where expected[key] == nil {
      if let text = difference(compiled, key, nil) { Issue.record("\(text)") }
    }
    for (index, nic) in compiled.model.networkInterfaces.enumerated() {
      for address in nic.addresses {
        let found = compiled.tables.addresses.lookup(scope: 0, address)
        #expect(found == Location(nic: compiled.slot(ofInterface: index)).bits)
      }
    }
  }

  private static func next(
    _ compiled: CompiledTables, _ model: VPCModel
  ) throws -> CompiledTables {
    var request = CompileRequest(
      generation: compiled.tables.generation + 1, capacity: capacity, previous: compiled)
    request.swept = compiled.tables.generation
    return try TableCompiler.compile(model, request)
  }

  /// Changes, adds, removes some mappings, or an interface; returns a key that may have gone.
  private static func change(
    _ model: inout VPCModel, _ random: inout SplitMix64, _ step: Int
  ) -> [Key] {
    var touched: [Key] = []
    for _ in 0..<(random.once(in: 4) ? 30 : 1) {
      if model.mappings.isEmpty { model.mappings.append(mapping(5, step)) }
      let place = Int.random(in: 0..<model.mappings.count, using: &random)
      let old = model.mappings[place]
      touched.append(Key(vpc: old.vpc, address: old.address))
      switch Int.random(in: 0..<5, using: &random) {
      case 0: model.mappings.remove(at: place)
      case 1:
        let index = 1_000_000 + step * 100 + touched.count
        model.mappings.append(mapping(index, step))
      case 2: model.mappings[place].host = IPAddress(v4: 0xC000_0300 + UInt32(step % 7))
      case 3:
        // Away and back again, elsewhere in the list.
        model.mappings.remove(at: place)
        model.mappings.append(old)
      default: model.mappings[place].mac = MACAddress(UInt64(step) << 32 | UInt64(place))
      }
    }
    if random.once(in: 3) {
      let address = IPAddress(v4: 0x0B00_0000 + UInt32.random(in: 0...3, using: &random))
      model.networkInterfaces = [
        NetworkInterface(
          id: "eni", subnet: "subnet", mac: MACAddress(7), addresses: [address])
      ]
    }
    return touched
  }

  @Test(arguments: 1...8)
  func `agrees with a dictionary, generation after generation`(seed: Int) throws {
    var random = SplitMix64(seed: seed)
    var model = Self.model([1, 40, 700, 1_500][seed % 4])
    var compiled = try TableCompiler.compile(
      model, CompileRequest(generation: 1, capacity: Self.capacity))
    Self.check(compiled)
    var kept: [CompiledTables] = []
    for step in 1...15 {
      if random.once(in: 6) { kept.append(compiled) }
      if kept.count > 3 { kept.removeFirst() }
      let touched = Self.change(&model, &random, step)
      compiled = try Self.next(compiled, model)
      Self.check(compiled, gone: touched)
    }
    // What later generations made did not touch what earlier ones have.
    for old in kept { Self.check(old) }
  }

  @Test func `pages without a change are shared`() throws {
    var model = Self.model(6_000)
    let first = try TableCompiler.compile(
      model, CompileRequest(generation: 1, capacity: Self.capacity))
    model.mappings[2_345].mac = MACAddress(99)
    let second = try Self.next(first, model)
    func places(_ compiled: CompiledTables) -> [TableIndex] {
      compiled.model.mappings.map {
        compiled.tables.addresses.lookup(scope: $0.vpc == "a" ? 0 : 1, $0.address)
      }
    }
    let moved = zip(places(first), places(second)).count { $0 != $1 }
    #expect(moved > 0 && moved <= 250)
    Self.check(first)
    Self.check(second)
  }

  @Test func `hundreds of changes one by one take no more memory than one`() throws {
    var model = Self.model(2_000)
    var compiled = try TableCompiler.compile(
      model, CompileRequest(generation: 1, capacity: Self.capacity))
    let before = compiled.byteCount
    for step in 0..<300 {
      let place = step * 7 % model.mappings.count
      if step % 2 == 0 {
        model.mappings[place].mac = MACAddress(UInt64(step))
      } else {
        let mapping = model.mappings.remove(at: place)
        model.mappings.append(mapping)
      }
      compiled = try Self.next(compiled, model)
    }
    #expect(compiled.byteCount <= before * 11 / 10)
    let last = compiled.model.mappings.compactMap { mapping -> UInt32? in
      let scope: UInt32 = mapping.vpc == "a" ? 0 : 1
      let found = compiled.tables.addresses.lookup(scope: scope, mapping.address)
      return found == .none ? nil : Location(bits: found).index
    }
    // Records of the arena that are in use lie close together still.
    #expect((last.max() ?? 0) < 3 * 2_000)
    Self.check(compiled)
  }

  @Test func `an address that is there twice has what comes first`() throws {
    var model = Self.model(10)
    model.mappings.append(Self.mapping(4, 9))
    var compiled = try TableCompiler.compile(
      model, CompileRequest(generation: 1, capacity: Self.capacity))
    Self.check(compiled)
    model.mappings.remove(at: 4)
    compiled = try Self.next(compiled, model)
    Self.check(compiled)
    model.mappings.append(Self.mapping(6, 9))
    compiled = try Self.next(compiled, model)
    Self.check(compiled)
  }

  @Test func `more than fits is refused with the number`() throws {
    let arenas = LocationArenas(v4: 512, v6: 0, mappings: 1_000)
    let entries = (0..<600).map {
      AddressEntry(scope: 0, IPAddress(v4: UInt32($0)), MappingRecord())
    }
    let error = TableCompilerError.capacity(
      of: "slots for IPv4 addresses", count: 768, limit: 512)
    #expect(throws: error) {
      _ = try AddressPages<AddressSlotV4>(try AddressPagePlan(entries), in: arenas)
    }
    let few = try AddressPages<AddressSlotV4>(
      try AddressPagePlan(Array(entries.prefix(100))), in: arenas)
    // A change needs room for one page more, as long as the generation before is there.
    _ = try few.changed(removing: [entries[0]], adding: [entries[500]], in: arenas)
  }

  /// What a thread that reads sees: a generation and what its model says.
  private final class Published: Sendable {
    let compiled: CompiledTables
    let expected: [(key: Key, mapping: Mapping)]

    init(_ compiled: CompiledTables) {
      self.compiled = compiled
      expected = MappingChangeTests.expected(compiled.model).map { ($0.key, $0.value) }
    }
  }

  /// Readers hold a generation while later ones are made, and those before it are freed.
  @Test func `readers never see a torn entry`() async throws {
    var model = Self.model(2_000)
    let first = try TableCompiler.compile(
      model, CompileRequest(generation: 1, capacity: Self.capacity))
    let published = Mutex(Published(first))
    let isDone = Atomic(false)
    let reads = Atomic(0)
    let problem = Mutex<String?>(nil)
    let readers = (0..<2).map { number in
      Thread {
        var random = SplitMix64(seed: number)
        while !isDone.load(ordering: .acquiring) {
          let current = published.withLock { $0 }
          for _ in 0..<200 {
            guard let item = current.expected.randomElement(using: &random) else { continue }
            if let text = Self.difference(current.compiled, item.key, item.mapping) {
              problem.withLock { $0 = text }
            }
          }
          reads.add(1, ordering: .relaxed)
        }
        reads.add(1_000_000, ordering: .releasing)
      }
    }
    for reader in readers { reader.start() }
    var random = SplitMix64(seed: 99)
    var compiled = first
    for step in 1...60 {
      _ = Self.change(&model, &random, step)
      compiled = try Self.next(compiled, model)
      published.withLock { $0 = Published(compiled) }
    }
    for _ in 0..<2_000 where reads.load(ordering: .acquiring) < 2 {
      try await Task.sleep(for: .milliseconds(5))
    }
    isDone.store(true, ordering: .releasing)
    for _ in 0..<2_000 where reads.load(ordering: .acquiring) < 2_000_000 {
      try await Task.sleep(for: .milliseconds(5))
    }
    #expect(reads.load(ordering: .acquiring) >= 2_000_002)
    #expect(problem.withLock { $0 } == nil)
  }
}

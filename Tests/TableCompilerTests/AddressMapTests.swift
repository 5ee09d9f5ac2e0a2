import Tables
import Testing
import Wire

@testable import TableCompiler

@Suite struct AddressMapTests {
  private struct Key: Hashable {
    var scope: UInt32
    var address: IPAddress
  }

  @Test func `agrees with a dictionary`() throws {
    for seed in 1...100 {
      var random = SplitMix64(seed: seed)
      var builder = AddressMapBuilder()
      var reference: [Key: TableIndex] = [:]
      func key() -> Key {
        let scope = UInt32.random(in: 0...3, using: &random)
        return Key(scope: scope, address: random.address(random.once(in: 2) ? .v4 : .v6))
      }
      for value in 0..<UInt32.random(in: 0...300, using: &random) {
        let key = key()
        builder.add(scope: key.scope, key.address, value)
        // The first value of a key stays.
        if reference[key] == nil { reference[key] = value }
      }
      let memory = ImageMemory()
      let map = try builder.finish(in: memory)
      for (key, value) in reference where map.lookup(scope: key.scope, key.address) != value {
        Issue.record("seed \(seed), \(key): not \(value)")
      }
      for _ in 0..<300 {
        let key = key()
        #expect(map.lookup(scope: key.scope, key.address) == reference[key] ?? .none)
      }
      withExtendedLifetime(memory) {}
    }
  }

  @Test func `an empty map holds nothing`() throws {
    let memory = ImageMemory()
    let map = try AddressMapBuilder().finish(in: memory)
    #expect(map.lookup(scope: 0, IPAddress(v4: 0)) == .none)
    #expect(map.lookup(scope: 0, IPAddress(v6: 0, 0)) == .none)
    #expect(AddressMap().lookup(scope: 0, IPAddress(v4: 0)) == .none)
    #expect(memory.byteCount == 0)
  }

  @Test func `a key that comes often takes one slot`() throws {
    var builder = AddressMapBuilder()
    for value in 0..<1_000 { builder.add(scope: 0, IPAddress(v4: 1), UInt32(value)) }
    let memory = ImageMemory()
    let map = try builder.finish(in: memory)
    #expect(map.lookup(scope: 0, IPAddress(v4: 1)) == 0)
    #expect(map.lookup(scope: 0, IPAddress(v4: 2)) == .none)
    withExtendedLifetime(memory) {}
  }

  @Test func `families and scopes do not meet`() throws {
    var builder = AddressMapBuilder()
    builder.add(scope: 1, IPAddress(v4: 5), 10)
    builder.add(scope: 2, IPAddress(v4: 5), 20)
    builder.add(scope: 1, IPAddress(v6: 0, 5), 30)
    let memory = ImageMemory()
    let map = try builder.finish(in: memory)
    #expect(map.lookup(scope: 1, IPAddress(v4: 5)) == 10)
    #expect(map.lookup(scope: 2, IPAddress(v4: 5)) == 20)
    #expect(map.lookup(scope: 1, IPAddress(v6: 0, 5)) == 30)
    #expect(map.lookup(scope: 2, IPAddress(v6: 0, 5)) == .none)
    #expect(map.lookup(scope: 3, IPAddress(v4: 5)) == .none)
    withExtendedLifetime(memory) {}
  }

  @Test func `many IPv4 keys take less than 24 bytes each`() throws {
    var builder = AddressMapBuilder()
    let count = 50_000
    for index in 0..<count {
      builder.add(
        scope: UInt32(index / 20_000), IPAddress(v4: 0x0A00_0000 + UInt32(index % 20_000)),
        UInt32(index))
    }
    let memory = ImageMemory()
    let map = try builder.finish(in: memory)
    #expect(memory.byteCount <= 24 * count)
    for index in 0..<count {
      let address = IPAddress(v4: 0x0A00_0000 + UInt32(index % 20_000))
      let found = map.lookup(scope: UInt32(index / 20_000), address)
      if found != UInt32(index) { Issue.record("\(address): \(found)") }
    }
    withExtendedLifetime(memory) {}
  }
}

import Tables
import Testing
import Wire

@testable import TableCompiler

/// Longest prefix match by asking every prefix.
private struct LinearPrefixes {
  var entries: [(prefix: IPPrefix, value: UInt32)] = []
  private var known: Set<IPPrefix> = []

  mutating func add(_ prefix: IPPrefix) {
    guard known.insert(prefix).inserted else { return }
    entries.append((prefix, UInt32(entries.count)))
  }

  func lookup(_ address: IPAddress) -> TableIndex {
    var best: (length: Int, value: TableIndex) = (-1, .none)
    for entry in entries where entry.prefix.length > best.length && entry.prefix.contains(address) {
      best = (entry.prefix.length, entry.value)
    }
    return best.value
  }
}

/// Longest prefix match by one dictionary look-up for each length: for many prefixes.
struct PrefixesByLength {
  var values: [IPPrefix: UInt32] = [:]

  func lookup(_ address: IPAddress) -> TableIndex {
    for length in (0...address.family.bitWidth).reversed() {
      if let value = values[IPPrefix(address, length: length)] { return value }
    }
    return .none
  }
}

@Suite struct PrefixTrieTests {
  @Test(arguments: [IPFamily.v4, .v6])
  func `agrees with a linear search`(family: IPFamily) throws {
    for seed in 1...150 {
      var random = SplitMix64(seed: seed)
      var builder = PrefixTrieBuilder()
      var references: [LinearPrefixes] = []
      var indices: [TableIndex] = []
      // Several tries in one image, so that a wrong index does not stay in its own trie.
      for _ in 0..<3 {
        var reference = LinearPrefixes()
        for _ in 0..<Int.random(in: 0...40, using: &random) {
          reference.add(random.prefix(family))
        }
        indices.append(try builder.add(reference.entries.shuffled(using: &random)))
        references.append(reference)
      }
      let memory = ImageMemory()
      let set = builder.finish(in: memory)
      for (reference, index) in zip(references, indices) {
        #expect((index == .none) == reference.entries.isEmpty)
        for _ in 0..<100 {
          let address = random.address(near: reference.entries.map(\.prefix), family)
          let found = set.lookup(index, high: address.high, low: address.low)
          if found != reference.lookup(address) {
            Issue.record("seed \(seed), \(address): \(found)")
          }
        }
      }
      withExtendedLifetime(memory) {}
    }
  }

  @Test(arguments: [(IPFamily.v4, 3_000), (.v6, 3_000), (.v4, 66_000)])
  func `finds many prefixes through a direct table`(family: IPFamily, count: Int) throws {
    var random = SplitMix64(seed: count)
    var reference = PrefixesByLength()
    while reference.values.count < count {
      let address =
        family == .v4
        ? IPAddress(v4: 0x0A00_0000 | UInt32(truncatingIfNeeded: random.next()) >> 6)
        : IPAddress(v6: 0xFD00_0010_0000_0000 | random.next() >> 30, random.next())
      let prefix =
        random.once(in: 10)
        ? IPPrefix(address, length: Int.random(in: 4...family.bitWidth, using: &random))
        : IPPrefix(address, length: random.once(in: 2) ? family.bitWidth : family.bitWidth * 3 / 4)
      reference.values[prefix] = UInt32(reference.values.count)
    }
    var builder = PrefixTrieBuilder()
    let entries = reference.values.map { (prefix: $0.key, value: $0.value) }
    let index = try builder.add(entries)
    let memory = ImageMemory()
    let set = builder.finish(in: memory)
    let prefixes = entries.map(\.prefix).sorted { $0.address < $1.address }
    for _ in 0..<5_000 {
      let address = random.address(near: prefixes, family)
      let found = set.lookup(index, high: address.high, low: address.low)
      if found != reference.lookup(address) { Issue.record("\(address): \(found)") }
    }
    withExtendedLifetime(memory) {}
  }

  @Test(arguments: [
    "0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "::/0", "fd00:10::/56", "fd00::1/128",
  ])
  func `a single prefix holds its addresses only`(text: String) throws {
    let prefix = try #require(IPPrefix(text))
    var builder = PrefixTrieBuilder()
    let index = try builder.add([(prefix, 7)])
    let memory = ImageMemory()
    let set = builder.finish(in: memory)
    var random = SplitMix64(seed: 1)
    for _ in 0..<200 {
      let address = random.address(near: [prefix], prefix.family)
      let expected: TableIndex = prefix.contains(address) ? 7 : .none
      #expect(set.lookup(index, high: address.high, low: address.low) == expected)
    }
    withExtendedLifetime(memory) {}
  }

  @Test func `no trie holds nothing`() {
    #expect(PrefixTrieSet().lookup(.none, high: 0, low: 0) == .none)
  }

  @Test func `a small trie takes little memory`() throws {
    var builder = PrefixTrieBuilder()
    for text in ["10.0.0.0/16", "0.0.0.0/0", "10.9.0.0/16", "172.16.0.0/12"] {
      _ = try builder.add([(try #require(IPPrefix(text)), 1)])
    }
    let memory = ImageMemory()
    _ = builder.finish(in: memory)
    #expect(memory.byteCount <= 4 * 128)
  }
}

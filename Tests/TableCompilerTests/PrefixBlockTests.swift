import Tables
import Testing
import Wire

@testable import TableCompiler

/// Each kind of block, at its bounds.
@Suite struct PrefixBlockTests {
  /// A trie of 10.0.0.0/8 in which every other prefix of some has a value.
  private struct Comb {
    let length: Int
    let count: Int
    /// What lies between two values.
    var stride: UInt32 = 1
    /// Where the values begin.
    var first: UInt32 = 1_000

    func address(_ index: Int) -> UInt32 {
      0x0A00_0000 + UInt32(2 * index) << UInt32(32 - length)
    }

    var entries: [(prefix: IPPrefix, value: UInt32)] {
      [(IPPrefix(IPAddress(v4: 0x0A00_0000), length: 8), 7)]
        + (0..<count).map {
          (IPPrefix(IPAddress(v4: address($0)), length: length), first + stride * UInt32($0))
        }
    }

    /// Asks for the first and the last address of each prefix and of what lies behind it.
    func check(_ set: PrefixTrieSet, _ trie: TableIndex) {
      for index in 0..<count {
        let size = UInt32(1) << UInt32(32 - length)
        let start = address(index)
        for (address, expected) in [
          (start, first + stride * UInt32(index)),
          (start + size - 1, first + stride * UInt32(index)),
          (start + size, 7), (start + 2 * size - 1, 7),
        ] {
          #expect(set.lookup(trie, high: 0, low: UInt64(address)) == expected)
        }
      }
      #expect(set.lookup(trie, high: 0, low: 0x0BFF_FFFF) == .none)
    }
  }

  // A comb of n values has 2 n runs.
  @Test(arguments: [
    (Comb(length: 24, count: 4), PrefixBlockKind.keys8),
    (Comb(length: 24, count: 5), .keys16),
    (Comb(length: 24, count: 8), .keys16),
    (Comb(length: 24, count: 9), .keys32),
    (Comb(length: 24, count: 16), .keys32),
    (Comb(length: 24, count: 17), .slots),
    (Comb(length: 16, count: 5), .bytes),
    (Comb(length: 16, count: 128), .bytes),
    // Byte 254 is a value's, and what is further away is none's.
    (Comb(length: 16, count: 128, stride: 2), .bytes),
    (Comb(length: 16, count: 128, stride: 3), .slots),
    (Comb(length: 16, count: 9, stride: 100), .keys32),
    (Comb(length: 10, count: 2), .keys8),
  ])
  private func `a block has the smallest kind that holds its runs`(
    comb: Comb, kind: PrefixBlockKind
  ) throws {
    var builder = PrefixTrieBuilder()
    let trie = try builder.add(comb.entries)
    #expect(builder.tries[Int(trie)].root.kind == kind)
    let memory = ImageMemory()
    comb.check(builder.finish(in: memory), trie)
    withExtendedLifetime(memory) {}
  }

  @Test func `what no value has is between near ones`() throws {
    // None, where no prefix lies around.
    var builder = PrefixTrieBuilder()
    let trie = try builder.add(Array(Comb(length: 16, count: 100).entries.dropFirst()))
    #expect(builder.tries[Int(trie)].root.kind == .bytes)
    let memory = ImageMemory()
    let set = builder.finish(in: memory)
    #expect(set.lookup(trie, high: 0, low: 0x0A00_FFFF) == 1_000)
    #expect(set.lookup(trie, high: 0, low: 0x0A01_0000) == .none)
    #expect(set.lookup(trie, high: 0, low: 0x0AC6_0000) == 1_099)
    #expect(set.lookup(trie, high: 0, low: 0x0AC7_0000) == .none)
    withExtendedLifetime(memory) {}
  }

  @Test(arguments: [24, 28, 32])
  func `a block of keys grows and shrinks by patches`(length: Int) throws {
    let arenas = TableArenas(.reserved)
    var comb = Comb(length: length, count: 1)
    var builder = PrefixTrieBuilder()
    let trie = try builder.add(comb.entries)
    let image = try TrieImage(builder, adding: 0, in: arenas)
    let first = try arenas.tries.reserve(1)
    first.copy(from: Int(image.index(trie)))
    // What patches lead to has to stay.
    var patches: [TriePatch] = []
    var kinds: [PrefixBlockKind] = []
    let counts = Array(2...40) + Array((1...39).reversed())
    for count in counts {
      let known = arenas.tries.view[UInt32(first.start)]
      var changes = TriePatch.Changes()
      let place = max(count, comb.count) - 1
      let prefix = IPPrefix(IPAddress(v4: comb.address(place)), length: length)
      let value = count > comb.count ? comb.first + UInt32(place) : 7
      changes.add(PrefixTrieBuilder.Entry(prefix, value), inner: [])
      let patch = try #require(try TriePatch(known, changes, in: arenas))
      first.write([patch.record])
      patches.append(patch)
      comb = Comb(length: length, count: count)
      comb.check(arenas.prefixes, UInt32(first.start))
      if kinds.last != patch.record.root.kind { kinds.append(patch.record.root.kind) }
    }
    // A block of slots stays one until its trie is made anew.
    #expect(kinds == [.keys8, .keys16, .keys32, .slots])
    withExtendedLifetime(image) {}
  }

  @Test func `a prefix that takes a whole block takes its place`() throws {
    let arenas = TableArenas(.reserved)
    var builder = PrefixTrieBuilder()
    let trie = try builder.add(Comb(length: 24, count: 40).entries)
    let image = try TrieImage(builder, adding: 0, in: arenas)
    var changes = TriePatch.Changes()
    let prefix = IPPrefix(IPAddress(v4: 0x0A00_0000), length: 9)
    changes.add(PrefixTrieBuilder.Entry(prefix, 9), inner: [])
    let known = arenas.tries.view[image.index(trie)]
    let patch = try #require(try TriePatch(known, changes, in: arenas))
    let stored = try arenas.tries.reserve(1)
    stored.write([patch.record])
    for (address, value) in [(0x0A00_0000, 9), (0x0A7F_FFFF, 9), (0x0A80_0000, 7)] {
      let found = arenas.prefixes.lookup(UInt32(stored.start), high: 0, low: UInt64(address))
      #expect(found == UInt32(value))
    }
    withExtendedLifetime((image, patch)) {}
  }

  @Test func `a block of keys without room is read with the blocks below`() throws {
    // Of fd00::/8: 15 times a /40 with a gap behind it are 31 runs, and two have a block below.
    func high(_ index: UInt64) -> UInt64 { 0xFD00_0000_0000_0000 | index << 25 }
    func prefix(_ high: UInt64, _ length: Int) -> IPPrefix {
      IPPrefix(IPAddress(v6: high, 0), length: length)
    }
    var reference = PrefixesByLength()
    reference.values[prefix(high(0), 8)] = 7
    for index in 1...15 { reference.values[prefix(high(UInt64(index)), 40)] = UInt32(index) * 100 }
    reference.values[prefix(high(3) | 0xFF00, 56)] = 5_000
    reference.values[prefix(high(3) | 0x1, 64)] = 5_001
    let arenas = TableArenas(.reserved)
    var builder = PrefixTrieBuilder()
    let trie = try builder.add(reference.values.map { ($0.key, $0.value) })
    let image = try TrieImage(builder, adding: 0, in: arenas)
    let known = arenas.tries.view[image.index(trie)]
    #expect(known.root.kind == .keys32)

    let added = [(prefix(high(20) | 0x20, 60), UInt32(6_000)), (prefix(high(40), 40), 6_001)]
    var changes = TriePatch.Changes()
    for (prefix, value) in added {
      changes.add(PrefixTrieBuilder.Entry(prefix, value), inner: [])
      reference.values[prefix] = value
    }
    let patch = try #require(try TriePatch(known, changes, in: arenas))
    #expect(patch.record.root.kind == .slots)
    let stored = try arenas.tries.reserve(1)
    stored.write([patch.record])
    for prefix in reference.values.keys {
      let size = prefix.length == 64 ? 1 : UInt64(1) << UInt64(64 - prefix.length)
      let first = prefix.address.high
      for high in [first, first &+ size &- 1, first &+ size, first &- 1] {
        let address = IPAddress(v6: high, 0)
        let found = arenas.prefixes.lookup(UInt32(stored.start), high: high, low: 0)
        #expect(found == reference.lookup(address), "\(address)")
      }
    }
    withExtendedLifetime((image, patch)) {}
  }
}

import Tables
import TestPackets
import Testing
import Wire

@Suite struct FlowTableTests {
  static let seed: UInt64 = 0x5EED

  static func key(_ number: UInt64, isIPv6: Bool = false) -> FlowKey {
    var key = FlowKey()
    key.identity = FlowKey.identity(
      nic: UInt32(number % 7), transport: number % 2 == 0 ? 6 : 17,
      localPort: UInt16(truncatingIfNeeded: number), remotePort: UInt16(number % 3))
    key.isIPv6 = isIPv6
    key.localHigh = isIPv6 ? 0xFD00_0000_0000_0000 | number >> 5 : 0
    key.localLow = isIPv6 ? number &* 0x9E37_79B9 : 0x0A00_0000 | number >> 3 & 0xFFFF
    key.remoteHigh = isIPv6 ? number % 5 : 0
    key.remoteLow = isIPv6 ? number &* 3 : 0xC000_0200 | number & 255
    key.seal()
    return key
  }

  @Test(arguments: [false, true]) func `random changes agree with a dictionary`(isIPv6: Bool) {
    struct Identity: Hashable {
      var identity, localHigh, localLow, remoteHigh, remoteLow: UInt64
      init(_ key: FlowKey) {
        (identity, localHigh, localLow) = (key.identity, key.localHigh, key.localLow)
        (remoteHigh, remoteLow) = (key.remoteHigh, key.remoteLow)
      }
    }
    var random = SplitMix64(seed: 11)
    let capacity = 500
    var table = FlowTable(capacity: capacity, seed: Self.seed)
    var expected: [Identity: UInt32] = [:]
    var used: Set<UInt32> = []
    var isSeenFull = false
    for _ in 0..<60_000 {
      // More keys than room, so that the table is full again and again.
      let key = Self.key(random.next() % 900, isIPv6: isIPv6)
      let hash = key.hash(seed: Self.seed)
      let found = table.lookup(key, hash: hash)
      #expect(found == expected[Identity(key)])
      if let candidate = table.prefetchCandidate(hash), table.holds(candidate, key) {
        #expect(candidate == found)
      }
      if let record = found {
        let stored = table.key(of: record)
        #expect(stored == key)
        if random.next() % 3 == 0 {
          table.remove(record)
          used.remove(record)
          expected[Identity(key)] = nil
        }
      } else if let record = table.insert(key, hash: hash, kind: .udp) {
        #expect(used.insert(record).inserted)
        expected[Identity(key)] = record
      } else {
        // Both buckets of a key may be full a little before the table is.
        if expected.count == capacity { isSeenFull = true }
        #expect(expected.count > capacity * 9 / 10)
      }
      let count = table.count
      #expect(count == expected.count)
    }
    #expect(isSeenFull)
    #expect(expected.values.allSatisfy { $0 < table.highWater })
  }

  @Test func `a full table refuses and touches no old connection`() {
    var table = FlowTable(capacity: 100, seed: Self.seed)
    for number in 0..<100 as Range<UInt64> {
      let key = Self.key(number)
      let record = table.insert(key, hash: key.hash(seed: Self.seed), kind: .tcp)
      #expect(record != nil)
    }
    let late = Self.key(1_000)
    let refused = table.insert(late, hash: late.hash(seed: Self.seed), kind: .tcp)
    #expect(refused == nil)
    for number in 0..<100 as Range<UInt64> {
      let key = Self.key(number)
      let record = table.lookup(key, hash: key.hash(seed: Self.seed))
      #expect(record != nil)
    }
  }

  @Test func `two full buckets refuse, and equal tags tell keys apart by the key`() {
    var table = FlowTable(capacity: 4_000, seed: Self.seed)
    // One hash for all keys: the worst that an attacker who knows the seed could do.
    let hash: UInt64 = 0xAB00_0012_3400_0007
    var records: [UInt32] = []
    while let record = table.insert(Self.key(UInt64(records.count)), hash: hash, kind: .udp) {
      records.append(record)
      if records.count > 24 { break }
    }
    #expect(records.count == 24)
    for (number, record) in records.enumerated() {
      let found = table.lookup(Self.key(UInt64(number)), hash: hash)
      #expect(found == record)
    }
    let missing = table.lookup(Self.key(99), hash: hash)
    #expect(missing == nil)
    // Others still find room.
    let other = Self.key(100)
    let inserted = table.insert(other, hash: other.hash(seed: Self.seed), kind: .udp)
    #expect(inserted != nil)
  }

  @Test func `a tag of zero is no free slot`() {
    var table = FlowTable(capacity: 100, seed: Self.seed)
    let key = Self.key(1)
    let record = table.insert(key, hash: 0x0000_0000_0000_0003, kind: .udp)
    let found = table.lookup(key, hash: 0x0000_0000_0000_0003)
    #expect(record != nil && found == record)
  }

  @Test func `IPv4 and IPv6 keys of the same numbers differ`() {
    var table = FlowTable(capacity: 100, seed: Self.seed)
    var v4 = Self.key(5)
    v4.localLow = 1
    v4.remoteLow = 2
    v4.seal()
    var v6 = v4
    v6.isIPv6 = true
    v6.seal()
    let hash: UInt64 = 0x0100_0000_0000_0001
    let first = table.insert(v4, hash: hash, kind: .udp)
    let found = table.lookup(v6, hash: hash)
    #expect(first != nil && found == nil)
  }

  @Test func `hashes depend on every field and the seed`() {
    let base = Self.key(77, isIPv6: true)
    var hashes: Set<UInt64> = [base.hash(seed: 1), base.hash(seed: 2)]
    var changed = base
    changed.identity ^= 1
    hashes.insert(changed.hash(seed: 1))
    for path in [\FlowKey.localHigh, \.localLow, \.remoteHigh, \.remoteLow] {
      var changed = base
      changed[keyPath: path] ^= 1 << 33
      hashes.insert(changed.hash(seed: 1))
    }
    #expect(hashes.count == 7)
  }
}

/// Keys that were chosen to meet.
@Suite struct HashFloodTests {
  private static func key(_ number: UInt64) -> FlowKey {
    var key = FlowKey()
    key.identity = FlowKey.identity(
      nic: 1, transport: 17, localPort: UInt16(truncatingIfNeeded: number),
      remotePort: UInt16(truncatingIfNeeded: number >> 16))
    key.localLow = 0x0A00_010A
    key.remoteLow = 0xC000_0200 | number >> 32
    key.seal()
    return key
  }

  /// The low bits of the hash name the first bucket, and the tag and bits above the second. Of a
  /// million keys those are taken that share both under a seed that the attacker knows.
  private static func colliding(seed: UInt64) -> [FlowKey] {
    var byPlace: [UInt64: [FlowKey]] = [:]
    for number in 0..<1_000_000 as Range<UInt64> {
      let key = key(number)
      let hash = key.hash(seed: seed)
      let tag = max(1, hash >> 56)
      let second = (hash >> 24 ^ tag &* 0x9E37_79B1) & 63
      if hash & 63 == 9 && second == 33 { byPlace[0, default: []].append(key) }
    }
    return byPlace[0] ?? []
  }

  @Test("X-02: keys chosen for one bucket are refused there, and spread under another seed")
  func chosenKeys() throws {
    let keys = Self.colliding(seed: 1)
    try #require(keys.count > 200)
    // 64 buckets of 12, as a table of 500 has.
    func fill(seed: UInt64) -> (taken: [FlowKey], table: Int) {
      var table = FlowTable(capacity: 500, seed: seed)
      var taken: [FlowKey] = []
      for key in keys.prefix(200) {
        if table.insert(key, hash: key.hash(seed: seed), kind: .udp) != nil { taken.append(key) }
      }
      // Who is in stays in, and is found.
      for key in taken {
        let isThere = table.lookup(key, hash: key.hash(seed: seed)) != nil
        #expect(isThere)
      }
      return (taken, table.count)
    }
    let known = fill(seed: 1)
    #expect(known.taken.count == 24 && known.table == 24)
    for secret in [2, 0x9E37_79B9_7F4A_7C15, 77] as [UInt64] {
      #expect(fill(seed: secret).taken.count > 190)
    }
  }
}

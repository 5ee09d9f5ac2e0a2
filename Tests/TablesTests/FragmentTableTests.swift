import Tables
import TestPackets
import Testing
import Wire

@Suite struct FragmentTableTests {
  static func key(_ identifier: UInt32, nic: UInt32 = 0) -> FragmentKey {
    var headers = Headers()
    headers.sourceLow = 0x0A00_010A
    headers.destinationLow = 0x0A00_010B
    headers.fragmentID = identifier
    headers.fragmentProtocol = 17
    return FragmentKey(headers, nic: nic, direction: .egress)
  }

  static let second: UInt64 = 1_000_000_000

  @Test func `keys tell all their fields apart`() {
    var table = FragmentTable(capacity: 64, seed: 1)
    var share = FragmentShare()
    let base = Self.key(1)
    let inserted = table.insert(base, now: 0, share: &share)
    #expect(inserted != nil)
    var others: [FragmentKey] = []
    for path in [
      \FragmentKey.sourceHigh, \.sourceLow, \.destinationHigh, \.destinationLow,
    ] {
      var other = base
      other[keyPath: path] ^= 1
      others.append(other)
    }
    var other = base
    other.identifier ^= 1
    others.append(other)
    other = base
    other.nicAndDirection ^= 1
    others.append(other)
    other = base
    other.transport = 6
    others.append(other)
    other = base
    other.family = .v6
    others.append(other)
    for other in others {
      let found = table.lookup(other, now: 1, share: &share)
      #expect(found == nil)
    }
    let found = table.lookup(base, now: 1, share: &share)
    #expect(found == inserted)
  }

  @Test func `a datagram lives 15 seconds from its first fragment`() {
    var table = FragmentTable(capacity: 64, seed: 1)
    var share = FragmentShare()
    let inserted = table.insert(Self.key(1), now: 5, share: &share)
    let last = table.lookup(Self.key(1), now: 4 + 15 * Self.second, share: &share)
    #expect(inserted != nil && last == inserted)
    let over = table.lookup(Self.key(1), now: 5 + 15 * Self.second, share: &share)
    #expect(over == nil)
    #expect(share.count == 0)
  }

  @Test func `a NIC has 1024 datagrams, and others have theirs`() {
    var table = FragmentTable(capacity: 4096, seed: 1)
    var shares = [FragmentShare(), FragmentShare()]
    for identifier in 0..<1024 as Range<UInt32> {
      let record = table.insert(Self.key(identifier), now: 0, share: &shares[0])
      #expect(record != nil)
    }
    let refused = table.insert(Self.key(1024), now: 0, share: &shares[0])
    #expect(refused == nil)
    let other = table.insert(Self.key(1, nic: 1), now: 0, share: &shares[1])
    #expect(other != nil)
    let later = table.insert(Self.key(1024), now: 15 * Self.second, share: &shares[0])
    #expect(later != nil && shares[0].count == 1)
  }

  @Test func `a full table refuses`() {
    var table = FragmentTable(capacity: 10, seed: 1)
    var share = FragmentShare()
    for identifier in 0..<10 as Range<UInt32> {
      let record = table.insert(Self.key(identifier), now: 0, share: &share)
      #expect(record != nil)
    }
    let refused = table.insert(Self.key(10), now: 0, share: &share)
    #expect(refused == nil)
  }

  @Test func `copies, overlaps and fresh pieces`() {
    var table = FragmentTable(capacity: 10, seed: 1)
    var share = FragmentShare()
    guard let datagram = table.insert(Self.key(1), now: 0, share: &share) else {
      Issue.record("no room")
      return
    }
    let steps: [(offset: UInt32, length: UInt32, digest: UInt64, FragmentRelation)] = [
      (0, 1480, 1, .fresh), (1480, 1480, 2, .fresh), (0, 1480, 1, .duplicate),
      (0, 1480, 9, .overlapping), (0, 8, 1, .overlapping), (1472, 8, 3, .overlapping),
      (2959, 8, 3, .overlapping), (2960, 8, 3, .fresh), (2960, 8, 3, .duplicate),
      (1480, 1488, 2, .overlapping), (60_000, 100, 4, .fresh), (59_999, 2, 4, .overlapping),
    ]
    for (offset, length, digest, expected) in steps {
      let relation = table.relate(
        datagram, offset: offset, length: length, digest: digest, share: &share)
      #expect(relation == expected, "\(offset) + \(length)")
    }
  }

  @Test func `a datagram has 256 pieces`() {
    var table = FragmentTable(capacity: 1024, seed: 1)
    var share = FragmentShare()
    guard let datagram = table.insert(Self.key(1), now: 0, share: &share) else {
      Issue.record("no room")
      return
    }
    for piece in 0..<256 as Range<UInt32> {
      let relation = table.relate(
        datagram, offset: piece * 8, length: 8, digest: UInt64(piece), share: &share)
      #expect(relation == .fresh)
    }
    let more = table.relate(datagram, offset: 256 * 8, length: 8, digest: 1, share: &share)
    let copy = table.relate(datagram, offset: 8, length: 8, digest: 1, share: &share)
    #expect(more == .tooMany && copy == .duplicate)
  }

  @Test func `memory of datagrams and pieces comes back`() {
    var table = FragmentTable(capacity: 4, seed: 1)
    var share = FragmentShare()
    var now: UInt64 = 0
    for round in 0..<50 as Range<UInt32> {
      for identifier in 0..<4 as Range<UInt32> {
        guard let datagram = table.insert(Self.key(round * 4 + identifier), now: now, share: &share)
        else {
          Issue.record("round \(round): no room")
          return
        }
        // The table has 8 pieces a datagram.
        for piece in 0..<8 as Range<UInt32> {
          let relation = table.relate(
            datagram, offset: piece * 8, length: 8, digest: 0, share: &share)
          #expect(relation == .fresh)
        }
      }
      now += 15 * Self.second
    }
  }

  @Test func `random datagrams agree with a dictionary`() {
    var random = SplitMix64(seed: 21)
    var table = FragmentTable(capacity: 100, seed: 9)
    var shares = (0..<3).map { _ in FragmentShare() }
    var expected: [[UInt32: UInt64]] = [[:], [:], [:]]
    var now: UInt64 = 0
    for _ in 0..<20_000 {
      now += random.next() % 400_000_000
      let nic = Int(random.next() % 3)
      let identifier = UInt32(random.next() % 60)
      expected[nic] = expected[nic].filter { $0.value > now }
      let key = Self.key(identifier, nic: UInt32(nic))
      let found = table.lookup(key, now: now, share: &shares[nic])
      #expect((found != nil) == (expected[nic][identifier] != nil))
      #expect(Int(shares[nic].count) == expected[nic].count)
      if found == nil, table.insert(key, now: now, share: &shares[nic]) != nil {
        expected[nic][identifier] = now + FragmentTable.lifetime
      }
    }
  }
}

import Tables
import TestPackets
import Testing

@Suite struct TimerWheelTests {
  static let tick: UInt64 = 1 << 20

  /// A wheel with the deadlines that it should keep, as a list.
  struct Bench: ~Copyable {
    var wheel = TimerWheel(capacity: 256)
    var deadlines: [UInt32: UInt64] = [:]
    var now: UInt64 = 0

    mutating func insert(_ record: UInt32, deadline: UInt64) {
      deadlines[record] = deadline
      wheel.insert(record, deadline: deadline)
    }

    /// As the worker does: nearer deadlines are linked anew, later ones wait for their slot.
    mutating func move(_ record: UInt32, to deadline: UInt64) {
      guard let old = deadlines[record] else { return }
      deadlines[record] = deadline
      if deadline < old {
        wheel.remove(record)
        wheel.insert(record, deadline: deadline)
      }
    }

    /// Lets time pass; returns what expired.
    mutating func advance(to time: UInt64) -> Set<UInt32> {
      now = time
      var expired: Set<UInt32> = []
      var steps = 0
      while let record = wheel.next(before: time) {
        steps += 1
        guard steps < 100_000 else {
          Issue.record("the wheel does not come to rest")
          return expired
        }
        guard let deadline = deadlines[record] else {
          Issue.record("record \(record) is not in the wheel")
          continue
        }
        if deadline <= time {
          expired.insert(record)
          deadlines[record] = nil
        } else {
          wheel.insert(record, deadline: deadline)
        }
      }
      return expired
    }

    /// What must have expired by a time at the latest: everything of ticks that are over.
    func overdue(at time: UInt64) -> Set<UInt32> {
      Set(deadlines.filter { $0.value >> 20 < time >> 20 }.keys)
    }
  }

  @Test(arguments: 1...8) func `random deadlines expire as a sorted list says`(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var bench = Bench()
    // The wheel may begin at zero or where a capture begins.
    if seed % 2 == 0 { _ = bench.advance(to: 1_700_000_000_000_000_000) }
    func distance() -> UInt64 {
      switch random.next() % 6 {
      case 0: random.next() % (3 * Self.tick)
      case 1: random.next() % 1_000_000_000
      case 2: random.next() % 100_000_000_000
      case 3: random.next() % 5_000_000_000_000
      case 4: random.next() % (1 << 53)
      default: random.next() % (1 << 58)
      }
    }
    for _ in 0..<4_000 {
      for _ in 0..<4 {
        let record = UInt32(random.next() % 256)
        if bench.deadlines[record] == nil {
          bench.insert(record, deadline: bench.now + distance())
        } else if random.next() % 4 == 0 {
          bench.wheel.remove(record)
          bench.deadlines[record] = nil
        } else {
          bench.move(record, to: bench.now + distance())
        }
      }
      let time = bench.now + (random.next() % 20 == 0 ? distance() : distance() % 50_000_000_000)
      let due = bench.deadlines.filter { $0.value <= time }
      let overdue = bench.overdue(at: time)
      let expired = bench.advance(to: time)
      #expect(expired.isSuperset(of: overdue))
      #expect(expired.isSubset(of: due.keys))
      if bench.now > 1 << 62 { break }
    }
  }

  @Test func `time jumps of years expire everything at once`() {
    var bench = Bench()
    let year: UInt64 = 365 * 86_400 * 1_000_000_000
    for record in 0..<200 as Range<UInt32> {
      bench.insert(record, deadline: UInt64(record) * 86_400 * 1_000_000_000 + 1)
    }
    let expired = bench.advance(to: 3 * year)
    #expect(expired.count == 200)
    bench.insert(7, deadline: 40 * year)
    let early = bench.advance(to: 39 * year)
    #expect(early.isEmpty)
    let late = bench.advance(to: 40 * year + Self.tick)
    #expect(late == [7])
  }

  @Test func `slots around every level's edge`() {
    for exponent in [8, 16, 24, 32] as [UInt64] {
      for start in [0, 1, 255, 256, 65_535, 65_536, 1 << 24] as [UInt64] {
        for offset in [-1, 0, 1] as [Int64] {
          var bench = Bench()
          _ = bench.advance(to: start * Self.tick)
          let deadline = UInt64(bitPattern: Int64((start + 1 << exponent) * Self.tick) + offset)
          bench.insert(3, deadline: deadline)
          let early = bench.advance(to: deadline - 1)
          let late = bench.advance(to: deadline + Self.tick)
          #expect(early.isEmpty && late == [3], "2^\(exponent) from \(start), \(offset)")
        }
      }
    }
  }

  @Test func `a deadline in the past expires with the next tick`() {
    var bench = Bench()
    _ = bench.advance(to: 100 * Self.tick)
    bench.insert(1, deadline: 5)
    let expired = bench.advance(to: 101 * Self.tick)
    #expect(expired == [1])
  }

  @Test func `the current slot lists what is due but not over`() {
    var wheel = TimerWheel(capacity: 8)
    for record in 0..<3 as Range<UInt32> { wheel.insert(record, deadline: 10) }
    wheel.insert(3, deadline: 5 * Self.tick)
    var seen: [UInt32] = []
    var record: UInt32? = wheel.currentSlot
    while let current = record, current != .max {
      seen.append(current)
      record = wheel.following(current)
    }
    #expect(seen == [2, 1, 0])
  }
}

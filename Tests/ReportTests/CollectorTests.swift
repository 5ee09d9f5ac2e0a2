import Datapath
import Explanation
import FlowLogs
import Replay
import Tables
import Testing
import VPCModel
import Wire

@testable import Report

/// Numbers without a pattern, the same in every run (SplitMix64).
struct Draw {
  var state: UInt64

  mutating func next(below limit: UInt64) -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return (bits ^ (bits >> 31)) % limit
  }
}

@Suite struct HeavyHittersTests {
  /// A stream where low keys are frequent, and its exact counts.
  private static func stream(_ seed: UInt64, capacity: Int) -> (
    HeavyHitters<UInt64>, [UInt64: UInt64]
  ) {
    var draw = Draw(state: seed)
    var sketch = HeavyHitters<UInt64>(capacity: capacity)
    var exact: [UInt64: UInt64] = [:]
    for _ in 0..<20000 {
      let key = draw.next(below: draw.next(below: draw.next(below: 2000) + 1) + 1)
      let bytes = 60 + draw.next(below: 1400)
      sketch.add(key, bytes: bytes, isForward: key % 2 == 0, isDropped: false)
      exact[key, default: 0] += bytes
    }
    return (sketch, exact)
  }

  @Test func isExactWhileKeysFit() {
    let (sketch, exact) = Self.stream(1, capacity: 4096)
    #expect(sketch.isExact)
    #expect(sketch.count == exact.count)
    for entry in sketch.top(.max) {
      #expect(entry.bytes == exact[entry.key])
      #expect(entry.error == 0)
    }
    #expect(sketch.top(.max).map(\.bytes) == exact.values.sorted(by: >))
  }

  @Test(arguments: [1, 2, 10, 64, 500])
  func errorsAreBounded(_ capacity: Int) {
    for seed in 1...3 {
      let (sketch, exact) = Self.stream(UInt64(seed), capacity: capacity)
      #expect(!sketch.isExact)
      #expect(sketch.count == capacity)
      let total = exact.values.reduce(0, +)
      #expect(sketch.total == total)
      let kept = sketch.top(.max)
      #expect(kept.reduce(0) { $0 + $1.bytes } == total)
      for entry in kept {
        let truth = exact[entry.key] ?? 0
        #expect(entry.bytes >= truth && entry.bytes - entry.error <= truth)
        #expect(entry.error <= total / UInt64(capacity))
        #expect(entry.forwardBytes <= entry.bytes - entry.error)
      }
      let keys = Set(kept.map(\.key))
      for (key, bytes) in exact where !keys.contains(key) {
        #expect(bytes <= sketch.largestUnkept)
      }
    }
  }
}

@Suite struct TimeBucketsTests {
  @Test func bucketsMergeAndLoseNothing() {
    var draw = Draw(state: 7)
    var time = TimeBuckets(capacity: 16, interfaces: 2)
    var exact: [(time: UInt64, bytes: UInt64)] = []
    var now: UInt64 = 1_700_000_000_000_000_000
    for _ in 0..<2000 {
      now += draw.next(below: 3_000_000)
      let bytes = draw.next(below: 1500)
      let index = time.index(of: now)
      #expect(now < time.end(of: index))
      time.change(index) {
        $0.forwarded += 1
        $0.bytes += bytes
      }
      time.changeUse(index, of: 1) { $0.bytesIn += bytes }
      exact.append((now, bytes))
      #expect(time.buckets.count <= 16)
    }
    #expect(time.width > TimeBuckets.initialWidth)
    let start = exact[0].time
    for (index, bucket) in time.buckets.enumerated() {
      let inside = exact.filter { Int(($0.time - start) / time.width) == index }
      #expect(bucket.forwarded == UInt64(inside.count))
      #expect(bucket.bytes == inside.reduce(0) { $0 + $1.bytes })
      #expect(time.uses(of: 1)[index].bytesIn == bucket.bytes)
      #expect(time.uses(of: 0)[index] == TimeBuckets.Use())
    }
  }

  @Test(arguments: [UInt64.max, UInt64.max - 1, 1 << 63])
  func anyTimeFits(_ last: UInt64) {
    var time = TimeBuckets(capacity: 512, interfaces: 1)
    for now in [0, 1, 1_000_000, last] {
      let index = time.index(of: now)
      time.change(index) { $0.dropped += 1 }
    }
    #expect(time.buckets.count <= 512)
    #expect(time.buckets.reduce(0) { $0 + $1.dropped } == 4)
    #expect(time.end(of: time.buckets.count - 1) >= last)
    #expect(TimeLine(time).columns.count <= TimeLine.columnLimit)
  }
}

@Suite struct CollectorTests {
  private static func packet(_ time: UInt64, _ verdict: Verdict, from: UInt32) -> ObservedPacket {
    ObservedPacket(
      time: time, bytes: 100, outcome: Outcome(verdict: verdict),
      tuple: FlowTuple(
        source: IPAddress(v4: from), destination: IPAddress(v4: 0x0A00_0001), sourcePort: 40000,
        destinationPort: 443, protocolNumber: 6))
  }

  @Test func memoryIsBoundedAndSumsAreExact() {
    let collector = ReportCollector(
      model: VPCModel(), addressCapacity: 64, flowCapacity: 32, buckets: 16)
    for index in 0..<5000 {
      // Time goes back now and then, as it does between captures.
      let time = UInt64(index) * 1_000_000 - (index % 7 == 3 ? 2_000_000 : 0)
      collector.observe(
        Self.packet(time, index % 3 == 0 ? .drop : .forward, from: UInt32(index % 900)))
    }
    #expect(collector.addresses.count == 64)
    #expect(collector.flows.count == 32)
    #expect(collector.time.buckets.count <= 16)
    #expect(collector.time.buckets.reduce(0) { $0 + $1.dropped } == 1667)
    #expect(collector.time.buckets.reduce(0) { $0 + $1.packets } == 5000)
    #expect(collector.flows.total == 500_000)
    #expect(collector.addresses.top(1).first?.key == IPAddress(v4: 0x0A00_0001))
  }

  @Test func samplesAreOfTheTimeBeforeThem() {
    var model = VPCModel()
    model.networkInterfaces = [
      NetworkInterface(id: "eni-a", subnet: "s", mac: MACAddress(2), addresses: [])
    ]
    let collector = ReportCollector(model: model)
    #expect(collector.sample(before: 5, connections: { _ in 9 }) == 1_000_005)
    collector.observe(Self.packet(5, .forward, from: 1))
    _ = collector.sample(before: 3_000_005, connections: { _ in 4 })
    collector.observe(Self.packet(3_000_005, .forward, from: 1))
    _ = collector.sample(before: 3_000_005, connections: { _ in 6 })
    #expect(collector.time.buckets.map(\.tracked) == [4, nil, nil, 6])
  }
}

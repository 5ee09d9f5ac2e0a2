import Datapath
import Explanation
import FlowLogs
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

@testable import Daemon

/// Packets by interval, with a clock of the test.
@Suite struct FlowLogAggregatorTests {
  static let second: UInt64 = 1_000_000_000
  /// A whole minute.
  static let start: UInt64 = 1_795_228_020 * second

  static func model(_ ids: [String] = ["eni-a", "eni-b"]) -> VPCModel {
    var model = VPCModel()
    model.subnets = [Subnet(id: "s", vpc: "v", cidrs: [Compose.prefix("10.0.0.0/24")])]
    model.networkInterfaces = ids.enumerated().map { index, id in
      NetworkInterface(
        id: id, subnet: "s", mac: MACAddress(UInt64(index) + 0x0200_0000_0000),
        addresses: [IPAddress(v4: 0x0A00_0001 + UInt32(index))])
    }
    return model
  }

  static func names(_ ids: [String] = ["eni-a", "eni-b"]) -> FlowLogNames {
    FlowLogNames(model: model(ids), ruleNames: ["", "r"], format: FlowLogFormat())
  }

  static func aggregator(
    _ interval: FlowLogInterval = .oneMinute, capacity: Int = 100, now: UInt64 = start
  ) -> FlowLogAggregator {
    FlowLogAggregator(
      interval: interval, capacity: capacity, names: names(), generation: 2, now: now)
  }

  static func facts(_ port: UInt16 = 1) throws -> FlowFacts {
    let frame = Compose.ethernet(
      to: .router, from: MACAddress(1),
      Compose.ipv4("10.0.0.1", "10.0.0.9", protocol: 17, Compose.udp(port, 53)))
    return try #require(
      frame.withUnsafeBytes { bytes in
        bytes.baseAddress.flatMap { FlowFacts(frame: $0, length: bytes.count) }
      })
  }

  static func sent(_ nic: TableIndex = 0) -> Outcome {
    Outcome(verdict: .forward, direction: .egress, nic: nic, rule: 1)
  }

  private static func statuses(_ batch: FlowLogBatch) -> [String] {
    batch.statuses.map { "\($0.interface) \($0.status.rawValue)" }
  }

  @Test(arguments: [(FlowLogInterval.oneMinute, 60 as UInt64), (.tenMinutes, 180)])
  func intervalsAreWholeMultiples(interval: FlowLogInterval, length: UInt64) throws {
    // 02:27:07: it begins in the middle.
    var log = Self.aggregator(interval, now: Self.start + 7 * Self.second)
    #expect(log.end == Self.start + length * Self.second)
    log.add(
      try Self.facts(), Self.sent(), receiver: .none, time: Self.start + 8 * Self.second,
      generation: 2)
    let batch = log.close(at: log.end, next: log.end)
    #expect(batch.start == Self.start + 7 * Self.second)
    #expect(batch.end == Self.start + length * Self.second && batch.records.count == 1)
    #expect(log.end == batch.end + UInt64(interval.rawValue) * Self.second && log.count == 0)
  }

  @Test func aQuietInterfaceHasNoData() throws {
    var log = Self.aggregator()
    log.add(try Self.facts(), Self.sent(1), receiver: .none, time: Self.start, generation: 2)
    #expect(Self.statuses(log.close(at: log.end, next: log.end)) == ["eni-a NODATA"])
    // The next interval begins with nothing.
    #expect(
      Self.statuses(log.close(at: log.end, next: log.end)) == ["eni-a NODATA", "eni-b NODATA"])
  }

  @Test func anInterfaceWithoutRoomSkips() throws {
    var log = Self.aggregator(capacity: 4)
    for port in 0..<5 as Range<UInt16> {
      log.add(try Self.facts(port), Self.sent(), receiver: .none, time: Self.start, generation: 2)
    }
    let batch = log.close(at: log.end, next: log.end)
    #expect(batch.records.count == 2 && log.skippedPackets == 3)
    #expect(Self.statuses(batch) == ["eni-a SKIPDATA", "eni-b NODATA"])
  }

  /// Nobody knows whose packets a full ring refused.
  @Test func missedPacketsAreOfAll() throws {
    var log = Self.aggregator()
    let (boundary, after) = (log.end, log.end + 5 * Self.second)
    log.miss(9, since: Self.start + Self.second, until: Self.start + 2 * Self.second)
    #expect(
      Self.statuses(log.close(at: boundary, next: boundary)) == [
        "eni-a SKIPDATA", "eni-b SKIPDATA",
      ])
    #expect(
      Self.statuses(log.close(at: log.end, next: log.end)) == ["eni-a NODATA", "eni-b NODATA"])
    // Between looks before and after a boundary: nobody knows in which interval.
    var other = Self.aggregator()
    other.miss(1, since: boundary - Self.second, until: after)
    for _ in 0..<2 {
      #expect(
        Self.statuses(other.close(at: other.end, next: other.end))
          == ["eni-a SKIPDATA", "eni-b SKIPDATA"])
    }
    // The reader is behind: what is missed now is of a later interval than what it reads.
    var late = Self.aggregator()
    late.miss(1, since: after, until: after)
    #expect(
      Self.statuses(late.close(at: boundary, next: boundary)) == ["eni-a NODATA", "eni-b NODATA"])
    #expect(
      Self.statuses(late.close(at: late.end, next: late.end))
        == ["eni-a SKIPDATA", "eni-b SKIPDATA"])
    #expect(log.skippedPackets == 9)
  }

  /// A number that another interface gets in the same interval is not mistaken for it.
  @Test func generationsAreToldApart() throws {
    var log = Self.aggregator()
    log.add(try Self.facts(), Self.sent(), receiver: .none, time: Self.start, generation: 2)
    #expect(log.use(Self.names(["eni-c"]), generation: 3) == nil)
    for generation in [3, 2, 3] as [UInt32] {
      log.add(
        try Self.facts(), Self.sent(), receiver: .none, time: Self.start, generation: generation)
    }
    let batch = log.close(at: log.end, next: log.end)
    #expect(batch.records.map { batch.interface($0) } == ["eni-a", "eni-c"])
    #expect(batch.records.map(\.packets) == [2, 2])
    #expect(Self.statuses(batch).isEmpty)
    // Of rules that nobody announced nothing can be said.
    log.add(try Self.facts(), Self.sent(), receiver: .none, time: batch.end, generation: 9)
    #expect(Self.statuses(log.close(at: log.end, next: log.end)) == ["eni-c SKIPDATA"])
  }

  /// Many changes in an interval: records are written early, and none is lost.
  @Test func manyGenerationsAreBounded() throws {
    var log = Self.aggregator()
    var packets: UInt64 = 0
    var early = 0
    for generation in 3..<40 as Range<UInt32> {
      if let batch = log.use(Self.names(["eni-a", "eni-\(generation)"]), generation: generation) {
        #expect(batch.isPart && Self.statuses(batch).isEmpty && batch.names.count <= 4)
        packets += batch.records.reduce(0) { $0 + $1.packets }
        early += 1
      }
      log.add(
        try Self.facts(), Self.sent(), receiver: .none, time: Self.start, generation: generation)
    }
    let last = log.close(at: log.end, next: log.end)
    #expect(packets + last.records.reduce(0) { $0 + $1.packets } == 37 && early > 5)
    #expect(Self.statuses(last) == ["eni-39 NODATA"])
  }

  @Test func anEndInTheMiddleIsTold() throws {
    var log = Self.aggregator()
    let now = Self.start + 12 * Self.second
    let batch = log.close(at: now, next: now)
    #expect(batch.start == Self.start && batch.end == now)
  }
}

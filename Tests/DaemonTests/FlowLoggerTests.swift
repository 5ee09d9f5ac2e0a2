import FlowLogs
import Foundation
import HostPlan
import Live
import LockFree
import Logging
import TableCompiler
import Testing
import VPCModel
import Wire

@testable import Daemon

/// The flow log of a running host: its threads, without devices.
extension LiveDataPlaneTests {
  private static func started(
    _ host: Running, _ desk: FlowLogFilesTests.Desk
  ) throws -> FlowLogger {
    try FlowLogger(
      desk.plan, try FlowLogFolder(desk.path), host.server, logger: Logger(label: "test"))
  }

  /// What files say of flows, added up: a minute may end while the test runs.
  private static func flows(_ desk: FlowLogFilesTests.Desk) throws -> [String: [UInt64]] {
    var sums: [String: [UInt64]] = [:]
    for line in try desk.names.flatMap({ try desk.lines($0) }) {
      let words = line.split(separator: " ").map(String.init)
      guard words[13] == "OK" else { continue }
      let key = (words[2...7] + [words[12]]).joined(separator: " ")
      let packets = UInt64(words[8]) ?? 0
      let bytes = UInt64(words[9]) ?? 0
      sums[key] = [(sums[key]?[0] ?? 0) + packets, (sums[key]?[1] ?? 0) + bytes]
    }
    return sums
  }

  private static let both = [
    "eni-a 10.0.0.10 10.0.0.11 4000 7 17 ACCEPT", "eni-b 10.0.0.10 10.0.0.11 4000 7 17 ACCEPT",
  ]

  @Test(arguments: [1, 2])
  func whatWorkersJudgedIsWritten(workers: Int) async throws {
    let desk = try FlowLogFilesTests.Desk { $0.isCompressed = workers == 2 }
    try await Running.with(workers: workers, isLogged: true) { host in
      let log = try Self.started(host, desk)
      try await host.send(40)
      var closed = Self.model()
      closed.securityGroups[0].ingress = []
      closed.policy.onRuleChange = .cut
      _ = try await host.publish(closed, 2)
      try await host.send(2)
      #expect(host.server.stop())
      #expect(log.end())
    }
    let flows = try Self.flows(desk)
    #expect(flows[Self.both[0]]?.first == 42, "\(flows)")
    #expect(flows[Self.both[1]]?.first == 40, "\(flows)")
    // The receiver refused the last two: its record, not the sender's.
    let refused = flows["eni-b 10.0.0.10 10.0.0.11 4000 7 17 REJECT"]
    #expect(refused?.first == 2 && flows.count == 3, "\(flows)")
    let counts = desk.counters.current
    #expect(counts == FlowLogCounters.Values(), "the host's own are others")
  }

  /// A reader that is behind misses packets, and says so of all interfaces.
  @Test func aFullRingIsTold() async throws {
    let desk = try FlowLogFilesTests.Desk()
    try await Running.with(isLogged: true) { host in
      let mail = FlowLogMail()
      let counters = FlowLogCounters()
      let reader = FlowLogReader(
        desk.plan, shared: host.server.shared, inUse: host.server.inUse, nicCapacity: 4,
        mail: mail, counters: counters)
      try await host.send(FlowLogger.ring + 100)
      while reader.advance() > 0 {}
      reader.end()
      var batches: [FlowLogBatch] = []
      for letter in mail.take().letters {
        if case .batch(let batch) = letter { batches.append(batch) }
      }
      let packets = batches.flatMap(\.records).filter(\.key.isIngress).reduce(0) { $0 + $1.packets }
      #expect(packets == UInt64(FlowLogger.ring) && counters.current.skippedPackets == 100)
      let last = try #require(batches.last)
      #expect(last.statuses.map(\.interface) == ["eni-a", "eni-b"])
      #expect(last.statuses.allSatisfy { $0.status == .skipData })
    }
  }

  /// What workers lose between them is in no record: the interface says so, and only it.
  @Test func whatWorkersTurnAwayIsTold() async throws {
    let desk = try FlowLogFilesTests.Desk()
    try await Running.with(isLogged: true) { host in
      let lost = SharedMemory(lines: 1)
      defer { lost.deallocate() }
      // Of an interface that had the place before.
      lost.word(0).store(70)
      let mail = FlowLogMail()
      let counters = FlowLogCounters()
      let clock = SharedMemory(lines: 1)
      defer { clock.deallocate() }
      clock.word(0).store(FlowLogAggregatorTests.start)
      let reader = FlowLogReader(
        desk.plan, shared: host.server.shared, inUse: host.server.inUse, nicCapacity: 4,
        mail: mail, counters: counters, timeOfDay: { clock.word(0).load() },
        turnedAway: { lost.word(Int($0)).load() })
      lost.word(0).store(3)
      try await host.send(2)
      while reader.advance() > 0 {}
      reader.end()
      var batches: [FlowLogBatch] = []
      for letter in mail.take().letters {
        if case .batch(let batch) = letter { batches.append(batch) }
      }
      let last = try #require(batches.last)
      #expect(last.records.count == 2 && counters.current.skippedPackets == 3)
      #expect(last.statuses.map { "\($0.interface) \($0.status)" } == ["eni-a skipData"])
    }
  }

  /// Intervals follow a clock of the test; one that is put back does not undo what was written.
  @Test func intervalsFollowTheTimeOfDay() async throws {
    let desk = try FlowLogFilesTests.Desk()
    try await Running.with(isLogged: true) { host in
      let minute = FlowLogFilesTests.minute
      let clock = SharedMemory(lines: 1)
      defer { clock.deallocate() }
      // A millisecond before a whole minute.
      clock.word(0).store(FlowLogAggregatorTests.start + minute - 1_000_000)
      let mail = FlowLogMail()
      let reader = FlowLogReader(
        desk.plan, shared: host.server.shared, inUse: host.server.inUse, nicCapacity: 4,
        mail: mail, counters: FlowLogCounters(), timeOfDay: { clock.word(0).load() })
      // Meanwhile somebody put the clock back by an hour.
      clock.word(0).store(FlowLogAggregatorTests.start - 60 * minute + 5 * FlowLogFilesTests.second)
      try await host.send(3)
      while reader.advance() > 0 {}
      reader.end()
      var starts: [UInt64] = []
      for letter in mail.take().letters {
        if case .batch(let batch) = letter { starts.append(batch.start) }
      }
      #expect(starts.count == 2)
      #expect(starts.first == FlowLogAggregatorTests.start + minute - 1_000_000)
      #expect((starts.last ?? 0) / minute == FlowLogAggregatorTests.start / minute - 60)
    }
  }
}

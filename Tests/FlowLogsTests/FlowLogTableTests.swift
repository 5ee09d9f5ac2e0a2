import Datapath
import Explanation
import Tables
import TestPackets
import Testing
import VPCModel
import Wire

@testable import FlowLogs

/// Records of an interval: what is one, and how many there may be.
@Suite struct FlowLogTableTests {
  static let ip = MACAddress(0x02_00_00_00_00_0A)

  static func facts(_ packet: [UInt8], present: Int? = nil) throws -> FlowFacts {
    let frame = Compose.ethernet(to: .router, from: ip, packet)
    let facts = frame.withUnsafeBytes { bytes in
      bytes.baseAddress.flatMap { FlowFacts(frame: $0, length: present ?? bytes.count) }
    }
    return try #require(facts)
  }

  static func udp(_ source: UInt16, to port: UInt16 = 53) throws -> FlowFacts {
    try facts(Compose.ipv4("10.0.0.1", "10.0.0.2", protocol: 17, Compose.udp(source, port)))
  }

  static func outcome(nic: TableIndex, _ verdict: Verdict = .forward) -> Outcome {
    Outcome(verdict: verdict, direction: .egress, nic: nic, rule: 3)
  }

  /// A million different flows take no more memory than the records that there is room for.
  @Test func aMillionFlowsAreBounded() throws {
    var table = FlowLogTable(capacity: 1_000)
    var refused = 0
    var facts = try Self.udp(0)
    for flow in 0..<1_000_000 as Range<UInt32> {
      facts.tuple.source = IPAddress(v4: flow)
      table.add(facts, Self.outcome(nic: 0), receiver: .none, time: UInt64(flow)) { nic in
        #expect(nic == 0)
        refused += 1
      }
    }
    #expect(table.records.count == 1_000 && refused == 999_000)
    #expect(table.records.allSatisfy { $0.packets == 1 })
    // A flow that has its record goes on.
    facts.tuple.source = IPAddress(v4: 999)
    table.add(facts, Self.outcome(nic: 0), receiver: .none, time: 7) { _ in refused += 1 }
    #expect(table.records[999].packets == 2 && refused == 999_000)
    #expect(table.takeAll().count == 1_000 && table.records.isEmpty)
    // What an open record takes: itself, twice while the list grows, and its place in an index.
    #expect(MemoryLayout<FlowLogRecord>.stride <= 128 && MemoryLayout<FlowLogKey>.stride <= 72)
  }

  /// One guest that scans leaves others room: it gets no more than it leaves free.
  @Test func oneInterfaceDoesNotTakeAll() throws {
    var table = FlowLogTable(capacity: 100, isShared: true)
    var refused: [TableIndex: Int] = [:]
    for nic in [0, 1, 2] as [TableIndex] {
      for port in 0..<200 as Range<UInt16> {
        table.add(try Self.udp(port), Self.outcome(nic: nic), receiver: .none, time: 0) {
          refused[$0, default: 0] += 1
        }
      }
    }
    let counts = Dictionary(grouping: table.records, by: \.key.nic).mapValues(\.count)
    #expect(counts == [0: 50, 1: 25, 2: 13])
    #expect(refused == [0: 150, 1: 175, 2: 187])
    _ = table.takeAll()
    table.add(try Self.udp(1), Self.outcome(nic: 0), receiver: .none, time: 0) { _ in
      Issue.record("the next interval has room")
    }
  }

  @Test func aRecordSpansItsPacketsInAnyOrder() throws {
    var table = FlowLogTable(capacity: 10)
    for time in [5, 3, 9, 4] as [UInt64] {
      table.add(try Self.udp(1), Self.outcome(nic: 0), receiver: .none, time: time) { _ in }
    }
    let record = try #require(table.records.first)
    #expect(table.records.count == 1 && record.start == 3 && record.end == 9)
    #expect(record.packets == 4 && record.bytes == 4 * 32 && record.rule == 3)
  }

  /// What a sender leaves to be segmented counts as what it becomes.
  @Test func segmentsAreCounted() throws {
    let payload = [UInt8](repeating: 7, count: 2_500)
    let packet = Compose.ipv4(
      "10.0.0.1", "10.0.0.2", protocol: 6,
      Compose.tcp(1, 2, flags: 0x18, options: [1, 1, 1, 1], payload))
    var facts = try Self.facts(packet)
    #expect(facts.packets == 1 && facts.bytes == 2_544)
    facts.countSegments(of: 1_000)
    #expect(facts.packets == 3 && facts.bytes == 2_500 + 3 * 44)
    var datagram = try Self.udp(1)
    datagram.countSegments(of: 10)
    #expect(datagram.packets == 1 && datagram.bytes == 32)
  }

  /// A copy that ends before ports or flags says so.
  @Test func aCutHeaderIsTold() throws {
    let packet = Compose.ipv4("10.0.0.1", "10.0.0.2", protocol: 6, Compose.tcp(1, 2, flags: 2))
    #expect(try !Self.facts(packet).isCut)
    for present in [34, 37, 38, 47] { #expect(try Self.facts(packet, present: present).isCut) }
    #expect(try !Self.facts(packet, present: 48).isCut)
    let later = Compose.ipv4("10.0.0.1", "10.0.0.2", protocol: 17, [1, 2, 3], fragment: 7)
    #expect(try !Self.facts(later).isCut)
  }

  @Test func intervalsWithoutRecords() throws {
    var model = VPCModel()
    model.subnets = [Subnet(id: "subnet-a", vpc: "vpc-a", cidrs: [Compose.prefix("10.0.0.0/24")])]
    model.networkInterfaces = [
      NetworkInterface(
        id: "eni-a", subnet: "subnet-a", mac: Self.ip, addresses: [Compose.address("10.0.0.1")])
    ]
    let format = try FlowLogFormat(
      "${version} ${interface-id} ${subnet-id} ${srcaddr} ${packets} ${start} ${end} ${action} "
        + "${log-status} ${reject-reason}")
    let names = FlowLogNames(model: model, ruleNames: [""], format: format)
    let second: UInt64 = 1_000_000_000
    #expect(
      names.line(.noData, interface: "eni-a", start: 60 * second, end: 120 * second)
        == "8 eni-a subnet-a - - 60 120 - NODATA -\n")
    #expect(
      names.line(.skipData, interface: "eni-gone", start: 60 * second, end: 61 * second)
        == "8 eni-gone - - - 60 61 - SKIPDATA -\n")
  }
}

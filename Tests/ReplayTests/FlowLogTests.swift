import CapturePort
import Datapath
import Explanation
import FlowLogs
import Glibc
import Tables
import Testing
import Wire

@testable import Replay

@Suite struct FlowLogTests {
  static let second: UInt64 = 1_000_000_000
  static let v2 =
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "
    + "start end action log-status"

  /// The lines of a log behind its header.
  static func records(
    format: FlowLogFormat = FlowLogFormat(), interval: FlowLogInterval = .tenMinutes,
    _ add: (FlowLog) throws -> Void
  ) throws -> [String] {
    let file = TemporaryFile()
    let log = FlowLog(
      sink: try ByteSink(path: file.path),
      names: FlowLogNames(
        model: Fixture.model(), ruleNames: ["", "sg-web/egress/0"], format: format),
      interval: interval)
    try add(log)
    try log.close()
    return file.text.split(separator: "\n").dropFirst().map(String.init)
  }

  static func facts(_ packet: [UInt8], type: UInt16 = 0x0800) throws -> FlowFacts {
    let frame = Fixture.ethernet(to: .router, from: Fixture.web, type: type, packet)
    let facts = frame.withUnsafeBytes { bytes in
      bytes.baseAddress.flatMap { FlowFacts(frame: $0, length: bytes.count) }
    }
    return try #require(facts)
  }

  static let sent = Outcome(
    verdict: .forward, state: .new, direction: .egress, nic: 0, rule: 1, output: .underlay)

  @Test func headerNamesTheFields() throws {
    let file = TemporaryFile()
    let log = FlowLog(
      sink: try ByteSink(path: file.path),
      names: FlowLogNames(model: Fixture.model(), ruleNames: [""], format: FlowLogFormat()))
    try log.close()
    #expect(file.text == Self.v2 + " apus-rule apus-reason\n")
  }

  @Test(arguments: [(FlowLogInterval.oneMinute, 3), (.tenMinutes, 1)])
  func `a record covers an interval at most`(interval: FlowLogInterval, count: Int) throws {
    let facts = try Self.facts(Fixture.ipv4("10.0.1.12", "198.51.100.7"))
    let records = try Self.records(interval: interval) { log in
      // One each 30 seconds: two to a minute, as an interval begins with its first packet.
      for step in 0..<6 as Range<UInt64> {
        log.add(facts, Self.sent, receiver: .none, time: (1_418_530_010 + 30 * step) * Self.second)
      }
    }
    #expect(records.count == count)
    #expect(records.first?.contains(count == 1 ? " 6 192 " : " 2 64 ") == true)
  }

  @Test(arguments: [0, 1, 70_000])
  func `a log whose name ends in gz is a gzip file`(count: Int) throws {
    let plain = TemporaryFile()
    let compressed = plain.path + ".gz"
    defer { unlink(compressed) }
    for path in [plain.path, compressed] {
      let sink = try ByteSink(path: path)
      for line in 0..<count { sink.append("2 - eni-web 10.0.1.9 \(line) \(line * 7_919)\n") }
      try sink.close()
    }
    var lines = try LineReader(path: compressed)
    var text = ""
    while let line = lines.next() { text += line + "\n" }
    #expect(lines.failure == nil)
    #expect(text == plain.text)
    let size = TemporaryFile.bytes(compressed).count
    #expect(size >= 20 && (count < 100 || size * 2 < text.utf8.count))
  }

  @Test func packetsOfAFlowAreOneRecord() throws {
    let facts = try Self.facts(Fixture.ipv4("10.0.1.12", "198.51.100.7"))
    let records = try Self.records {
      $0.add(facts, Self.sent, receiver: .none, time: 1_418_530_010 * Self.second)
      $0.add(facts, Self.sent, receiver: .none, time: 1_418_530_070 * Self.second + 1)
    }
    // The NIC's primary address stands for its secondary one.
    #expect(
      records == [
        "2 - eni-web 10.0.1.10 198.51.100.7 1000 2000 17 2 64 1418530010 1418530070 ACCEPT OK "
          + "sg-web/egress/0 -"
      ])
  }

  @Test func refusedPacketsAreRejectRecords() throws {
    let facts = try Self.facts(
      Fixture.ipv4("198.51.100.7", "10.0.1.10", protocol: 6, Fixture.tcp(49761, 3389, flags: 2)))
    let outcome = Outcome(verdict: .drop, reason: .sgIngress, direction: .ingress, nic: 0)
    let records = try Self.records {
      $0.add(facts, outcome, receiver: .none, time: 7 * Self.second)
    }
    #expect(
      records == [
        "2 - eni-web 198.51.100.7 10.0.1.10 49761 3389 6 1 40 7 7 REJECT OK - sg.ingress"
      ])
  }

  @Test func anIntervalEndsAfterTenMinutes() throws {
    let facts = try Self.facts(Fixture.ipv4("10.0.1.10", "198.51.100.7"))
    let records = try Self.records {
      $0.add(facts, Self.sent, receiver: .none, time: 0)
      $0.add(facts, Self.sent, receiver: .none, time: 599 * Self.second)
      $0.add(facts, Self.sent, receiver: .none, time: 600 * Self.second)
    }
    #expect(records.count == 2)
    #expect(records[0].contains(" 17 2 64 0 599 ACCEPT "))
    #expect(records[1].contains(" 17 1 32 600 600 ACCEPT "))
  }

  @Test func aLocalPacketIsLoggedByBothNICs() throws {
    let facts = try Self.facts(Fixture.ipv4("10.0.1.10", "10.0.1.11"))
    let format = try FlowLogFormat("${interface-id} ${flow-direction} ${action} ${apus-reason}")
    let forwarded = Outcome(verdict: .forward, direction: .local, nic: 0, output: .nic(1))
    let refused = Outcome(verdict: .drop, reason: .sgIngress, direction: .local, nic: 0)
    let stopped = Outcome(verdict: .drop, reason: .sgEgress, direction: .local, nic: 0)
    #expect(
      try Self.records(format: format) { $0.add(facts, forwarded, receiver: 1, time: 0) } == [
        "eni-web egress ACCEPT -", "eni-data ingress ACCEPT -",
      ])
    #expect(
      try Self.records(format: format) { $0.add(facts, refused, receiver: 1, time: 0) } == [
        "eni-web egress ACCEPT -", "eni-data ingress REJECT sg.ingress",
      ])
    #expect(
      try Self.records(format: format) { $0.add(facts, stopped, receiver: 1, time: 0) } == [
        "eni-web egress REJECT sg.egress"
      ])
  }

  @Test func tcpFlagsAsAWSCountsThem() throws {
    let format = try FlowLogFormat("${version} ${tcp-flags} ${type}")
    func flags(_ sequence: [UInt8]) throws -> [String] {
      try Self.records(format: format) { log in
        for flags in sequence {
          let packet = Fixture.ipv4(
            "10.0.1.10", "10.9.0.1", protocol: 6, Fixture.tcp(1, 2, flags: flags))
          log.add(try Self.facts(packet), Self.sent, receiver: .none, time: 0)
        }
      }
    }
    #expect(try flags([0x02]) == ["3 2 IPv4"])
    #expect(try flags([0x12]) == ["3 18 IPv4"])
    #expect(try flags([0x02, 0x10, 0x11]) == ["3 3 IPv4"])
    #expect(try flags([0x12, 0x10, 0x11]) == ["3 19 IPv4"])
    #expect(try flags([0x10]) == ["3 0 IPv4"])
  }

  @Test func publicDestinationsShowThePrivateAddress() throws {
    let facts = try Self.facts(Fixture.ipv4("198.51.100.7", "203.0.113.10"))
    let format = try FlowLogFormat(
      "${dstaddr} ${pkt-dstaddr} ${pkt-srcaddr} ${vpc-id} ${subnet-id}")
    let outcome = Outcome(verdict: .forward, direction: .ingress, nic: 0, output: .nic(0))
    #expect(
      try Self.records(format: format) { $0.add(facts, outcome, receiver: .none, time: 0) } == [
        "10.0.1.10 10.0.1.10 198.51.100.7 vpc-blue subnet-a"
      ])
  }

  @Test func servicesAreNotLogged() throws {
    let facts = try Self.facts(
      Fixture.ipv4("0.0.0.0", "255.255.255.255", Fixture.udp(68, 67)))
    let records = try Self.records { log in
      for outcome in [
        Outcome(verdict: .reply, direction: .egress, nic: 0),
        Outcome(verdict: .consume, direction: .egress, nic: 0),
        Outcome(verdict: .drop, reason: .serviceDHCP, direction: .egress, nic: 0), .ignored,
      ] {
        log.add(facts, outcome, receiver: .none, time: 0)
      }
    }
    #expect(records.isEmpty)
  }

  @Test func tunnelledPacketsAreReadInside() throws {
    let inner = Fixture.ethernet(
      to: Fixture.web, from: .router, type: 0x0800, Fixture.ipv4("10.0.2.20", "10.0.1.10"))
    let geneve: [UInt8] = [1, 0, 0x65, 0x58, 0, 0, 100, 0] + [1, 2, 3, 4]
    let frame = Fixture.ethernet(
      to: .router, from: .router, type: 0x0800,
      Fixture.ipv4("192.0.2.2", Fixture.host, Fixture.udp(9, 6081, geneve + inner)))
    let facts = frame.withUnsafeBytes { bytes in
      bytes.baseAddress.flatMap { FlowFacts(tunnelled: $0, length: bytes.count) }
    }
    #expect(facts?.tuple.source == Fixture.address("10.0.2.20"))
    #expect(facts?.tuple.destinationPort == 2000)
    for length in 0..<frame.count {
      _ = Array(frame.prefix(length)).withUnsafeBytes { bytes in
        bytes.baseAddress.flatMap { FlowFacts(tunnelled: $0, length: bytes.count) }
      }
    }
  }

  @Test(arguments: ["", "version", "${nonsense}", "${version},${action}"])
  func formatsThatAreRefused(_ text: String) {
    #expect(throws: FlowLogFormatError.self) { try FlowLogFormat(text) }
  }
}

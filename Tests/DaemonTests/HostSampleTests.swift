import Datapath
import Live
import Testing
import Wire

@testable import Daemon

@Suite struct HostSampleTests {
  private func sample(_ packets: UInt64 = 5, seconds: UInt64 = 1) -> HostSample {
    var counters = PortCounters()
    counters.receivedPackets = packets
    counters.sentPackets = packets / 2
    counters.receivedBytes = 300
    counters.dropsFull = 2
    var interface = HostSample.Interface(
      id: "eni-\"a\"", counters: .zero, connections: 9, drops: [(.sgIngress, 4)])
    interface.counters.packetsOut = 3
    return HostSample(
      seconds: seconds,
      ports: [
        HostSample.Port(
          name: "uplink", isUp: true, counters: counters, drops: [(.portFull, 1), (.eniNone, 6)]),
        HostSample.Port(name: "eni-\"a\"", isUp: true, counters: PortCounters(), drops: []),
      ],
      interfaces: [interface],
      workers: [LiveCounter.allCases.map { UInt64($0.rawValue) }])
  }

  @Test func isWrittenAsOpenMetrics() throws {
    let parsed = try OpenMetricsParser(sample().openMetrics)
    let uplink = ["port": "uplink"]
    #expect(parsed.value("apus_port_packets_total", ["port": "uplink", "direction": "in"]) == 5)
    #expect(parsed.value("apus_port_bytes_total", ["port": "uplink", "direction": "in"]) == 300)
    #expect(parsed.value("apus_port_up", uplink) == 1)
    #expect(
      parsed.value("apus_port_drops_total", ["port": "uplink", "reason": "port.full"]) == 3)
    #expect(parsed.value("apus_port_drops_total", ["port": "uplink", "reason": "eni.none"]) == 6)
    let eni = "eni-\"a\""
    #expect(
      parsed.value("apus_nic_packets_total", ["eni": eni, "direction": "egress"]) == 3)
    #expect(parsed.value("apus_drops_total", ["eni": eni, "reason": "sg.ingress"]) == 4)
    #expect(parsed.value("apus_connections", ["eni": eni]) == 9)
    #expect(parsed.value("apus_worker_handed_over_total", ["worker": "0"]) == 9)
    #expect(parsed.value("apus_uptime_seconds") == 1)
    #expect(parsed.families["apus_port_bytes"]?.unit == "bytes")
  }

  @Test func aFlowLogIsWrittenAsOpenMetrics() throws {
    #expect(!sample().openMetrics.contains("flow_log"))
    var logged = sample()
    logged.flowLog = FlowLogCounters.Values(
      records: 1, skippedPackets: 2, skippedRecords: 3, files: 4, bytes: 5, removedFiles: 6,
      failures: 7, lastFailure: 1_795_228_020, openRecords: 8)
    let parsed = try OpenMetricsParser(logged.openMetrics)
    let counters = [
      "records", "skipped_packets", "skipped_records", "files", "bytes", "removed_files",
      "failures",
    ]
    for (index, name) in counters.enumerated() {
      #expect(parsed.value("apus_flow_log_\(name)_total") == Double(index + 1), "\(name)")
    }
    #expect(parsed.value("apus_flow_log_open_records") == 8)
    #expect(parsed.value("apus_flow_log_last_failure_seconds") == 1_795_228_020)
  }

  @Test func statusLineTellsRates() {
    let text = StatusLine.text(
      sample(2_400_005, seconds: 3), since: sample(seconds: 1), guests: 1)
    #expect(text == "in 1.2M/s, out 600k/s, drops 0/s, 9 connections, 1 of 1 guests up")
  }

  @Test func countersThatWentBackAreNoRate() {
    let text = StatusLine.text(sample(1), since: sample(9), guests: 1)
    #expect(text.hasPrefix("in 0/s, out 0/s"))
  }
}

import Foundation
import Testing

/// The data plane ends in every way while a guest is under traffic, and the guest does not notice.
///
/// APUS_RESTARTS says how often (default 4), APUS_RESTART_FIGURES names a file that the measured
/// gaps are added to, APUS_PRODUCTS a folder with other builds of `apusd` and `apus-vhostd`, such as
/// `.build/release`.
@Suite(.serialized, .enabled(if: Lab.hasGuests, Lab.why), .timeLimit(.minutes(30)))
struct RestartTests {
  static let count =
    ProcessInfo.processInfo.environment["APUS_RESTARTS"].flatMap { Int($0) } ?? 4

  enum Restart: String, CaseIterable {
    case takenOver = "taken over (apus run --takeover)"
    case stopped = "stopped and started"
    case killed = "killed and started"
  }

  @Test("V-24: the data plane is killed and restarted under traffic")
  func dataPlaneRestartsUnderTraffic() async throws {
    try await RestartHost.with("restart") { host in
      let card = Guest.Card.vhostUser(socket: host.folder.path("guest.sock"))
      try await Guest.with(.init(card: card, lifetime: 3600)) { guest in
        try await Self.setUp(guest)
        let before = try await State(host, guest)
        let pings = try PingGaps(
          from: host.peer, to: RestartHost.guestAddress, log: host.folder.url("pings"))
        let flows = try await Waiting.until(seconds: 20) { pings.isAnswered }
        #expect(flows, "\(guest.console)")
        var events: [(Restart, from: Double, to: Double)] = []
        let level = try await host.level()
        for restart in Restart.allCases {
          for _ in 0..<Self.count {
            let start = PingGaps.now
            switch restart {
            case .takenOver: try await host.takeOver()
            case .stopped: try await host.stopAndStart()
            case .killed: try await host.killAndStart()
            }
            try await Task.sleep(for: .milliseconds(300))
            events.append((restart, start, PingGaps.now))
            let isBack = try await Waiting.until(seconds: 20) { pings.isAnswered }
            try #require(isBack, "after \(restart): \(host.log)")
          }
          // Too late for the counters of the last one if its drops were not there.
          let refused = try await Waiting.until(seconds: 20) {
            try await host.metrics(Self.isRefusal).contains { $0 > 0 }
          }
          #expect(refused, "the guest asks for what it may not have")
        }
        try await Self.compare(before, State(host, guest))
        try await Self.compare(level, host.level())
        let times = await pings.end()
        for restart in Restart.allCases {
          let gaps = events.filter { $0.0 == restart }.map {
            PingGaps.gap(in: times, from: $0.from, to: $0.to)
          }
          try GapSummary(restart.rawValue, gaps).record()
          // Generous: the figures are for the page, on a quiet machine.
          #expect(gaps.allSatisfy { $0 < 10_000 })
        }
      }
    }
  }

  /// An address, and for all of the test pings and connections that the peer's group refuses.
  private static func setUp(_ guest: Guest) async throws {
    try await guest.mustRun(
      "udhcpc -i eth0 -n -q", timeout: 30)
    let peer = RestartHost.peerAddress
    _ = try await guest.start("ping -i 0.02 \(peer)")
    _ = try await guest.start("while :; do nc -w 1 \(peer) 7001; sleep 0.1; done")
  }

  private static func isRefusal(_ line: Substring) -> Bool {
    line.hasPrefix("apus_drops_total{") && line.contains("eni-peer") && line.contains("sg.ingress")
  }

  /// What a restart must not change.
  private struct State: Equatable {
    /// Link events and boots of the guest.
    var carrierChanges: String
    var boot: String
    /// The refused pings and connections that the peer saw all the same.
    var intruders: String

    init(_ host: RestartHost, _ guest: Guest) async throws {
      carrierChanges = try await guest.mustRun("cat /sys/class/net/eth0/carrier_changes")
      boot = try await guest.mustRun("cat /proc/sys/kernel/random/boot_id")
      intruders = try await host.peer.must(
        "nstat -a -s -z IcmpInEchos TcpOutRsts TcpPassiveOpens | tail -n +2 | tr -s ' '",
        seconds: 10)
    }
  }

  private static func compare(_ before: State, _ after: State) {
    #expect(after == before)
  }

  private static func compare(_ before: RestartHost.Level, _ after: RestartHost.Level) {
    print("before: \(before)\nafter:  \(after)")
    #expect(after.brokerDescriptors == before.brokerDescriptors)
    // The first one's include what a scraper has not closed yet.
    #expect(after.dataPlaneDescriptors <= before.dataPlaneDescriptors + 1)
    // Packets are under way, but a leak would be the packets of several seconds.
    #expect(after.buffersInUse < 256)
  }

  /// The hypervisor is killed while its guest sends; another guest of the host notices nothing.
  /// The data plane may start nothing any more by then: its launcher does.
  @Test func brokerIsStartedAgain() async throws {
    try await RestartHost.with("broker") { host in
      let broker = try host.process("broker.lock")
      kill(broker, SIGKILL)
      let isBack = try await Waiting.until(seconds: 20) {
        guard let next = try? host.process("broker.lock"), next != broker else { return false }
        return kill(next, 0) == 0
      }
      #expect(isBack, "\(host.log)")
      #expect(host.log.contains("confined"))
    }
  }

  @Test("V-26: guests are killed while they send")
  func guestsAreKilled() async throws {
    try await RestartHost.with("gkill") { host in
      let pings = try PingGaps(
        from: host.peer, to: RestartHost.neighborAddress, log: host.folder.url("pings"))
      let flows = try await Waiting.until(seconds: 20) { pings.isAnswered }
      try #require(flows, "\(host.log)")
      let card = Guest.Card.vhostUser(socket: host.folder.path("guest.sock"))
      var level: RestartHost.Level?
      let process = try host.process("data-plane.lock")
      let broker = try host.process("broker.lock")
      let start = PingGaps.now
      for round in 0..<Self.count {
        let guest = try await Guest.boot(.init(card: card))
        try await Self.setUp(guest)
        let reached = try await Waiting.until(seconds: 30) {
          try await host.peer.exec("ping -c 1 -W 1 \(RestartHost.guestAddress)").status == 0
        }
        #expect(reached, "round \(round): \(guest.console)\n\(host.log)")
        if level == nil { level = try await host.level() }
        if round == Self.count - 1, let level { try await Self.compare(level, host.level()) }
        guest.kill()
        _ = try await Waiting.until(seconds: 10) { !guest.isAlive }
        await guest.end()
      }
      let end = PingGaps.now
      #expect(try host.process("data-plane.lock") == process)
      #expect(try host.process("broker.lock") == broker)
      let isDown = try await Waiting.until(seconds: 10) {
        try await host.metrics { $0.hasPrefix("apus_port_up{port=\"eni-guest\"}") } == [0]
      }
      #expect(isDown)
      let times = await pings.end()
      try GapSummary(
        "neighbour's longest gap while guests are killed \(Self.count) times",
        [PingGaps.gap(in: times, from: start, to: end)]
      ).record()
      print("the neighbour's pings: \(pings.statistics)")
      #expect(times.last.map { $0 > end - 1 } == true)
    }
  }
}

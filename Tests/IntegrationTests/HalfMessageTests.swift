import Foundation
import Testing

/// Hypervisors that stop in the middle of a message, on sockets of their own: other guests attach,
/// detach and run as if nothing were there.
@Suite(.serialized, .enabled(if: Lab.hasGuests, Lab.why), .timeLimit(.minutes(10)))
struct HalfMessageTests {
  private static let more = """
      - {eni: eni-half, vhostUser: {socket: FOLDER/half.sock}}
      - {eni: eni-slow, vhostUser: {socket: FOLDER/slow.sock, listens: true}}
      - {eni: eni-late, vhostUser: {socket: FOLDER/late.sock, listens: true}}
      - {eni: eni-probe, vhostUser: {socket: FOLDER/probe.sock, listens: true}}
    """

  @Test("V-07: others attach and run beside half messages")
  func othersAttachAndRunMeanwhile() async throws {
    try await RestartHost.with("half", more: Self.more) { host in
      let alone = try await Self.attachTimes(host)
      let level = try await host.level()
      let broken = [
        BrokenHypervisor(.listensHalf(host.folder.path("half.sock"))),
        BrokenHypervisor(.connectsSlowly(host.folder.path("slow.sock"))),
        BrokenHypervisor(.connectsHalf(host.folder.path("late.sock"))),
      ]
      defer { for one in broken { one.end() } }
      let begun = try await Waiting.until(seconds: 20) { broken.allSatisfy { $0.count > 0 } }
      try #require(begun, "the broken ones are at it: \(broken.map(\.count))\n\(host.log)")
      let pings = try PingGaps(
        from: host.peer, to: RestartHost.neighborAddress, log: host.folder.url("pings"))
      let beside = try await Self.attachTimes(host)
      try await Self.guestWorks(host)
      let times = await pings.end()
      let start = times.first ?? 0
      try GapSummary("attach, undisturbed", alone).record()
      try GapSummary("attach beside broken hypervisors", beside).record()
      try GapSummary(
        "neighbour's longest gap beside broken hypervisors",
        [PingGaps.gap(in: times, from: start, to: times.last ?? 0)]
      ).record()
      // Each was sent away within a second or so, and came again.
      #expect(broken.allSatisfy { $0.count > 2 }, "\(broken.map(\.count))")
      // A broken neighbour costs a second of the broker's patience: nobody else may pay that.
      #expect(beside.allSatisfy { $0 < 900 })
      for one in broken { one.end() }
      let isLevel = try await Waiting.until(seconds: 10) {
        try await host.level().brokerDescriptors <= level.brokerDescriptors
      }
      let now = try await host.level()
      #expect(isLevel, "\(level), then \(now)")
    }
  }

  /// Attaches to the probe's socket again and again. Returns milliseconds from the connection to
  /// the last answer of the data plane.
  private static func attachTimes(_ host: RestartHost) async throws -> [Double] {
    let path = host.folder.path("probe.sock")
    return try await Waiting.aside {
      try (0..<8).map { _ in
        let start = PingGaps.now
        try VhostConnection(path: path).negotiate()
        let time = (PingGaps.now - start) * 1000
        // The data plane connects to the broker anew after each guest, once a second.
        usleep(1_500_000)
        return time
      }
    }
  }

  /// A real guest attaches, gets its address, is reached, and goes.
  private static func guestWorks(_ host: RestartHost) async throws {
    let card = Guest.Card.vhostUser(socket: host.folder.path("guest.sock"))
    for _ in 0..<2 {
      try await Guest.with(.init(card: card)) { guest in
        try await guest.mustRun(
          "udhcpc -i eth0 -n -q", timeout: 30)
        let pings = try await host.peer.exec(
          "ping -c 100 -i 0.02 -W 5 \(RestartHost.guestAddress)", seconds: 30)
        #expect(pings.output.contains(" 0% packet loss"), "\(pings.output)")
      }
    }
  }
}

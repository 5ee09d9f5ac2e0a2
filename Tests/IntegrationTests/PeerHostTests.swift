import Foundation
import Testing

/// `apus run` with other implementations of the tunnel, and its own guests among themselves.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct PeerHostTests {
  struct Other: Sendable, CustomTestStringConvertible {
    var kind: UnderlayPeer.Kind
    var isIPv6: Bool
    var testDescription: String { "\(kind.rawValue) over IPv\(isIPv6 ? 6 : 4)" }
    var hosts: [UnderlayPeer.Host] { isIPv6 ? UnderlayPeer.Host.v6 : UnderlayPeer.Host.v4 }
  }

  static let others = [UnderlayPeer.Kind.linuxVXLAN, .ovsGeneve].flatMap { kind in
    [false, true].map { Other(kind: kind, isIPv6: $0) }
  }

  /// Why this machine cannot run them; nil when it can.
  static let obstacle: String? = {
    if geteuid() != 0 { return "needs root, for network namespaces and tap devices" }
    let programs = ["ip", "ping", "busybox", "curl"]
    if let missing = programs.first(where: {
      (try? Program.runHere(["sh", "-c", "command -v \($0)"]))?.status != 0
    }) {
      return "needs \(missing) (scripts/bootstrap --tests)"
    }
    return nil
  }()
  static let peerObstacle = obstacle ?? PeersTests.obstacle

  @Test(.enabled(if: peerObstacle == nil, "\(peerObstacle ?? "")"), arguments: others)
  func `a guest talks to the other host's`(_ other: Other) async throws {
    try await PeerHost.with(guests: 1, peer: other.kind, hosts: other.hosts) { host in
      let guest = host.guests[0]
      let peer = try #require(host.peer)
      let (near, far) = (PeerHost.local[0], PeerHost.remote)
      try await waitForWay(from: guest, to: far.v4)
      for (sender, address) in [
        (guest, far.v4), (guest, far.v6), (peer, near.v4), (peer, near.v6),
      ] {
        let ping = try await sender.exec("ping -c 5 -i 0.2 -W 5 \(address)", seconds: 30)
        #expect(ping.output.contains(" 0% packet loss"), "\(ping.output)")
      }
      for (sender, receiver, address, port) in [
        (guest, peer, far.v4, 5001), (peer, guest, near.v4, 5001),
        (guest, peer, far.v6, 5002), (peer, guest, near.v6, 5002),
      ] {
        let transfer = try await Transfer.run(
          megabytes: 10, from: sender, to: receiver, at: address, port: port, seconds: 90)
        #expect(transfer.isIntact, "to \(address): \(transfer)")
      }
      #expect(try await host.accountsForEveryFrame())
      // It went through the tunnel: both ways, what was transferred and more.
      for direction in ["in", "out"] {
        let sample = #"apus_port_bytes_total{port="uplink",direction="\#(direction)"}"#
        #expect(try await host.metric(sample) > 20 << 20)
      }
    }
  }

  /// A guest's stack hands over up to 64 KB at once, and the other guest's gets them whole.
  @Test(.enabled(if: obstacle == nil, "\(obstacle ?? "")"))
  func `super-packets stay whole between local guests`() async throws {
    try await PeerHost.with(guests: 2) { host in
      let megabytes = 100
      for (address, port) in [(PeerHost.local[1].v4, 5001), (PeerHost.local[1].v6, 5002)] {
        try await waitForWay(from: host.guests[0], to: address)
        let before = try #require(await host.apus.metrics())
        let transfer = try await Transfer.run(
          megabytes: megabytes, from: host.guests[0], to: host.guests[1], at: address, port: port,
          seconds: 120)
        #expect(transfer.isIntact, "to \(address): \(transfer)")
        let after = try #require(await host.apus.metrics())
        func moved(_ sample: String) -> Int {
          PeerHost.value(sample, in: after) - PeerHost.value(sample, in: before)
        }
        let packets = moved(#"apus_port_packets_total{port="eni-1",direction="out"}"#)
        #expect(
          moved(#"apus_port_bytes_total{port="eni-1",direction="out"}"#) > megabytes << 20)
        // How much the sender's stack hands over at once is its own business; on a busy machine it
        // is less. Cut to segments they would be 72,000.
        #expect(packets < (megabytes << 20) / 1460 / 2, "\(packets) packets; \(transfer)")
        // None was cut on its way. Some more is said by the stacks themselves.
        #expect(packets < moved(#"apus_port_packets_total{port="eni-0",direction="in"}"#) + 20)
        #expect(moved(#"apus_worker_segments_total{worker="0"}"#) == 0)
      }
      #expect(try await host.accountsForEveryFrame())
    }
  }

  /// Until the next hop is known, the first packets are dropped.
  private func waitForWay(from sender: Namespace, to address: String) async throws {
    let found = try await Waiting.until(seconds: 30) {
      try await sender.exec("ping -c 1 -W 1 \(address)").status == 0
    }
    #expect(found, "\(address) never answers")
  }
}

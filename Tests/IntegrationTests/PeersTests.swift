import Foundation
import Testing

/// The peers among themselves: what Apus is compared with has to work without it.
@Suite(.serialized) struct PeersTests {
  static let obstacle = UnderlayPeer.Kind.allCases.compactMap(\.obstacle).first

  /// Two peers whose underlays a bridge joins.
  private final class Pair {
    let hub = "apus-hub-\(ProcessInfo.processInfo.processIdentifier)"
    private(set) var peers: [UnderlayPeer] = []

    init(_ kinds: [UnderlayPeer.Kind], hosts: [UnderlayPeer.Host], options: [String] = []) throws {
      try ip(["netns", "add", hub])
      try ip(["-n", hub, "link", "add", "name", "wire", "type", "bridge"])
      try ip(["-n", hub, "link", "set", "dev", "wire", "up"])
      for (index, kind) in kinds.enumerated() {
        let peer = try UnderlayPeer.up(
          kind, name: "\(hub)-\(index)", namespace: hub, device: "port\(index)",
          host: hosts[index], remote: hosts[1 - index], vni: 100,
          endpoint: UnderlayPeer.Endpoint.all[index],
          others: [UnderlayPeer.Endpoint.all[1 - index]], options: options)
        peers.append(peer)
        try ip(["-n", hub, "link", "set", "dev", "port\(index)", "master", "wire"])
      }
    }

    deinit {
      for index in 0...1 { UnderlayPeer(name: "\(hub)-\(index)").down() }
      _ = try? PeerProgram.run(["ip", "netns", "delete", hub], seconds: 10)
    }

    private func ip(_ arguments: [String]) throws {
      let outcome = try PeerProgram.run(["ip"] + arguments, seconds: 10)
      if outcome.status != 0 { throw PeerFailure(command: arguments, output: outcome.output) }
    }
  }

  static let pairs: [[UnderlayPeer.Kind]] = [
    [.linuxVXLAN, .linuxVXLAN], [.ovsGeneve, .ovsGeneve], [.ovsVXLAN, .linuxVXLAN],
  ]

  @Test(
    .enabled(if: obstacle == nil, "\(obstacle ?? "")"), .timeLimit(.minutes(3)),
    arguments: pairs, [UnderlayPeer.Host.v4, UnderlayPeer.Host.v6])
  func `peers reach each other`(_ kinds: [UnderlayPeer.Kind], _ hosts: [UnderlayPeer.Host]) throws {
    let pair = try Pair(kinds, hosts: hosts)
    let (client, server) = (pair.peers[0], pair.peers[1])
    let target = UnderlayPeer.Endpoint.all[1]
    for address in [target.v4, target.v6] {
      let ping = try client.exec(["ping", "-c5", "-i0.2", "-W5", address], seconds: 30)
      #expect(ping.output.contains(" 0% packet loss"), "\(ping.output)")
    }
    let listener = try server.exec(
      ["sh", "-c", "iperf3 -s -1 -D; until ss -ltn | grep -q :5201; do sleep 0.1; done"],
      seconds: 10)
    #expect(listener.status == 0, "\(listener.output)")
    let stream = try client.exec(
      ["iperf3", "-c", target.v4, "-n", "4M", "--connect-timeout", "5000"], seconds: 60)
    #expect(stream.status == 0, "\(stream.output)")
  }

  /// Without this, a peer that talks past the tunnel would pass as well.
  @Test(.enabled(if: obstacle == nil, "\(obstacle ?? "")"), .timeLimit(.minutes(1)))
  func `another port is another tunnel`() throws {
    let pair = try Pair([.linuxVXLAN, .ovsGeneve], hosts: UnderlayPeer.Host.v4)
    let ping = try pair.peers[0].exec(
      ["ping", "-c3", "-i0.2", "-W1", UnderlayPeer.Endpoint.all[1].v4], seconds: 20)
    #expect(ping.output.contains("100% packet loss"), "\(ping.output)")
  }
}

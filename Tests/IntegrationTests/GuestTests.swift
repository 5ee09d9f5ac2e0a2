import Foundation
import Testing

/// An unmodified Linux as a guest of `apus run`: it gets its addresses, talks to its VPC, and is
/// held to its rules; on a tap device and on vhost-user.
@Suite(.serialized, .enabled(if: Lab.hasGuests, Lab.why), .timeLimit(.minutes(10)))
struct GuestTests {
  @Test(arguments: Apus.Runtime.allCases)
  func isServedAndHeld(_ runtime: Apus.Runtime) async throws {
    try await GuestHost.with(runtime) { lab in
      try await Self.getsItsAddresses(lab)
      try await Self.reachesRouterAndNeighbor(lab)
      try await Self.transfersWithOffload(lab)
      try await Self.isRefused(lab)
      try await Self.cannotSpoof(lab)
      #expect(lab.apus.isAlive)
      #expect(lab.guest.isAlive)
    }
  }

  @Test(arguments: Apus.Runtime.allCases)
  func usesSeveralQueues(_ runtime: Apus.Runtime) async throws {
    try await GuestHost.with(runtime, queues: 2) { lab in
      try await lab.guest.mustRun("ethtool -L eth0 combined 2")
      try await lab.guest.mustRun("ip addr add 10.0.1.10/24 dev eth0")
      try await Self.pings(lab.guest, "10.0.1.11")
      let transfer = try await Transfer.run(
        megabytes: 10, from: lab.guest, to: lab.neighbor, at: "10.0.1.11")
      #expect(transfer.isIntact, "\(lab.apus.log)")
    }
  }

  /// DHCPv4, a default route by router advertisement, and DHCPv6: the advertisement says that
  /// addresses are managed.
  private static func getsItsAddresses(_ lab: GuestHost) async throws {
    // The kernel solicits routers when the interface comes up.
    try await lab.guest.mustRun("ip link set eth0 down; ip link set eth0 up")
    let lease = try await lab.guest.run("udhcpc -i eth0 -n -q -t 10 -T 1", timeout: 60)
    #expect(lease.status == 0, "\(lease.output)")
    let v4 = try await lab.guest.mustRun("ip -4 addr show dev eth0; ip -4 route")
    #expect(v4.contains("inet 10.0.1.10/24"), "\(v4)")
    #expect(v4.contains("default via 10.0.1.1 "), "\(v4)")

    let isAdvertised = try await Waiting.until(seconds: 30, every: .seconds(1)) {
      try await lab.guest.run("ip -6 route | grep '^default via fe80::1 '").status == 0
    }
    #expect(isAdvertised, "\(lab.apus.log)")
    let association = try await lab.guest.run(
      "touch /tmp/leases; dhclient -6 -1 -v -sf /bin/dhclient-script -lf /tmp/leases "
        + "-pf /tmp/dhclient.pid eth0", timeout: 60)
    #expect(association.status == 0, "\(association.output)")
    let hasAddress = try await Waiting.until(seconds: 20, every: .milliseconds(500)) {
      let v6 = try await lab.guest.mustRun("ip -6 addr show dev eth0")
      return v6.contains("inet6 fd00:10:0:1::a/") && !v6.contains("tentative")
    }
    #expect(hasAddress, "\(association.output)")
  }

  private static func reachesRouterAndNeighbor(_ lab: GuestHost) async throws {
    try await pings(lab.guest, "10.0.1.11")
    try await pings(lab.guest, "fd00:10:0:1::b")
    // The router answers for its addresses only as a neighbour: ARP and ND know it.
    let neighbors = try await lab.guest.run(
      "arping -c 2 -w 10 -I eth0 10.0.1.1; ip -6 neigh show dev eth0; ip neigh show dev eth0")
    #expect(neighbors.output.contains("Received 2 response"), "\(neighbors.output)")
    #expect(neighbors.output.contains("fe80::1 "), "\(neighbors.output)")
    let back = try await lab.neighbor.exec("ping -c 3 -i 0.3 -W 5 10.0.1.10", seconds: 30)
    #expect(back.output.contains(" 0% packet loss"), "\(back.output)")
  }

  /// 100 MB each way, unaltered, with checksums and segmentation left to the device.
  private static func transfersWithOffload(_ lab: GuestHost) async throws {
    let card = try await lab.guest.mustRun("ethtool -k eth0")
    #expect(card.contains("tx-checksumming: on"), "\(card)")
    #expect(card.contains("tcp-segmentation-offload: on"), "\(card)")

    let out = try await Transfer.run(
      megabytes: 100, from: lab.guest, to: lab.neighbor, at: "10.0.1.11", seconds: 180)
    #expect(out.isIntact, "\(lab.apus.log)")
    print("guest to neighbour: \(out)")
    // How many, and how large, is up to the guest's congestion control and to how it is written.
    let superPackets = try await lab.apus.count("apus_worker_super_packets_total{worker=\"0\"}")
    #expect(superPackets > 1_000, "\(superPackets) for 100 MB: the guest segmented")

    let back = try await Transfer.run(
      megabytes: 100, from: lab.neighbor, to: lab.guest, at: "10.0.1.10", seconds: 180)
    #expect(back.isIntact, "\(lab.apus.log)")
    print("neighbour to guest: \(back)")
  }

  static func pings(_ shell: some Shell, _ address: String) async throws {
    let program = address.contains(":") ? "ping6" : "ping"
    let reached = try await Waiting.until(seconds: 30) {
      do {
        _ = try await shell.must("busybox \(program) -c 1 -W 1 \(address)", seconds: 5)
        return true
      } catch { return false }
    }
    #expect(reached, "\(address)")
    guard reached else { return }
    let output = try await shell.must("busybox \(program) -c 3 -W 5 \(address)", seconds: 30)
    #expect(output.contains(" 0% packet loss"), "\(output)")
  }
}

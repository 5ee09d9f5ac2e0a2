import Foundation
import Testing

/// The guest that other tests stand on works by itself, without Apus.
@Suite(.serialized, .enabled(if: Lab.hasGuests, Lab.why), .timeLimit(.minutes(5)))
struct GuestKitTests {
  private static let address = "10.0.1.10"

  @Test func commandsHaveStatusOutputAndLimits() async throws {
    try await Guest.with(.init(card: .none)) { guest in
      let answer = try await guest.run("echo out; echo err >&2; exit 7")
      #expect(answer.status == 7)
      #expect(answer.output == "out\nerr\n")
      let slow = try await guest.run("echo before; sleep 30", timeout: 1)
      #expect(slow.status == 143)
      #expect(slow.output.hasPrefix("before\n"))
      let large = try await guest.mustRun("seq 1 20000")
      #expect(large == (1...20000).map { "\($0)\n" }.joined())
      #expect(guest.isAlive)
      guest.kill()
      let died = try await Waiting.until(seconds: 10) { !guest.isAlive }
      #expect(died)
    }
  }

  @Test func onATapDevice() async throws {
    try await Namespace.with("tap") { host in
      try await host.ip("tuntap add tap0 mode tap vnet_hdr")
      try await host.ip("addr add 10.0.1.1/24 dev tap0")
      try await host.ip("link set tap0 up")
      let start = ContinuousClock.now
      try await Guest.with(.init(card: .tap("tap0"), namespace: host)) { guest in
        print("guest on tap: booted in \(ContinuousClock.now - start)")
        try await guest.mustRun("ip addr add \(Self.address)/24 dev eth0")
        try await Self.converse(host, guest)
        let card = try await guest.mustRun("ethtool -k eth0")
        #expect(card.contains("tx-checksumming: on"))
        #expect(card.contains("tcp-segmentation-offload: on"))
      }
    }
  }

  /// testpmd carries frames between the guest's vhost-user device and a tap device of the host.
  @Test func onVhostUser() async throws {
    try await Namespace.with("vhost") { host in
      let folder = try Folder("vhost")
      let socket = folder.path("guest.sock")
      // testpmd passes offloaded checksums on as they are, so the guest has to compute them.
      let plain = "csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off"
      // QEMU waits at its start for the other half.
      let testpmd = try BackgroundProgram(
        host.entry + [
          "dpdk-testpmd", "-l", "0-1", "--no-pci", "--no-huge", "--no-shconf", "-m", "128",
          "--vdev", "net_vhost0,iface=\(socket),client=1", "--vdev", "net_tap0,iface=tap0",
          "--", "--forward-mode=io", "--auto-start", "--total-num-mbufs=8192",
        ], log: folder.url("testpmd"))
      let start = ContinuousClock.now
      try await Guest.with(.init(card: .vhostUser(socket: socket), device: plain)) { guest in
        print("guest on vhost-user: booted in \(ContinuousClock.now - start)")
        let tapIsThere = try await Waiting.until(seconds: 30) {
          try await host.exec("ip link set tap0 up").status == 0
        }
        #expect(tapIsThere, "\(testpmd.output)")
        try await host.ip("addr add 10.0.1.1/24 dev tap0")
        try await guest.mustRun("ip addr add \(Self.address)/24 dev eth0")
        try await Self.converse(host, guest)
      }
      await testpmd.end()
    }
  }

  /// Pings, and 10 MB each way with the same hash at either end.
  private static func converse(_ host: Namespace, _ guest: Guest) async throws {
    let reached = try await Waiting.until(seconds: 30) {
      try await host.exec("ping -c 1 -W 1 \(address)").status == 0
    }
    #expect(reached, "\(guest.console)")
    let pings = try await host.exec("ping -c 5 -i 0.2 -W 5 \(address)")
    #expect(pings.output.contains(" 0% packet loss"), "\(pings.output)")

    let there = try await Transfer.run(megabytes: 10, from: host, to: guest, at: address)
    #expect(there.isIntact)
    print("host to guest: \(there)")
    let back = try await Transfer.run(megabytes: 10, from: guest, to: host, at: "10.0.1.1")
    #expect(back.isIntact)
    print("guest to host: \(back)")
  }
}

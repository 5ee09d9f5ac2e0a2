import Foundation
import Testing

/// The hostile guest itself, at another vhost-user data plane than Apus.
@Suite(.serialized, .enabled(if: Lab.hasGuests, Lab.why), .timeLimit(.minutes(5)))
struct HostileGuestTests {
  @Test func isServedWellBeforeAndAfterAllAttacks() async throws {
    let folder = try Folder("hostile")
    let socket = folder.path("guest.sock")
    // One port that sends back what it gets.
    let testpmd = try BackgroundProgram(
      [
        "dpdk-testpmd", "-l", "0-1", "--no-pci", "--no-huge", "--no-shconf", "-m", "128",
        "--vdev", "net_vhost0,iface=\(socket),client=1", "--", "--forward-mode=io",
        "--auto-start", "--total-num-mbufs=8192",
      ], log: folder.url("testpmd"))
    let before = try await HostileGuest.run(["well-behaved"], socket: socket, seconds: 20)
    #expect(before.status == 0, "\(before.output)")
    for mode in HostileGuest.campaigns {
      let attack = try await HostileGuest.run(mode, socket: socket)
      #expect(attack.status == 0, "\(mode): \(attack.output)")
      try #require(testpmd.isAlive, "\(mode): \(testpmd.output)")
    }
    let after = try await HostileGuest.run(["well-behaved"], socket: socket, seconds: 20)
    #expect(after.status == 0, "\(after.output)")
    await testpmd.end()
  }

  @Test func modesOfTheProgramAreTheOnesHere() async throws {
    let help = try await Program.run([Places.product("hostile-guest"), "--help"])
    let modes = help.output.split(separator: "\n").drop { $0 != "modes:" }.dropFirst().compactMap {
      $0.split(separator: " ").first.map(String.init)
    }
    #expect(
      modes == ["well-behaved"] + HostileGuest.slow + HostileGuest.attacks + HostileGuest.lies
        + HostileGuest.sessions)
    let unknown = try await Program.run(
      [Places.product("hostile-guest"), "--socket", "/nowhere", "no-such-mode"])
    #expect(unknown.status == 2)
  }
}

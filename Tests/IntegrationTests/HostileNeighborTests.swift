import Foundation
import Testing

/// A hostile guest on one vhost-user port of Apus, while two others talk: theirs must not suffer.
@Suite(.serialized, .enabled(if: Lab.hasGuests, Lab.why), .timeLimit(.minutes(10)))
struct HostileNeighborTests {
  @Test func othersLoseNothing() async throws {
    try await with { lab in
      let quiet = try await lab.watch { try await Task.sleep(for: .seconds(5)) }
      print("quiet: \(quiet)")
      var medians: [Double] = []
      for mode in HostileGuest.campaigns {
        let attacked = try await lab.watch {
          let attack = try await HostileGuest.run(
            ["--count", "20"] + mode, socket: lab.socket, seconds: 2)
          #expect(attack.status == 0 || attack.status == 1, "\(mode): \(attack.output)")
          try #require(lab.apus.isAlive, "\(mode): \(lab.apus.log)")
        }
        print("\(mode.joined(separator: " ")): \(attacked)")
        #expect(attacked.lost == 0, "\(mode)")
        medians.append(attacked.median)
      }
      // Generous: two processors also run the attacker, and whatever else the machine does.
      #expect((medians.max() ?? 0) < 10 * quiet.median + 5)
      let after = try await HostileGuest.run(
        ["--count", "32", "well-behaved"], socket: lab.socket, seconds: 30)
      #expect(after.status == 0, "\(after.output)\n\(lab.apus.log)")
    }
  }

  /// A session that never gets to its end of a message holds up nobody: another guest attaches.
  @Test(arguments: HostileGuest.slow)
  func halfAMessageHoldsUpNobody(_ mode: String) async throws {
    try await with { lab in
      let slow = try BackgroundProgram(
        HostileGuest.command([mode], socket: lab.socket, seconds: 60),
        log: lab.folder.url("slow"))
      try await Task.sleep(for: .seconds(2))
      let attached = try await HostileGuest.run(
        ["--mac", "02:00:00:00:00:0d", "--address", "10.0.1.13", "--count", "32", "well-behaved"],
        socket: lab.folder.path("other.sock"), seconds: 20)
      #expect(attached.status == 0, "\(attached.output)\n\(lab.apus.log)")
      let watched = try await lab.watch { try await Task.sleep(for: .seconds(3)) }
      #expect(watched.lost == 0)
      await slow.end()
    }
  }

  /// What the two that are watched saw.
  struct Watch: CustomStringConvertible {
    let sent: Int
    let lost: Int
    /// Milliseconds.
    let median, p99, worst: Double
    var description: String {
      "\(sent) pings, \(lost) lost, median \(median) ms, p99 \(p99) ms, worst \(worst) ms"
    }
  }

  struct Laboratory: Sendable {
    let apus: Apus
    let folder: Folder
    let left: Namespace
    var socket: String { folder.path("hostile.sock") }

    /// Pings between two good guests, a hundred a second, while something else goes on.
    func watch(_ body: () async throws -> Void) async throws -> Watch {
      let pings = try BackgroundProgram(
        left.entry + ["ping", "-i", "0.01", "-W", "5", "10.0.1.12"],
        log: folder.url("pings"))
      do { try await body() } catch {
        pings.signal(SIGKILL)
        throw error
      }
      // Then ping ends with its summary.
      pings.signal(SIGINT)
      try await Waiting.until(seconds: 10) { !pings.isAlive }
      await pings.end()
      let times = pings.output.captures("time=([0-9.]+)").compactMap { Double($0) }.sorted()
      let sent = pings.output.captures("([0-9]+) packets transmitted").first.flatMap { Int($0) }
      guard let sent, let worst = times.last else {
        throw LabError(description: "no pings: \(pings.output.suffix(500))\n\(apus.log)")
      }
      return Watch(
        sent: sent, lost: sent - times.count, median: times[times.count / 2],
        p99: times[times.count * 99 / 100], worst: worst)
    }
  }

  private func with(_ body: @escaping (Laboratory) async throws -> Void) async throws {
    try await Namespace.with("hn-host") { host in
      try await Namespace.with("hn-left") { left in
        try await Namespace.with("hn-right") { right in
          let folder = try Folder("hostile")
          let text = """
            version: 1
            runtime: dpdk
            guests:
              - {eni: eni-hostile, vhostUser: {socket: \(folder.path("hostile.sock"))}}
              - {eni: eni-other, vhostUser: {socket: \(folder.path("other.sock"))}}
              - {eni: eni-left, device: "net_tap0,iface=tap-l"}
              - {eni: eni-right, device: "net_tap1,iface=tap-r"}
            memory: {flows: 65536, hugepages: false, megabytes: 256}

            """
          let model = Places.models.appending(path: "hostile.yaml").path
          try await Apus.with(host: text, model: model, folder: folder, in: host) { apus in
            try await GuestHost.hold(
              "tap-l", of: host, in: left, by: .dpdk, mac: "02:00:00:00:00:0b",
              addresses: ["10.0.1.11/24"])
            try await GuestHost.hold(
              "tap-r", of: host, in: right, by: .dpdk, mac: "02:00:00:00:00:0c",
              addresses: ["10.0.1.12/24"])
            try await GuestTests.pings(left, "10.0.1.12")
            try await body(Laboratory(apus: apus, folder: folder, left: left))
          }
        }
      }
    }
  }
}

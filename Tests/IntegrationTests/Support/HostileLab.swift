import Foundation
import Testing

/// A host with a hostile guest's vhost-user port, and two good guests on taps that talk meanwhile.
struct HostileLab: Sendable {
  let apus: Apus
  let folder: Folder
  let left: Namespace
  var socket: String { folder.path("hostile.sock") }

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

  /// Frames that the hostile guest's ring took.
  func sentToHostile() async throws -> Int {
    try await apus.count("apus_port_packets_total{port=\"eni-hostile\",direction=\"out\"}")
  }

  /// Pings between two good guests, a hundred a second, while something else goes on.
  func watch(_ body: () async throws -> Void) async throws -> Watch {
    let pings = try BackgroundProgram(
      left.entry + ["ping", "-i", "0.01", "-W", "5", "10.0.1.12"], log: folder.url("pings"))
    do { try await body() } catch {
      pings.signal(SIGKILL)
      throw error
    }
    // Then ping ends with its summary.
    pings.signal(SIGINT)
    try await Waiting.until(seconds: 10) { !pings.isAlive }
    await pings.end()
    let times = pings.output.captures("time=([0-9.]+)").compactMap { Double($0) }.sorted()
    let answered = Set(pings.output.captures("icmp_seq=([0-9]+)").compactMap { Int($0) })
    let sent = pings.output.captures("([0-9]+) packets transmitted").first.flatMap { Int($0) }
    guard let sent, let worst = times.last else {
      throw LabError(description: "no pings: \(pings.output.suffix(500))\n\(apus.log)")
    }
    // What was sent in the last tenth of a second may have been under way when ping was ended.
    let last = max(answered.max() ?? 0, sent - 10)
    let lost = last - answered.count
    return Watch(
      sent: sent, lost: lost, median: times[times.count / 2], p99: times[times.count * 99 / 100],
      worst: worst)
  }

  /// Has the hostile guest do things one after another: the good ones lose nothing and hardly wait,
  /// and a good guest in its place is served afterwards.
  ///
  /// - Parameters:
  ///   - modes: options and mode of `hostile-guest`.
  ///   - isPacked: offer it packed rings.
  static func attack(
    _ modes: [[String]], isPacked: Bool = false,
    _ more: @escaping (HostileLab) async throws -> Void = { _ in }
  ) async throws {
    try await with(isPacked: isPacked) { lab in
      for mode in modes {
        let attacked = try await lab.watch {
          let attack = try await HostileGuest.run(
            ["--count", "20"] + mode, socket: lab.socket, seconds: 2)
          #expect(attack.status == 0 || attack.status == 1, "\(mode): \(attack.output)")
          try #require(lab.apus.isAlive, "\(mode): \(lab.apus.log)")
          print("\(mode.joined(separator: " ")): \(attack.output.prefix(200))", terminator: "")
        }
        print("\(mode.joined(separator: " ")): \(attacked)")
        #expect(attacked.lost == 0, "\(mode)")
        // Generous: two processors also run the attacker, and whatever else the machine does.
        #expect(attacked.median < 7, "\(mode)")
      }
      let after = try await HostileGuest.run(
        ["--count", "32", "well-behaved"], socket: lab.socket, seconds: 30)
      #expect(after.status == 0, "\(after.output)\n\(lab.apus.log)")
      try await more(lab)
    }
  }

  static func with(
    isPacked: Bool = false, hasBroker: Bool = true,
    _ body: @escaping (HostileLab) async throws -> Void
  ) async throws {
    try await Namespace.with("hn-host") { host in
      try await Namespace.with("hn-left") { left in
        try await Namespace.with("hn-right") { right in
          let folder = try Folder("hostile")
          let hostile = """
            {socket: \(folder.path("hostile.sock")), packed: \(isPacked), broker: \(hasBroker)}
            """
          let text = """
            version: 1
            runtime: dpdk
            guests:
              - {eni: eni-hostile, vhostUser: \(hostile)}
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
            try await body(HostileLab(apus: apus, folder: folder, left: left))
          }
        }
      }
    }
  }
}

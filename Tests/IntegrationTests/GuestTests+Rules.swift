import Foundation
import Testing

extension GuestTests {
  /// Its own group lets port 5003 not out, the neighbour's lets port 5002 not in.
  static func isRefused(_ lab: GuestHost) async throws {
    for (port, eni, reason) in [
      (5002, "eni-neighbor", "sg.ingress"), (5003, "eni-guest", "sg.egress"),
    ] {
      let listener = try await lab.neighbor.start("nc -l -p \(port) </dev/null")
      let before = try await lab.apus.drops(eni, reason)
      let attempt = try await lab.guest.run("nc -w 3 10.0.1.11 \(port) </dev/null", timeout: 20)
      #expect(attempt.status != 0, "port \(port) is open")
      let counted = try await Waiting.until(seconds: 10) {
        try await lab.apus.drops(eni, reason) > before
      }
      #expect(counted, "\(reason) was not counted for \(eni)")
      await listener?.end()
    }
  }

  /// Frames with a foreign MAC or a foreign source address reach nobody and are counted.
  static func cannotSpoof(_ lab: GuestHost) async throws {
    let folder = try Folder("spoof")
    let capture = try BackgroundProgram(
      lab.neighbor.entry + [
        "tcpdump", "-l", "-n", "-e", "-i", "tap-n",
        "ether host 02:66:00:00:00:01 or host 10.0.1.99",
      ], log: folder.url("capture"))
    let isListening = try await Waiting.until(seconds: 20) {
      capture.output.contains("listening on")
    }
    #expect(isListening, "\(capture.output)")

    try await refuses(
      lab, "spoof.mac",
      "ip link set eth0 down; ip link set eth0 address 02:66:00:00:00:01; ip link set eth0 up; "
        + "ip addr replace 10.0.1.10/24 dev eth0; "
        + "ip neigh replace 10.0.1.11 lladdr \(GuestHost.neighborMAC) dev eth0; "
        + "ping -c 3 -W 1 10.0.1.11; status=$?; "
        + "ip link set eth0 down; ip link set eth0 address \(GuestHost.guestMAC); "
        + "ip link set eth0 up; exit $status")
    try await refuses(
      lab, "spoof.ip",
      "ip addr add 10.0.1.99/24 dev eth0; "
        + "ip neigh replace 10.0.1.11 lladdr \(GuestHost.neighborMAC) dev eth0; "
        + "ping -c 3 -W 1 -I 10.0.1.99 10.0.1.11; status=$?; "
        + "ip addr del 10.0.1.99/24 dev eth0; exit $status")
    // ARP that claims a foreign address.
    try await refuses(
      lab, "spoof.ip",
      "ip addr add 10.0.1.99/24 dev eth0; arping -c 2 -w 3 -I eth0 -s 10.0.1.99 10.0.1.11; "
        + "status=$?; ip addr del 10.0.1.99/24 dev eth0; exit $status")

    await capture.end()
    let seen = capture.output.split(separator: "\n").filter { $0.contains(" > ") }
    #expect(seen.isEmpty, "\(seen)")
    // It may still talk as itself.
    try await lab.guest.mustRun("ip addr replace 10.0.1.10/24 dev eth0; ip neigh flush dev eth0")
    try await pings(lab.guest, "10.0.1.11")
  }

  private static func refuses(_ lab: GuestHost, _ reason: String, _ attempt: String) async throws {
    let before = try await lab.apus.drops("eni-guest", reason)
    let answer = try await lab.guest.run(attempt, timeout: 30)
    #expect(answer.status != 0, "\(reason): \(answer.output)")
    let counted = try await Waiting.until(seconds: 10) {
      try await lab.apus.drops("eni-guest", reason) > before
    }
    #expect(counted, "\(reason) was not counted: \(answer.output)")
  }
}

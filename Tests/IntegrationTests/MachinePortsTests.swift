import Foundation
import Testing

/// Virtual machines that are attached to a running host on DPDK and detached again, while other
/// guests talk.
@Suite(.serialized, .enabled(if: Lab.hasGuests, Lab.why), .timeLimit(.minutes(15)))
struct MachinePortsTests {
  private static let control = "control: {stateDirectory: FOLDER/state}"
  private static let machine = "10.0.1.43"

  private static func document(_ host: RestartHost) -> String {
    """
    networkInterfaces:
      - {id: eni-probe, subnet: subnet, mac: "02:00:00:00:00:2b", addresses: [\(machine)],
         securityGroups: [open]}
    ports: [{eni: eni-probe, vhostUser: {socket: \(host.folder.path("new.sock"))}}]

    """
  }

  @discardableResult
  private static func control(
    _ host: RestartHost, _ command: String, _ document: String = ""
  ) throws -> String {
    let file = try host.folder.write(document, to: "document")
    return try TwoHosts.shell(
      "\(Places.product("apus")) \(command) --address unix:\(host.folder.path("run/control.sock")) "
        + "<\(file) 2>&1")
  }

  private static func attach(_ host: RestartHost) throws {
    try control(host, "apply --patch -f -", document(host))
  }

  private static func detach(_ host: RestartHost) throws {
    try control(host, "delete ports/eni-probe")
  }

  private static func isReached(_ host: RestartHost) async throws -> Bool {
    try await host.peer.exec("ping -c 1 -W 1 \(machine)").status == 0
  }

  @Test func aMachineComesAndGoes() async throws {
    try await RestartHost.with("ports", more: Self.control) { host in
      let pings = try PingGaps(
        from: host.peer, to: RestartHost.neighborAddress, log: host.folder.url("pings"))
      let flows = try await Waiting.until(seconds: 20) { pings.isAnswered }
      #expect(flows)
      // Something to compare with, after the first device of all.
      try Self.attach(host)
      try Self.detach(host)
      let before = try await host.level()
      try Self.attach(host)
      var parameters = Guest.Parameters(card: .vhostUser(socket: host.folder.path("new.sock")))
      parameters.mac = "02:00:00:00:00:2b"
      try await Guest.with(parameters) { guest in
        try await guest.mustRun("udhcpc -i eth0 -n -q", timeout: 30)
        let isReached = try await Waiting.until(seconds: 20) { try await Self.isReached(host) }
        #expect(isReached, "\(guest.console)")
        try Self.detach(host)
        #expect(try await !Self.isReached(host))
        #expect(!FileManager.default.fileExists(atPath: host.folder.path("run/eni-probe.sock")))
        // Again, while it runs: its session begins anew.
        try Self.attach(host)
        let isBack = try await Waiting.until(seconds: 30) { try await Self.isReached(host) }
        #expect(isBack, "\(host.log)\n\(guest.console)")
      }
      try Self.detach(host)
      _ = await pings.end()
      #expect(pings.answers.count > 1_000 && pings.lost == 0, "\(pings.statistics)")
      let after = try await host.level()
      #expect(abs(after.brokerDescriptors - before.brokerDescriptors) <= 1, "\(before) \(after)")
      #expect(abs(after.dataPlaneDescriptors - before.dataPlaneDescriptors) <= 2)
      #expect(after.buffersInUse < 256)
    }
  }

  /// The stored port is opened again, and the broker has kept the machine's session.
  @Test func aMachineOutlivesTheDaemon() async throws {
    try await RestartHost.with("portskill", more: Self.control) { host in
      try Self.attach(host)
      var parameters = Guest.Parameters(card: .vhostUser(socket: host.folder.path("new.sock")))
      parameters.mac = "02:00:00:00:00:2b"
      try await Guest.with(parameters) { guest in
        try await guest.mustRun("udhcpc -i eth0 -n -q", timeout: 30)
        let changes = try await guest.mustRun("cat /sys/class/net/eth0/carrier_changes")
        for restart in 0..<3 {
          switch restart {
          case 0: try await host.killAndStart()
          case 1: try await host.takeOver()
          default: try await host.stopAndStart()
          }
          let isReached = try await Waiting.until(seconds: 20) { try await Self.isReached(host) }
          #expect(isReached, "\(restart): \(host.log)")
        }
        #expect(try await guest.mustRun("cat /sys/class/net/eth0/carrier_changes") == changes)
      }
      #expect(try Self.control(host, "status").contains("are not the stored ports"))
    }
  }

  /// 5 times, or as often as APUS_PORT_ROUNDS says.
  @Test func descriptorsAndBuffersStayLevel() async throws {
    let words = ProcessInfo.processInfo.environment["APUS_PORT_ROUNDS"]
    let rounds = words.flatMap { Int($0) } ?? 5
    try await RestartHost.with("portslevel", more: Self.control) { host in
      func round() throws {
        try Self.attach(host)
        try Self.detach(host)
      }
      for _ in 0..<2 { try round() }
      let before = try await host.level()
      for _ in 0..<rounds { try round() }
      let after = try await host.level()
      print("machines' ports, \(rounds) times: \(before) before, \(after) after")
      #expect(abs(after.brokerDescriptors - before.brokerDescriptors) <= 1)
      #expect(abs(after.dataPlaneDescriptors - before.dataPlaneDescriptors) <= 2)
      #expect(after.buffersInUse <= before.buffersInUse + 64)
    }
  }

  @Test func whatCannotBeOpenedChangesNothing() async throws {
    try await RestartHost.with("portsbad", more: Self.control) { host in
      let generation = try Self.control(host, "status")
      let taken = "vhostUser: {socket: \(host.folder.path("guest.sock"))}"
      for (port, reason) in [
        (taken, "is the port of `eni-guest` already"),
        ("vhostUser: {socket: /proc/x.sock, broker: false, listens: true}", "cannot be opened"),
        ("device: net_null7", "that was not opened at start"),
        ("tap: t0", "is for `runtime: kernel`"),
      ] {
        do {
          try Self.control(
            host, "apply --patch -f -", "ports: [{eni: eni-probe, \(port)}]\n")
          Issue.record("\(port) is not refused")
        } catch let failure as TwoHosts.Failure {
          #expect(failure.description.contains(reason), "\(failure)")
        }
      }
      #expect(try Self.control(host, "status") == generation)
    }
  }
}

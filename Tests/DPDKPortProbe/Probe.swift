import ArgumentParser
import DPDKPort
import Glibc
import HostPlan
import Live

/// Drives the DPDK runtime with a loop that moves frames from port to port, for tests: DPDK starts
/// once a process, so each scenario needs one.
@main
struct Probe: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "DPDKPortProbe")

  @Option(help: "The uplink's device, port 0.")
  var uplink: String?
  @Option(help: "Queues of the uplink.")
  var uplinkQueues = 1
  @Option(help: "A guest: `ethdev=NAME` or `socket=PATH[;queues=N][;server][;packed][;plain]`.")
  var guest: [String] = []
  @Option(
    help: "Moves frames from one port to another, `1:1` sends them back; else they are freed.")
  var forward: [String] = []
  @Option(help: "Worker threads.")
  var workers = 1
  @Option(help: "Ends after so many seconds, or when standard input does.")
  var seconds = 60
  @Option(help: "MTU of the underlay.")
  var mtu = 1500
  @Option(help: "Buffers of each guest.")
  var buffers = 2048
  @Option(help: "Megabytes for DPDK.")
  var megabytes = 96
  @Option(help: "Writes so many received frames to standard output.")
  var describe = 0
  @Flag(help: "Take huge pages.")
  var huge = false
  @Flag(help: "Nap when nothing comes.")
  var naps = false

  func run() throws {
    let runtime: UnsafeMutablePointer<DPDKRuntime>
    do throws(PortError) {
      let opened = try DPDKRuntime(plan(), tunnelAddress: nil, underlayMTU: mtu)
      runtime = .allocate(capacity: 1)
      runtime.initialize(to: opened)
    } catch {
      say("error \(error.kind): \(error.what): \(error.why): \(error.remedy)")
      throw ExitCode(error.kind == .machine ? 5 : 3)
    }
    let stop = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    stop.initialize(to: 0)
    let loops = (0..<workers).map { index in
      ProbeLoop(
        runtime: runtime, worker: index, routes: routes, stop: stop, described: describe,
        naps: naps)
    }
    report("start", runtime)
    let threads = loops.map { $0.start() }
    say("ready")
    watch(runtime)
    stop.pointee = 1
    for thread in threads { pthread_join(thread, nil) }
    // A guest that left while frames were under way is seen by now, and rings are empty.
    report("end", runtime)
    runtime.pointee.close()
    say("closed")
  }

  /// Reads commands until the input ends: `report` prints counters.
  private func watch(_ runtime: UnsafeMutablePointer<DPDKRuntime>) {
    let end = time(nil) + seconds
    var input = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
    while time(nil) < end {
      if poll(&input, 1, 200) <= 0 { continue }
      guard let line = readLine() else { return }
      if line == "report" { report("now", runtime) }
    }
  }

  private func report(_ when: String, _ runtime: UnsafeMutablePointer<DPDKRuntime>) {
    for port in 0...guest.count {
      let now = runtime.pointee.counters(port: port)
      let offloads = runtime.pointee.offloads(port: port)
      say(
        "\(when) port=\(port) rx=\(now.receivedPackets) rxbytes=\(now.receivedBytes)",
        "tx=\(now.sentPackets) txbytes=\(now.sentBytes) full=\(now.dropsFull)",
        "down=\(now.dropsDown) oversize=\(now.dropsOversize) wedged=\(now.wedged)",
        "used=\(now.buffersInUse) buffers=\(now.buffers) offloads=\(offloads.rawValue)")
    }
    say("\(when) done")
  }

  private var routes: [Int] {
    var routes = [Int](repeating: -1, count: guest.count + 1)
    for rule in forward {
      let ends = rule.split(separator: ":").compactMap { Int($0) }
      if ends.count == 2 && routes.indices.contains(ends[0]) { routes[ends[0]] = ends[1] }
    }
    return routes
  }

  private func plan() -> HostPlan {
    HostPlan(
      runtime: .dpdk, workers: WorkerPlan(cores: Array(repeating: nil, count: workers)),
      uplink: uplink.map { UplinkPlan(device: .ethdev($0), queues: uplinkQueues) },
      guests: guest.enumerated().map { Self.guest($1, number: $0) },
      memory: MemoryPlan(
        buffersPerGuest: buffers, usesHugePages: huge, megabytes: megabytes))
  }

  private static func guest(_ text: String, number: Int) -> GuestPlan {
    var settings: [String: String] = [:]
    for part in text.split(separator: ";") {
      let halves = part.split(separator: "=", maxSplits: 1).map(String.init)
      settings[halves[0]] = halves.count == 2 ? halves[1] : ""
    }
    var plan = GuestPlan(
      networkInterface: "eni-\(number)", device: .ethdev(settings["ethdev"] ?? ""),
      queues: settings["queues"].flatMap { Int($0) } ?? 1)
    if let path = settings["socket"] {
      plan.device = .vhostUser(
        VhostUserPlan(
          socket: path, listens: settings["server"] != nil, isBrokered: false,
          offersPackedRing: settings["packed"] != nil, offersOffload: settings["plain"] == nil,
          mtu: settings["mtu"].flatMap { Int($0) }))
    }
    return plan
  }
}

/// Writes a line to standard output at once.
func say(_ parts: String...) {
  let line = parts.joined(separator: " ") + "\n"
  _ = line.withCString { write(1, $0, strlen($0)) }
}

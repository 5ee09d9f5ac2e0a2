import Foundation

/// `DPDKPortProbe`: the runtime under test, in a process of its own.
struct Probe {
  let running: Running

  init(_ arguments: [String], seconds: Int = 60) throws {
    running = try Running([Places.probe] + arguments, seconds: seconds)
  }

  /// Counters as last reported: port, then name.
  static func counters(_ lines: [String], _ when: String) -> [Int: [String: Int]] {
    var found: [Int: [String: Int]] = [:]
    for line in lines where line.hasPrefix("\(when) port=") {
      let numbers = fields(line)
      found[numbers["port"] ?? -1] = numbers
    }
    return found
  }

  /// `name=number` words of a line.
  static func fields(_ line: String) -> [String: Int] {
    var found: [String: Int] = [:]
    for word in line.split(separator: " ") {
      let halves = word.split(separator: "=")
      if halves.count == 2, let value = UInt64(halves[1]) {
        found[String(halves[0])] = Int(truncatingIfNeeded: value)
      }
    }
    return found
  }

  func report() -> [Int: [String: Int]] {
    running.say("report")
    return Self.counters(running.wait(for: "now done"), "now")
  }

  /// Asks until a counter is as expected, for 20 seconds at most.
  @discardableResult
  func wait(port: Int, _ isThere: ([String: Int]) -> Bool) -> [String: Int] {
    var last: [String: Int] = [:]
    for _ in 0..<200 {
      last = report()[port] ?? [:]
      if isThere(last) || last.isEmpty { break }
      usleep(100_000)
    }
    return last
  }

  /// Stops it, and gives the counters of the end and all lines.
  func finish() -> (counters: [Int: [String: Int]], lines: [String]) {
    let lines = running.finish().lines
    return (Self.counters(lines, "end"), lines)
  }
}

/// `dpdk-testpmd` as a guest: virtio-user in front, a capture file's frames behind it.
struct Guest {
  let running: Running
  private static let memory = ["--no-huge", "-m", "128", "--no-shconf", "--no-telemetry"]

  /// - Parameters:
  ///   - device: options of `net_virtio_user0`, from `path=` on.
  ///   - rx: the capture to send; nil for none.
  ///   - tx: the capture to write what is received to.
  ///   - commands: of testpmd, before forwarding starts.
  init(
    device: String, rx: String?, tx: String, queues: Int = 1, commands: [String] = [],
    folder: Folder, seconds: Int = 60
  ) throws {
    let script = folder.file("commands-\(UInt32.random(in: 0...UInt32.max))")
    try (commands + ["start", ""]).joined(separator: "\n")
      .write(toFile: script, atomically: true, encoding: .utf8)
    let receive = rx.map { Array(repeating: "rx_pcap=\($0)", count: queues) } ?? []
    let send = (0..<queues).map { "tx_pcap=\(tx)" + ($0 == 0 ? "" : ".\($0)") }
    let capture = (["net_pcap0"] + receive + send).joined(separator: ",")
    running = try Running(
      // Its output goes to a pipe, where it would keep lines back.
      ["/usr/bin/stdbuf", "-oL", Places.testpmd] + Self.memory
        + ["--no-pci", "--lcores", "0@(0-1),1@(0-1)", "--vdev", "net_virtio_user0,\(device)"]
        + ["--vdev", capture, "--", "--total-num-mbufs=4096", "--no-flush-rx"]
        + ["--disable-link-check", "--rxq=\(queues)", "--txq=\(queues)", "-i"]
        + ["--cmdline-file=\(script)"], seconds: seconds)
  }

  /// testpmd's commands that leave checksum and segmentation to the device, and take both.
  static let offloading = [
    "port stop all", "port config 0 rx_offload tcp_lro on", "port config 0 rx_offload tcp_cksum on",
    "csum set tcp hw 0", "tso set 1448 0", "port start all", "set fwd csum",
  ]
  /// Those that only take.
  static let accepting = [
    "port stop all", "port config 0 rx_offload tcp_lro on", "port config 0 rx_offload tcp_cksum on",
    "port start all", "set fwd io",
  ]

  /// Asks until the driver has written so many frames to its capture, for 20 seconds at most.
  func wait(written count: Int) {
    for _ in 0..<200 {
      running.say("show port stats 1")
      guard let line = running.wait(for: "  TX-packets:").last else { return }
      let words = line.split(separator: " ")
      if words.count > 1, Int(words[1]) == count { return }
      usleep(100_000)
    }
  }

  func quit() {
    running.say("quit")
    running.finish()
  }
}

import Foundation

/// A host without guests that serves the control API, and namespaces that become its guests: each
/// has one end of a veth pair whose other one, `vmN`, is in the host's. All of it goes when this
/// goes.
final class OneHost {
  let prefix: String
  let folder: URL
  private let isConfined: Bool
  private let workers: Int
  private var daemon: Process?

  /// - Parameters:
  ///   - guests: namespaces, numbered from 1; number N has the address 10.0.0.1N.
  ///   - named: guests that the host file names.
  ///   - devices: runs on DPDK, with these devices waiting for guests; else on the kernel runtime.
  init(
    guests: Int, workers: Int = 1, isConfined: Bool = true, named: String = "[]",
    devices: String? = nil
  ) throws {
    self.isConfined = isConfined
    self.workers = workers
    prefix = "ao\(getpid() % 10_000)\(UInt8.random(in: 16...255))"
    folder = FileManager.default.temporaryDirectory.appending(path: "\(prefix)-one-host")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    self.guests = guests
    try TwoHosts.shell("ip netns add \(host); ip -n \(host) link set lo up")
    for number in 1...guests {
      try TwoHosts.shell("ip netns add \(guest(number))")
      try connect(number)
    }
    try writeFiles(named, devices)
  }

  private func connect(_ number: Int) throws {
    try TwoHosts.shell(
      """
      ip link add vm\(number) netns \(host) type veth peer name eth0 netns \(guest(number))
      ip -n \(host) link set vm\(number) up
      """)
    try configure(number, device: "eth0")
  }

  /// Takes a guest's device away and makes another one of the same name.
  func makeAnew(_ number: Int) throws {
    try TwoHosts.shell("ip -n \(host) link del vm\(number)")
    try connect(number)
  }

  private let guests: Int

  deinit {
    if let daemon { try? Self.signal(daemon, SIGKILL) }
    if let broker = try? String(contentsOfFile: file("run/broker.lock"), encoding: .utf8),
      let id = Int32(broker.trimmingCharacters(in: .whitespacesAndNewlines)), id > 1
    {
      kill(id, SIGTERM)
    }
    _ = try? TwoHosts.shell("ip netns del \(host)")
    for number in 1...guests { _ = try? TwoHosts.shell("ip netns del \(guest(number))") }
    try? FileManager.default.removeItem(at: folder)
  }

  var host: String { "\(prefix)h" }
  func guest(_ number: Int) -> String { "\(prefix)g\(number)" }
  private func file(_ name: String) -> String { folder.appending(path: name).path }

  /// Gives a guest's interface its addresses.
  func configure(_ number: Int, device: String) throws {
    try TwoHosts.shell(
      """
      ip -n \(guest(number)) link set \(device) address 02:00:00:00:00:0\(number) up
      ip -n \(guest(number)) addr replace 10.0.0.1\(number)/24 dev \(device)
      ip netns exec \(guest(number)) ethtool -K \(device) tx off >/dev/null || true
      """)
  }

  private func writeFiles(_ named: String, _ devices: String?) throws {
    let model = """
      vpcs: [{id: v, vni: 7, cidrs: [10.0.0.0/16]}]
      subnets: [{id: s, vpc: v, cidrs: [10.0.0.0/24]}]
      securityGroups:
        - {id: sg, vpc: v, ingress: [{protocol: icmp, from: 0.0.0.0/0}]}

      """
    let hostFile = """
      runtime: \(devices == nil ? "kernel" : "dpdk")
      guests: \(named)
      \(devices.map { "devices: \($0)" } ?? "")
      workers: {count: \(workers)}
      memory: {flows: 65536, nics: 16, buffersPerGuest: 256, hugepages: false, megabytes: 128}
      metrics: 127.0.0.1:9101
      rules: [vpc.yaml]
      confine: \(isConfined)
      runDirectory: \(file("run"))
      control: {stateDirectory: \(file("state"))}

      """
    try model.write(toFile: file("vpc.yaml"), atomically: true, encoding: .utf8)
    try hostFile.write(toFile: file("host.yaml"), atomically: true, encoding: .utf8)
  }

  /// An interface of the model and its port, as a document.
  static func document(_ number: Int, _ port: String) -> String {
    """
    networkInterfaces:
      - {id: eni-\(number), subnet: s, mac: "02:00:00:00:00:0\(number)",
         addresses: [10.0.0.1\(number)], securityGroups: [sg]}
    ports: [{eni: eni-\(number), \(port)}]

    """
  }

  // MARK: The daemon

  /// Starts it and waits until it serves.
  func start() throws {
    _ = FileManager.default.createFile(atPath: file("log"), contents: nil)
    let output = try FileHandle(forWritingTo: URL(filePath: file("log")))
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = [
      "--kill-after=10", "240", "ip", "netns", "exec", host, Places.product("apus"), "run",
      "--config", file("host.yaml"),
    ]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    try process.run()
    daemon = process
    try TwoHosts.eventually("the host serves") {
      if !process.isRunning { throw TwoHosts.Failure(description: try self.log()) }
      return try self.log().contains("serving ")
    }
  }

  func log() throws -> String { try String(contentsOfFile: file("log"), encoding: .utf8) }

  /// Ends it by a signal.
  func end(_ number: Int32) throws {
    guard let daemon else { return }
    self.daemon = nil
    try Self.signal(daemon, number)
    try TwoHosts.eventually("the host ends") { !daemon.isRunning }
  }

  private static func signal(_ daemon: Process, _ number: Int32) throws {
    for child in try children(daemon) { Foundation.kill(child, number) }
  }

  private static func children(_ process: Process) throws -> [Int32] {
    let id = process.processIdentifier
    let children = try String(contentsOfFile: "/proc/\(id)/task/\(id)/children", encoding: .utf8)
    return children.split(separator: " ").compactMap { Int32($0) }
  }

  /// Descriptors that the daemon has open, and kilobytes that it has in memory.
  func level() throws -> (descriptors: Int, kilobytes: Int) {
    guard let daemon, let id = try Self.children(daemon).first else { return (0, 0) }
    let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/fd").count
    let status = try String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    let words = line?.split(separator: " ") ?? []
    return (open, words.count > 1 ? Int(words[1]) ?? 0 : 0)
  }

  /// A counter of a guest's port, nil without that port.
  func portCounter(_ name: String, _ number: Int, _ labels: String = "") throws -> Int? {
    let text = try TwoHosts.shell(
      "ip netns exec \(host) curl -s -f -m 3 http://127.0.0.1:9101/metrics")
    let start = "apus_port_\(name){port=\"eni-\(number)\"\(labels)} "
    return text.split(separator: "\n").first { $0.hasPrefix(start) }
      .flatMap { Int($0.dropFirst(start.count)) }
  }

  /// The process that opens ports for the daemon.
  func opener() throws -> Int32? {
    guard let daemon, let id = try Self.children(daemon).first else { return nil }
    let children = try String(contentsOfFile: "/proc/\(id)/task/\(id)/children", encoding: .utf8)
    return try children.split(separator: " ").compactMap { Int32($0) }.first {
      try String(contentsOfFile: "/proc/\($0)/comm", encoding: .utf8) == "apus-opener\n"
    }
  }

  // MARK: Its clients

  /// Runs a client of the control API.
  @discardableResult
  func control(_ command: String, document: String = "") throws -> String {
    try document.write(toFile: file("document"), atomically: true, encoding: .utf8)
    return try TwoHosts.shell(
      "\(Places.product("apus")) \(command) --address unix:\(file("run/control.sock")) "
        + "<\(file("document")) 2>&1")
  }

  /// What a client is told when it is refused.
  func refusal(_ command: String, document: String) throws -> String {
    do {
      return "not refused: " + (try control(command, document: document))
    } catch let failure as TwoHosts.Failure {
      return failure.description
    }
  }

  func generation() throws -> String {
    let status = try control("status")
    return status.split(separator: "\n").first { $0.contains("generation") }.map(String.init) ?? ""
  }

  func reaches(_ from: Int, _ to: Int) -> Bool {
    let line = "ip netns exec \(guest(from)) ping -c 1 -W 1 10.0.0.1\(to)"
    return (try? TwoHosts.shell(line)) != nil
  }

  /// A guest that asks another one 50 times a second.
  func stream(_ from: Int, _ to: Int) throws -> PingStream {
    try PingStream(in: guest(from), to: "10.0.0.1\(to)")
  }
}

/// Pings that go on beside a test.
final class PingStream {
  private let process = Process()
  private let pipe = Pipe()

  init(in namespace: String, to address: String) throws {
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = [
      "--foreground", "--signal=INT", "200", "ip", "netns", "exec", namespace, "ping", "-q", "-i",
      "0.02", address,
    ]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
  }

  deinit { if process.isRunning { process.terminate() } }

  /// Ends it. Returns how many were sent, and how many of them were answered.
  func end() throws -> (sent: Int, answered: Int) {
    // Signals that a test's threads block are blocked in what they start; ping asks for this one.
    let id = process.processIdentifier
    let children = try String(contentsOfFile: "/proc/\(id)/task/\(id)/children", encoding: .utf8)
    for child in children.split(separator: " ").compactMap({ Int32($0) }) { kill(child, SIGINT) }
    let text = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    let numbers =
      text.split(separator: "\n").first { $0.contains("packets transmitted") }?
      .split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) } ?? []
    return numbers.count > 1 ? (numbers[0], numbers[1]) : (0, 0)
  }
}

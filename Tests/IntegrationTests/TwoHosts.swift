import Foundation

/// Two hosts that are network namespaces joined by a veth pair, each with `apusd` over AF_XDP and a
/// guest that is a namespace of its own. All of it goes when this goes.
final class TwoHosts {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// What the guests' ports are.
  enum Port: String, Sendable {
    /// Made by `apusd`, then moved to the guest.
    case tap
    /// One end of a veth pair, which stays when `apusd` goes.
    case interface
  }

  /// Why this machine cannot run them; nil when it can.
  static let obstacle: String? = {
    if geteuid() != 0 { return "needs root" }
    for tool in ["ip", "ping", "curl", "python3"] where (try? shell("command -v \(tool)")) == nil {
      return "needs \(tool)"
    }
    return nil
  }()

  let prefix: String
  let folder: URL
  private let isIPv6: Bool
  private let encapsulation: String
  private let port: Port
  private let workers: Int
  private let isControlled: Bool
  /// Fields of the host files' `flowLog` beside its directory; nil for none.
  private let flowLog: String?
  /// More rules of the guests' security group.
  private let ingress: String
  private var daemons: [Int: Process] = [:]

  /// - Parameters:
  ///   - encapsulation: `geneve` or `vxlan`.
  ///   - isIPv6: of the underlay.
  ///   - workers: of each daemon, and queues of the underlay's devices.
  ///   - isControlled: the daemons serve the control API.
  ///   - flowLog: fields of a flow log, each with a comma before it; nil for none.
  ///   - ingress: rules that the guests' security group has as well.
  init(
    _ encapsulation: String = "geneve", isIPv6: Bool = false, port: Port = .interface,
    workers: Int = 1, isControlled: Bool = false, flowLog: String? = nil, ingress: [String] = []
  ) throws {
    self.encapsulation = encapsulation
    self.isIPv6 = isIPv6
    self.port = port
    self.workers = workers
    self.isControlled = isControlled
    self.flowLog = flowLog
    self.ingress = ingress.map { "\n      - \($0)" }.joined()
    // Short, because the names of interfaces may have 15 bytes.
    prefix = "at\(getpid() % 10_000)\(UInt8.random(in: 16...255))"
    folder = FileManager.default.temporaryDirectory.appending(path: "\(prefix)-two-hosts")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for number in 1...2 {
      try Self.shell("ip netns add \(host(number)); ip netns add \(guest(number))")
    }
    let queues = "numrxqueues \(workers) numtxqueues \(workers)"
    try Self.shell(
      "ip link add up1 netns \(host(1)) \(queues) type veth peer name up2 netns \(host(2)) \(queues)"
    )
    for number in 1...2 { try setUp(number) }
  }

  deinit {
    for daemon in daemons.values { try? Self.signal(daemon, SIGKILL) }
    for number in 1...2 {
      _ = try? Self.shell("ip netns del \(host(number)); ip netns del \(guest(number))")
    }
    try? FileManager.default.removeItem(at: folder)
  }

  func host(_ number: Int) -> String { "\(prefix)h\(number)" }
  func guest(_ number: Int) -> String { "\(prefix)g\(number)" }

  private func endpoint(_ number: Int) -> String {
    isIPv6 ? "fd00:99::\(number)" : "192.0.2.\(number)"
  }

  private func setUp(_ number: Int) throws {
    let other = 3 - number
    try Self.shell(
      """
      ip -n \(host(number)) link set lo up
      ip -n \(host(number)) link set up\(number) address 02:aa:00:00:00:0\(number) up
      ip -n \(host(number)) addr add \(endpoint(number))/\(isIPv6 ? "64 nodad" : "24") dev up\(number)
      """)
    if port == .interface {
      try Self.shell(
        """
        ip link add vm\(number) netns \(host(number)) type veth peer name eth0 netns \(guest(number))
        ip -n \(host(number)) link set vm\(number) mtu 9000 up
        """)
      try configureGuest(number, device: "eth0")
    }
    let model = """
      host:
        address: \(endpoint(number))
        mac: 02:aa:00:00:00:0\(number)
        gatewayMAC: 02:aa:00:00:00:0\(other)
        encapsulation: \(encapsulation)
      vpcs: [{id: v, vni: 7, cidrs: [10.0.0.0/16, "fd00:10::/56"]}]
      subnets: [{id: s, vpc: v, cidrs: [10.0.0.0/24, "fd00:10::/64"]}]
      securityGroups:
        - id: sg
          vpc: v
          ingress:
            - {protocol: icmp, from: 0.0.0.0/0}
            - {protocol: icmpv6, from: "::/0"}
            - {protocol: udp, ports: 7000-7999, from: [0.0.0.0/0, "::/0"]}\(ingress)
      networkInterfaces:
        - id: eni-\(number)
          subnet: s
          mac: 02:00:00:00:00:0\(number)
          addresses: [10.0.0.1\(number), "fd00:10::1\(number)"]
          securityGroups: [sg]
      mappings:
        - {vpc: v, address: 10.0.0.1\(other), host: "\(endpoint(other))", mac: 02:00:00:00:00:0\(other)}
        - {vpc: v, address: "fd00:10::1\(other)", host: "\(endpoint(other))", mac: 02:00:00:00:00:0\(other)}
      """
    let hostFile = """
      runtime: kernel
      uplink: {interface: up\(number)}
      guests: [{eni: eni-\(number), \(port.rawValue): vm\(number)}]
      workers: {count: \(workers)}
      memory: {flows: 65536}
      rules: [vpc\(number).yaml]
      metrics: 127.0.0.1:9101
      """
    let control = """

      runDirectory: \(file("run\(number)").path)
      control: {stateDirectory: \(file("state\(number)").path)}
      """
    var flows = ""
    if let flowLog {
      try FileManager.default.createDirectory(
        at: flowLogs(number), withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o750])
      flows = "\nflowLog: {directory: \(flowLogs(number).path)\(flowLog)}"
    }
    try model.write(to: file("vpc\(number).yaml"), atomically: true, encoding: .utf8)
    try (hostFile + flows + (isControlled ? control : "")).write(
      to: file("host\(number).yaml"), atomically: true, encoding: .utf8)
  }

  private func configureGuest(_ number: Int, device: String) throws {
    try Self.shell(
      """
      ip -n \(guest(number)) link set \(device) address 02:00:00:00:00:0\(number) mtu 9000 up
      ip -n \(guest(number)) addr add 10.0.0.1\(number)/24 dev \(device)
      ip -n \(guest(number)) addr add fd00:10::1\(number)/64 dev \(device) nodad
      """)
  }

  func file(_ name: String) -> URL { folder.appending(path: name) }
  /// Where a host's flow logs are.
  func flowLogs(_ number: Int) -> URL { file("flow\(number)") }

  // MARK: Daemons

  /// Starts a host's daemon and waits until it serves.
  ///
  /// - Parameter takesOver: from the one that runs, which has ended then. Needs `isControlled`.
  func start(_ number: Int, takesOver: Bool = false) throws {
    let before = takesOver ? daemons[number] : nil
    let log = file("log\(number)")
    FileManager.default.createFile(atPath: log.path, contents: nil)
    let output = try FileHandle(forWritingTo: log)
    let executable = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appending(path: "apus").path
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = [
      "--kill-after=10", "180", "ip", "netns", "exec", host(number), executable, "run", "--config",
      file("host\(number).yaml").path,
    ]
    if takesOver { process.arguments?.append("--takeover") }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    try process.run()
    daemons[number] = process
    try Self.eventually("host \(number) serves: \(log.path)") {
      if !process.isRunning { throw Failure(description: try self.log(number)) }
      return try self.log(number).contains("serving 1 guest")
    }
    if let before {
      try Self.eventually("the one before ends") { !before.isRunning }
    }
    if port == .tap {
      try Self.shell("ip -n \(host(number)) link set vm\(number) netns \(guest(number))")
      try configureGuest(number, device: "vm\(number)")
    }
  }

  func log(_ number: Int) throws -> String {
    try String(contentsOf: file("log\(number)"), encoding: .utf8)
  }

  /// Ends a host's daemon by SIGTERM.
  ///
  /// - Returns: its exit code.
  func stop(_ number: Int) throws -> Int32 {
    guard let daemon = daemons.removeValue(forKey: number) else { return -1 }
    try Self.signal(daemon, SIGTERM)
    try Self.eventually("host \(number) ends") { !daemon.isRunning }
    return daemon.terminationStatus
  }

  /// Ends a host's daemon by SIGKILL.
  func kill(_ number: Int) throws {
    guard let daemon = daemons.removeValue(forKey: number) else { return }
    try Self.signal(daemon, SIGKILL)
    try Self.eventually("host \(number) is dead") { !daemon.isRunning }
  }

  /// Sends a signal to the daemon itself. Its parent `timeout` cannot pass it on: a test's threads
  /// block signals, and programs that they start inherit that.
  private static func signal(_ daemon: Process, _ number: Int32) throws {
    for child in try children(daemon) { Foundation.kill(child, number) }
  }

  private static func children(_ process: Process) throws -> [Int32] {
    let id = process.processIdentifier
    let children = try String(contentsOfFile: "/proc/\(id)/task/\(id)/children", encoding: .utf8)
    return children.split(separator: " ").compactMap { Int32($0) }
  }

  /// What `/proc` says of each thread of a host's daemon (proc_pid_status(5)).
  func threads(_ number: Int) throws -> [[String: String]] {
    guard let daemon = daemons[number] else { return [] }
    return try Self.children(daemon).flatMap { id in
      try FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/task").map { thread in
        let text = try String(contentsOfFile: "/proc/\(id)/task/\(thread)/status", encoding: .utf8)
        return Dictionary(
          text.split(separator: "\n").map { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            let value = parts.dropFirst().joined()
            return (String(parts[0]), value.trimmingCharacters(in: .whitespaces))
          }, uniquingKeysWith: { first, _ in first })
      }
    }
  }

  /// Runs a client of a host's control API.
  ///
  /// - Parameter document: what the client reads as `/dev/stdin`.
  func control(_ number: Int, _ command: String, document: String = "") throws -> String {
    let input = file("document")
    try document.write(to: input, atomically: true, encoding: .utf8)
    let executable = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appending(path: "apus").path
    let socket = file("run\(number)").appending(path: "control.sock").path
    return try Self.shell(
      "\(executable) \(command) --address unix:\(socket) <\(input.path) 2>&1")
  }

  /// Begins a client of a host's control API, which ends by itself within a minute.
  ///
  /// - Parameter output: the file that gets what it prints.
  func startControl(_ number: Int, _ command: String, output: URL) throws -> Process {
    let executable = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appending(path: "apus").path
    let socket = file("run\(number)").appending(path: "control.sock").path
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = [
      "--kill-after=2", "60", "bash", "-c",
      "exec \(executable) \(command) --address unix:\(socket) >\(output.path) 2>&1",
    ]
    process.standardInput = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// The value of a metric; zero without a sample.
  func metric(_ number: Int, _ sample: String) throws -> Int {
    let text = try Self.shell(
      "ip netns exec \(host(number)) curl -s --max-time 5 http://127.0.0.1:9101/metrics")
    let line = text.split(separator: "\n").first { $0.hasPrefix(sample + " ") }
    return line.flatMap { Int($0.dropFirst(sample.count + 1)) } ?? 0
  }

  /// Runs a line of shell in a guest.
  @discardableResult
  func inGuest(_ number: Int, _ line: String) throws -> String {
    try Self.shell("ip netns exec \(guest(number)) \(line)")
  }

  // MARK: Shell

  /// Runs lines of shell.
  ///
  /// - Throws: what they printed, when one fails or they take too long.
  @discardableResult
  static func shell(_ lines: String, seconds: Int = 30) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=2", "\(seconds)", "bash", "-ec", lines]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    let output = String(decoding: data, as: UTF8.self)
    guard process.terminationStatus == 0 else {
      throw Failure(description: "\(lines): exit \(process.terminationStatus): \(output)")
    }
    return output
  }

  /// Waits until something holds, for 30 s at most.
  static func eventually(_ what: String, _ holds: () throws -> Bool) throws {
    for _ in 0..<600 {
      if try holds() { return }
      usleep(50_000)
    }
    throw Failure(description: "never: \(what)")
  }
}

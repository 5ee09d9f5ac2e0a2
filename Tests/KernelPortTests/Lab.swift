import Foundation

/// A program that ran to its end.
struct Program {
  let status: Int32
  let output: String

  /// Runs a line of shell, `seconds` long at most.
  @discardableResult
  static func run(_ line: String, seconds: Int = 20) throws -> Program {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=2", "\(seconds)", "bash", "-ec", line]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return Program(
      status: process.terminationStatus, output: String(decoding: output, as: UTF8.self))
  }

  /// Starts a line of shell and lets it run; the caller waits for it.
  static func start(_ line: String, seconds: Int = 20) throws -> (process: Process, pipe: Pipe) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=2", "\(seconds)", "bash", "-ec", line]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    return (process, pipe)
  }
}

struct LabError: Error { var text: String }

/// Two network namespaces that go when this goes: `host`, where Apus's ports are, and `peer`.
final class Lab {
  let host: String
  let peer: String

  /// - Parameter setup: lines of shell; `HOST` and `PEER` stand for the names.
  init(_ name: String, _ setup: String) throws {
    host = "akp\(getpid())\(name)h"
    peer = "akp\(getpid())\(name)p"
    try sh("ip netns add HOST; ip netns add PEER; ip -n HOST link set lo up")
    try sh(setup)
  }

  deinit {
    _ = try? Program.run("ip netns del \(host); ip netns del \(peer)")
  }

  /// Runs lines of shell that must succeed.
  @discardableResult
  func sh(_ lines: String, seconds: Int = 20) throws -> String {
    let done = try Program.run(fill(lines), seconds: seconds)
    if done.status != 0 { throw LabError(text: "\(lines): \(done.status): \(done.output)") }
    return done.output
  }

  func start(_ line: String, seconds: Int = 20) throws -> (process: Process, pipe: Pipe) {
    try Program.start(fill(line), seconds: seconds)
  }

  private func fill(_ lines: String) -> String {
    lines.replacingOccurrences(of: "HOST", with: host)
      .replacingOccurrences(of: "PEER", with: peer)
  }

  /// Runs a function whose thread is in the host's namespace.
  func inHost<T>(_ body: () throws -> T) throws -> T { try Self.inNamespace(host, body) }

  /// The C library's setns, which its Swift module leaves out.
  static func inNamespace<T>(_ name: String, _ body: () throws -> T) throws -> T {
    typealias Enter = @convention(c) (Int32, Int32) -> Int32
    guard let symbol = dlsym(nil, "setns") else { throw LabError(text: "no setns") }
    let enter = unsafeBitCast(symbol, to: Enter.self)
    let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    let target = open("/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
    defer {
      close(home)
      close(target)
    }
    guard enter(target, 0) == 0 else { throw LabError(text: "setns \(name): \(errno)") }
    defer { precondition(enter(home, 0) == 0) }
    return try body()
  }

  /// Two namespaces joined by a veth pair: `u0` with 10.9.0.1, 10.9.0.3 and fd09::1 in the host's,
  /// `u1` with 10.9.0.2 and fd09::2 in the peer's.
  static func joined(_ name: String, queues: Int = 1) throws -> Lab {
    let count = "numrxqueues \(queues) numtxqueues \(queues)"
    return try Lab(
      name,
      """
      ip link add u0 netns HOST \(count) type veth peer name u1 netns PEER \(count)
      ip -n HOST addr add 10.9.0.1/24 dev u0; ip -n HOST addr add 10.9.0.3/24 dev u0
      ip -n HOST addr add fd09::1/64 dev u0 nodad; ip -n HOST addr add fd09::3/64 dev u0 nodad
      ip -n PEER addr add 10.9.0.2/24 dev u1; ip -n PEER addr add fd09::2/64 dev u1 nodad
      ip -n HOST link set u0 up; ip -n PEER link set u1 up
      ip netns exec PEER ethtool -K u1 tx off >/dev/null
      """)
  }

  /// Why these tests cannot run here; nil when they can.
  static let obstacle: String? = {
    if getuid() != 0 { return "needs root" }
    for program in ["ip", "ethtool", "python3", "ping"]
    where (try? Program.run("command -v \(program)").status) != 0 {
      return "needs \(program)"
    }
    return nil
  }()
}

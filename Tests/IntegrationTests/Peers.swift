import Foundation

/// Another implementation of the tunnel as the other host, in a namespace of its own
/// (`scripts/peers/peer`).
struct UnderlayPeer {
  enum Kind: String, CaseIterable, Sendable {
    case linuxVXLAN = "linux-vxlan"
    case ovsGeneve = "ovs-geneve"
    case ovsVXLAN = "ovs-vxlan"

    /// Why this machine cannot run it, nil when it can.
    var obstacle: String? {
      guard let check = try? PeerProgram.run([PeerProgram.script, "check", rawValue], seconds: 20)
      else { return "\(PeerProgram.script) cannot run" }
      return check.status == 0
        ? nil : check.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
  }

  /// A host of the underlay.
  struct Host: Sendable {
    var address: String
    var prefixLength: Int
    var mac: String

    static let v4 = [
      Host(address: "192.0.2.1", prefixLength: 24, mac: "02:00:5e:00:53:01"),
      Host(address: "192.0.2.2", prefixLength: 24, mac: "02:00:5e:00:53:02"),
    ]
    static let v6 = [
      Host(address: "2001:db8::1", prefixLength: 64, mac: "02:00:5e:00:53:01"),
      Host(address: "2001:db8::2", prefixLength: 64, mac: "02:00:5e:00:53:02"),
    ]
  }

  /// Who sends and receives inner packets.
  struct Endpoint: Sendable {
    var mac: String
    /// Address and prefix length, one for each family.
    var v4: String
    var v6: String

    static let all = [
      Endpoint(mac: "02:00:00:00:00:0a", v4: "10.0.1.10", v6: "fd00::a"),
      Endpoint(mac: "02:00:00:00:00:14", v4: "10.0.1.20", v6: "fd00::14"),
    ]
  }

  let name: String

  /// Starts a peer whose neighbours, in the underlay and behind the tunnel, are set for good.
  ///
  /// - Parameters:
  ///   - namespace: gets the other end of the underlay's veth pair, called `device`.
  ///   - options: more for the script, such as `--underlay-mtu`.
  static func up(
    _ kind: Kind, name: String, namespace: String, device: String, host: Host, remote: Host,
    vni: Int, endpoint: Endpoint, others: [Endpoint], options: [String] = []
  ) throws -> UnderlayPeer {
    var command = [PeerProgram.script, "up", kind.rawValue, name]
    command += ["--link", "\(namespace):\(device)"]
    command += ["--address", "\(host.address)/\(host.prefixLength)", "--underlay-mac", host.mac]
    command += ["--remote", "\(remote.address)=\(remote.mac)", "--vni", "\(vni)"]
    command += ["--inner-mac", endpoint.mac]
    command += ["--inner", "\(endpoint.v4)/24", "--inner", "\(endpoint.v6)/64"]
    for other in others {
      command += [
        "--neighbor", "\(other.v4)=\(other.mac)", "--neighbor", "\(other.v6)=\(other.mac)",
      ]
    }
    let outcome = try PeerProgram.run(command + options, seconds: 60)
    if outcome.status != 0 { throw PeerFailure(command: command, output: outcome.output) }
    return UnderlayPeer(name: name)
  }

  /// Runs a program as the endpoint, to its end.
  func exec(_ command: [String], seconds: Int) throws -> PeerProgram {
    try PeerProgram.run([PeerProgram.script, "exec", name] + command, seconds: seconds)
  }

  /// Removes the peer with all it made; it need not be there.
  func down() { _ = try? PeerProgram.run([PeerProgram.script, "down", name], seconds: 30) }
}

struct PeerFailure: Error, CustomStringConvertible {
  var command: [String]
  var output: String
  var description: String { "\(command.joined(separator: " ")): \(output)" }
}

/// A program that ran to its end.
struct PeerProgram {
  var status: Int32
  /// Standard output and standard error, as they came.
  var output: String

  static let script = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "scripts/peers/peer")
    .path

  /// Runs a program and waits; past the limit `timeout` ends it, and the status is 124.
  ///
  /// The output goes to a file: what the program leaves running may hold it open.
  static func run(_ command: [String], seconds: Int) throws -> PeerProgram {
    let file = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString)")
    guard FileManager.default.createFile(atPath: file.path, contents: nil) else {
      throw PeerFailure(command: command, output: "\(file.path) cannot be written")
    }
    defer { try? FileManager.default.removeItem(at: file) }
    let output = try FileHandle(forWritingTo: file)
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/timeout")
    process.arguments = ["--kill-after=5", "\(seconds)"] + command
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try withoutBlockedSignals { try process.run() }
    process.waitUntilExit()
    return PeerProgram(
      status: process.terminationStatus,
      output: String(decoding: try Data(contentsOf: file), as: UTF8.self))
  }

  /// Tests run on threads that block almost all signals, and a child inherits that: SIGTERM would
  /// end neither the program nor the daemons that it starts.
  private static func withoutBlockedSignals(_ body: () throws -> Void) rethrows {
    var none = sigset_t()
    var before = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
  }
}

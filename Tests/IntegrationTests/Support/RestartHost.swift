import Foundation
import Testing

/// A host whose data plane a test restarts: `apusd` on DPDK without huge pages, its broker, a guest
/// on vhost-user, and two namespaces as further guests, the peer and the neighbour.
///
/// The namespaces stand behind veth pairs, which stay when the data plane goes.
final class RestartHost: @unchecked Sendable {
  static let guestAddress = "10.0.1.10"
  static let peerAddress = "10.0.1.20"
  static let neighborAddress = "10.0.1.30"

  let folder: Folder
  let host: Namespace
  let peer: Namespace
  let neighbor: Namespace
  /// The data plane that serves; used by one task only.
  private(set) var dataPlane: BackgroundProgram
  private var starts = 0
  private let configuration: String

  /// Makes a host for a test's work and removes it afterwards, whatever happened.
  ///
  /// - Parameter more: lines of further guests in the host file; `FOLDER` in them is the test's own.
  static func with<Value>(
    _ label: String, more: String = "", _ body: (RestartHost) async throws -> Value
  ) async throws -> Value {
    try await Namespace.with("\(label)-h") { host in
      try await Namespace.with("\(label)-p") { peer in
        try await Namespace.with("\(label)-n") { neighbor in
          try await connect(peer, to: host, "peer0", mac: "02:00:00:00:00:14", peerAddress)
          try await connect(neighbor, to: host, "near0", mac: "02:00:00:00:00:1e", neighborAddress)
          let machine = try RestartHost(
            host: host, peer: peer, neighbor: neighbor, label: label, more: more)
          do {
            try await machine.awaitService()
            let value = try await body(machine)
            await machine.end()
            return value
          } catch {
            await machine.end()
            throw LabError(description: "\(error)\napusd said: \(machine.log)")
          }
        }
      }
    }
  }

  private init(
    host: Namespace, peer: Namespace, neighbor: Namespace, label: String, more: String
  ) throws {
    (self.host, self.peer, self.neighbor) = (host, peer, neighbor)
    folder = try Folder(label)
    let text = """
      version: 1
      runtime: dpdk
      guests:
        - {eni: eni-guest, vhostUser: {socket: \(folder.path("guest.sock"))}}
        - {eni: eni-peer, device: "net_af_packet0,iface=peer0"}
        - {eni: eni-neighbor, device: "net_af_packet1,iface=near0"}
      \(more.replacing("FOLDER", with: folder.url.path))
      memory: {flows: 65536, buffersPerGuest: 1024, hugepages: false, megabytes: 128}
      rules: [\(Places.models.appending(path: "restart.yaml").path)]
      metrics: 127.0.0.1:9101
      runDirectory: \(folder.path("run"))

      """
    configuration = try folder.write(text, to: "host.yaml")
    dataPlane = try Self.start(host, configuration, [], log: folder.url("apusd-0.log"))
  }

  /// A veth pair; the namespace's end has the MAC and IP addresses.
  private static func connect(
    _ namespace: Namespace, to host: Namespace, _ interface: String, mac: String, _ address: String
  ) async throws {
    try await host.ip(
      "link add \(interface) type veth peer name eth0 netns \(namespace.name)")
    _ = try await host.exec("echo 1 >/proc/sys/net/ipv6/conf/\(interface)/disable_ipv6")
    _ = try await namespace.exec("echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
    // A packet socket sees frames as they are handed over: their checksums must be there.
    _ = try await namespace.exec("ethtool -K eth0 tx off")
    try await namespace.ip("link set eth0 address \(mac)")
    try await namespace.ip("addr add \(address)/24 dev eth0")
    try await namespace.ip("link set eth0 up")
    try await host.ip("link set \(interface) up")
  }

  // MARK: The data plane

  private static func start(
    _ host: Namespace, _ configuration: String, _ options: [String], log: URL
  ) throws -> BackgroundProgram {
    try BackgroundProgram(
      host.entry + [program, "--config", configuration] + options, log: log, seconds: 3600)
  }

  private static let program =
    ProcessInfo.processInfo.environment["APUS_PRODUCTS"].map { $0 + "/apusd" }
    ?? Places.product("apusd")

  var log: String {
    (max(0, starts - 2)...starts).map {
      (try? String(contentsOf: folder.url("apusd-\($0).log"), encoding: .utf8)) ?? ""
    }.joined()
  }

  /// Starts a data plane; the one before has ended, or is taken over from.
  private func startNext(_ options: [String] = []) throws -> BackgroundProgram {
    starts += 1
    return try Self.start(
      host, configuration, options, log: folder.url("apusd-\(starts).log"))
  }

  /// Waits until the data plane says that it serves.
  func awaitService() async throws {
    let program = dataPlane
    let serves = try await Waiting.until(seconds: 60, every: .milliseconds(20)) {
      !program.isAlive || program.output.contains("serving")
    }
    guard serves, program.isAlive else {
      throw LabError(description: "apusd does not serve: \(program.output)")
    }
  }

  /// Ends the data plane in order and starts another when it is gone.
  func stopAndStart() async throws {
    dataPlane.signal(SIGTERM)
    try await startAfterEnd()
  }

  /// Kills the data plane and starts another.
  func killAndStart() async throws {
    dataPlane.signal(SIGKILL)
    try await startAfterEnd()
  }

  private func startAfterEnd() async throws {
    let program = dataPlane
    let ended = try await Waiting.until(seconds: 20, every: .milliseconds(1)) { !program.isAlive }
    guard ended else { throw LabError(description: "apusd does not end") }
    dataPlane = try startNext()
    try await awaitService()
  }

  /// Starts a data plane that takes over from the one that serves.
  func takeOver() async throws {
    let before = dataPlane
    dataPlane = try startNext(["--takeover"])
    try await awaitService()
    let ended = try await Waiting.until(seconds: 20) { !before.isAlive }
    guard ended, before.status == 0 else {
      throw LabError(description: "the one before did not end well: \(before.output)")
    }
  }

  /// The process in a lock file of the run directory.
  func process(_ lock: String) throws -> Int32 {
    let text = try String(contentsOfFile: folder.path("run/\(lock)"), encoding: .utf8)
    guard let id = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw LabError(description: "\(lock) holds no process: \(text)")
    }
    return id
  }

  private func end() async {
    await dataPlane.end(within: 20)
    guard let broker = try? process("broker.lock") else { return }
    kill(broker, SIGTERM)
    _ = try? await Waiting.until(seconds: 10) { kill(broker, 0) != 0 }
  }

  // MARK: Its state

  /// Resources that must not grow from one restart to the next.
  struct Level: Equatable, CustomStringConvertible {
    var brokerDescriptors: Int
    var dataPlaneDescriptors: Int
    var buffersInUse: Int

    var description: String {
      "descriptors: broker \(brokerDescriptors), data plane \(dataPlaneDescriptors); "
        + "buffers in use: \(buffersInUse)"
    }
  }

  func level() async throws -> Level {
    let inUse = try await metrics { $0.hasPrefix("apus_port_buffers_in_use{") }
    return Level(
      brokerDescriptors: try Self.descriptors(of: process("broker.lock")),
      dataPlaneDescriptors: try Self.descriptors(of: process("data-plane.lock")),
      buffersInUse: inUse.reduce(0, +))
  }

  private static func descriptors(of process: Int32) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
  }

  /// The numbers of some lines of the metrics.
  func metrics(_ isWanted: (Substring) -> Bool) async throws -> [Int] {
    let answer = try await host.exec("curl -s -f -m 3 http://127.0.0.1:9101/metrics")
    guard answer.status == 0 else { throw LabError(description: "no metrics: \(answer.output)") }
    return answer.output.split(separator: "\n").filter(isWanted).compactMap {
      $0.split(separator: " ").last.flatMap { Int($0) }
    }
  }
}

import Foundation

/// A small Linux in QEMU (`scripts/guest`), whose shell a test commands over a serial port.
///
/// Its network card comes up without an address. Commands run one after the other; text that is to
/// run on beside them ends in `&` with its output redirected.
final class Guest: Sendable {
  /// What the guest's network card is connected to.
  enum Card: Sendable {
    case none
    /// A tap device, of the namespace that QEMU runs in.
    case tap(String)
    /// QEMU listens on this socket, and boots when the data plane has connected.
    case vhostUser(socket: String)
  }

  struct Parameters: Sendable {
    var card: Card
    var mac = "02:00:00:00:00:0a"
    /// Pairs of queues.
    var queues = 1
    var cpus = 1
    var megabytes = 256
    /// Where QEMU runs; nil for the namespace of the tests.
    var namespace: Namespace?
    /// More options of the card, such as `mrg_rxbuf=off,host_mtu=9000`.
    var device: String?
    /// After these QEMU is ended, whatever the test does.
    var lifetime = 600
  }

  struct Answer: Sendable {
    /// As the shell's `$?`; 143 when the command ran out of time.
    let status: Int
    /// Standard output and standard error.
    let output: String
  }

  private let qemu: BackgroundProgram
  private let folder: URL
  private let agent: GuestAgent

  private init(qemu: BackgroundProgram, folder: URL, agent: GuestAgent) {
    self.qemu = qemu
    self.folder = folder
    self.agent = agent
  }

  deinit {
    qemu.signal(SIGKILL)
    try? FileManager.default.removeItem(at: folder)
  }

  /// Starts QEMU and waits until the guest takes commands: some seconds on an idle machine.
  ///
  /// - Throws: `LabError` with the guest's console when it does not come up within two minutes.
  static func boot(_ parameters: Parameters) async throws -> Guest {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "apus-guest-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let socket = folder.appending(path: "control").path
    do {
      let qemu = try BackgroundProgram(
        arguments(parameters, folder: folder), log: folder.appending(path: "qemu"),
        seconds: parameters.lifetime)
      let agent = GuestAgent()
      let guest = Guest(qemu: qemu, folder: folder, agent: agent)
      do {
        try await agent.connect(to: socket, seconds: 120) { qemu.isAlive }
      } catch {
        throw LabError(description: "the guest did not boot: \(error)\n\(guest.console)")
      }
      return guest
    } catch {
      try? FileManager.default.removeItem(at: folder)
      throw error
    }
  }

  /// Boots a guest for a test's work and ends it afterwards, whatever happened.
  static func with<Value>(
    _ parameters: Parameters, _ body: (Guest) async throws -> Value
  ) async throws -> Value {
    let guest = try await boot(parameters)
    do {
      let value = try await body(guest)
      await guest.end()
      return value
    } catch {
      await guest.end()
      throw error
    }
  }

  private static func arguments(_ parameters: Parameters, folder: URL) -> [String] {
    var arguments = [
      Places.guest, "boot", "--mac", parameters.mac, "--queues", "\(parameters.queues)",
      "--cpus", "\(parameters.cpus)", "--memory", "\(parameters.megabytes)",
      "--control", folder.appending(path: "control").path,
      "--log", folder.appending(path: "console").path,
    ]
    switch parameters.card {
    case .none: break
    case .tap(let name): arguments += ["--tap", name]
    case .vhostUser(let socket): arguments += ["--vhost-user", socket]
    }
    if let namespace = parameters.namespace { arguments += ["--netns", namespace.name] }
    if let device = parameters.device { arguments += ["--device", device] }
    return arguments
  }

  var isAlive: Bool { qemu.isAlive }

  /// The kernel's messages, and QEMU's own.
  var console: String {
    let kernel = try? String(contentsOf: folder.appending(path: "console"), encoding: .utf8)
    return qemu.output + (kernel ?? "")
  }

  /// Runs a shell's text in the guest.
  ///
  /// - Parameter timeout: seconds of the guest's clock, after which the command is ended there.
  /// - Throws: `LabError` when no answer comes long after that.
  func run(_ command: String, timeout: Int = 20) async throws -> Answer {
    try await agent.run(command, timeout: timeout)
  }

  /// Runs what has to succeed in the guest, and returns its output.
  @discardableResult
  func mustRun(_ command: String, timeout: Int = 20) async throws -> String {
    let answer = try await run(command, timeout: timeout)
    guard answer.status == 0 else {
      throw LabError(
        description: "in the guest: \(command): \(answer.status): \(answer.output)")
    }
    return answer.output
  }

  /// Ends QEMU at once, as a crash would.
  func kill() { qemu.signal(SIGKILL) }

  /// Ends QEMU in order and removes the guest's files.
  func end() async {
    await qemu.end()
    try? FileManager.default.removeItem(at: folder)
  }
}

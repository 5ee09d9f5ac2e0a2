import Foundation

/// `apus run` beside a test, in a network namespace.
final class Apus: Sendable {
  enum Runtime: String, Sendable, CaseIterable { case kernel, dpdk }

  private let program: BackgroundProgram
  private let namespace: Namespace
  private let folder: Folder

  private init(program: BackgroundProgram, namespace: Namespace, folder: Folder) {
    self.program = program
    self.namespace = namespace
    self.folder = folder
  }

  /// Starts it and waits until it serves its counters.
  ///
  /// - Parameters:
  ///   - host: the host file's text, without `metrics`.
  ///   - model: the path of the rules.
  ///   - folder: gets the host file, the log and the broker's sockets.
  ///   - namespace: where it runs.
  /// - Throws: `LabError` with its log when it ends, or is not there within 60 s.
  static func start(
    host: String, model: String, folder: Folder, in namespace: Namespace
  ) async throws -> Apus {
    let configuration = try folder.write(host, to: "host.yaml")
    let program = try BackgroundProgram(
      namespace.entry + [
        "env", "APUS_RUN_DIR=\(folder.path("run"))", Places.product("apus"), "run", "--config",
        configuration, "--rules", model, "--metrics", "127.0.0.1:9101",
      ], log: folder.url("apus-\(UUID().uuidString.prefix(4)).log"))
    let apus = Apus(program: program, namespace: namespace, folder: folder)
    let started = try await Waiting.until(seconds: 60, every: .milliseconds(200)) {
      guard program.isAlive else { return true }
      return try await apus.metrics() != nil
    }
    guard started, program.isAlive else {
      await apus.end()
      throw LabError(description: "apus run did not start: \(program.output)")
    }
    return apus
  }

  /// Starts it for a test's work and ends it afterwards, whatever happened.
  static func with<Value>(
    host: String, model: String, folder: Folder, in namespace: Namespace,
    _ body: (Apus) async throws -> Value
  ) async throws -> Value {
    let apus = try await start(host: host, model: model, folder: folder, in: namespace)
    do {
      let value = try await body(apus)
      await apus.end()
      return value
    } catch {
      await apus.end()
      throw LabError(description: "\(error)\napus run said: \(apus.log)")
    }
  }

  var isAlive: Bool { program.isAlive }
  var log: String { program.output }

  /// Asks it to end, and then its broker, which would outlive it.
  func end() async {
    program.signal(SIGTERM)
    // `Process` waits for the last that holds its descriptors: the broker does.
    _ = try? await Waiting.until(seconds: 20) { !self.isAlive || self.log.contains("] ended") }
    let lock = try? String(contentsOf: folder.url("run/broker.lock"), encoding: .utf8)
    if let broker = lock.flatMap({ pid_t($0.trimmingCharacters(in: .whitespacesAndNewlines)) }) {
      kill(broker, SIGTERM)
    }
    await program.end(within: 20)
  }

  /// Its counters in OpenMetrics text; nil when it does not answer.
  func metrics() async throws -> String? {
    let answer = try await namespace.exec(
      "curl -s -f -m 3 http://127.0.0.1:9101/metrics", seconds: 5)
    return answer.status == 0 ? answer.output : nil
  }

  /// What a sample of the metrics says, 0 when it is not there.
  func count(_ sample: String) async throws -> Int {
    let lines = try await metrics()?.split(separator: "\n") ?? []
    let line = lines.first { $0.hasPrefix(sample + " ") }
    return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
  }

  /// The frames that a port dropped for a reason.
  func portDrops(_ port: String, _ reason: String) async throws -> Int {
    let lines = try await metrics()?.split(separator: "\n") ?? []
    let line = lines.first {
      $0.hasPrefix("apus_port_drops_total{") && $0.contains("port=\"\(port)\"")
        && $0.contains("reason=\"\(reason)\"")
    }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  }

  /// The data plane's process.
  func process() throws -> pid_t {
    let lock = try String(contentsOf: folder.url("run/data-plane.lock"), encoding: .utf8)
    guard let number = pid_t(lock.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw LabError(description: "no process in data-plane.lock: \(lock)")
    }
    return number
  }

  /// Memory that is resident, in KiB.
  func resident() async throws -> Int {
    let process = try process()
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    guard let number = status.captures("VmRSS:\\s+([0-9]+)").first.flatMap({ Int($0) }) else {
      throw LabError(description: "no VmRSS of \(process)")
    }
    return number
  }

  /// The packets that a NIC lost for a reason.
  func drops(_ networkInterface: String, _ reason: String) async throws -> Int {
    let lines = try await metrics()?.split(separator: "\n") ?? []
    let line = lines.first {
      $0.hasPrefix("apus_drops_total{") && $0.contains("eni=\"\(networkInterface)\"")
        && $0.contains("reason=\"\(reason)\"")
    }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  }
}

import ControlAPI
import Controller
import Daemon
import Dispatch
import FoundationEssentials
import HostFile
import HostPlan
import Synchronization
import VPCModel

/// Serves the control API of a host: the controller over its state directory, and the sockets.
final class ControlHost: ControlPoint {
  /// What the host file's own rules are applied as, when there is no state yet.
  private static let hostFile = Caller(
    name: "host file", proof: .none, permissions: [.apply, .ports])
  /// Seconds that the sockets may take to be there, and calls to end.
  private static let patience = 10

  private let plan: ControlPlan
  private let runtime: HostPlan.Runtime
  private var server: ControlServer?
  private var controller: Controller?
  private let ended = DispatchSemaphore(value: 0)

  /// Model files and ports that a host without any state begins with.
  private let rules: [String]
  private let ports: [GuestPlan]

  /// nil when the host file asks for no API.
  init?(_ configuration: HostConfiguration) {
    guard let plan = configuration.control else { return nil }
    self.plan = plan
    runtime = configuration.plan.runtime
    rules = configuration.rules
    ports = configuration.plan.guests
  }

  // MARK: Begin

  func begin(_ dataPlane: any DataPlane) throws(DaemonFailure) {
    let configuration = ControllerConfiguration(
      stateDirectory: plan.stateDirectory, version: ProgramVersion.text, runtime: runtime,
      hostFilePorts: ports)
    let (rules, ports) = (rules, ports)
    let begun = Self.wait { () async throws(ControlError) -> Controller in
      // A predecessor that was asked to leave may still hold the state directory for a moment.
      let storage = try await ControllerStorage.open(
        configuration, patience: .seconds(Self.patience))
      let controller = Controller(storage, dataPlane: dataPlane)
      if storage.restored == nil {
        let named = ports.map { GuestWriter.json($0) }.joined(separator: ", ")
        let listed = ModelDocument(name: "the host file", text: "{\"ports\": [\(named)]}")
        let request = ChangeRequest(.whole(try rules.map(Self.document) + [listed]))
        _ = try await controller.apply(request, by: Self.hostFile)
      } else {
        do throws(DataPlaneError) { try await controller.start() } catch {
          throw .unavailable(
            why: "the stored state does not fit the host file: \(error)",
            advice: "give it rules with the same host, or move \(configuration.stateDirectory) away"
          )
        }
      }
      return controller
    }
    let controller = try Self.take(begun)
    self.controller = controller
    try listen(controller)
  }

  private static func document(_ path: String) throws(ControlError) -> ModelDocument {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw .invalid(["\(path): cannot be read"])
    }
    return ModelDocument(name: path, text: text)
  }

  private func listen(_ controller: Controller) throws(DaemonFailure) {
    var configuration = ControlServer.Configuration(socket: plan.socket)
    for (user, permissions) in plan.users {
      configuration.policy.users[user, default: []].formUnion(permissions)
    }
    if let tls = plan.tls {
      configuration.policy.certificates = tls.identities
      configuration.tls = ControlServer.TLSEndpoint(
        host: tls.address, port: tls.port,
        files: TLSFiles(
          certificates: tls.certificates, key: tls.key, authorities: tls.authorities))
    }
    let server: ControlServer
    do { server = try ControlServer(configuration, plane: controller, audit: controller) } catch {
      throw DaemonFailure(.resource, what: "control API", why: error.text)
    }
    let outcome = Outcome()
    let isReady = DispatchSemaphore(value: 0)
    let ended = ended
    Task.detached {
      do {
        try await server.run { _ in isReady.signal() }
      } catch {
        outcome.fail("\((error as? ServerError)?.text ?? "\(error)")")
        isReady.signal()
      }
      ended.signal()
    }
    let inTime = isReady.wait(timeout: .now() + .seconds(Self.patience)) == .success
    if let why = outcome.failure ?? (inTime ? nil : "the sockets are not there in time") {
      throw DaemonFailure(.resource, what: "control API at \(plan.socket)", why: why)
    }
    self.server = server
  }

  // MARK: End

  func end() {
    guard let server else { return }
    server.beginGracefulShutdown()
    // Whoever does not let go of a call is cut off with the process.
    let (controller, ended) = (controller, ended)
    Task.detached {
      await controller?.stop()
      ended.signal()
    }
    for _ in 0..<2 { _ = ended.wait(timeout: .now() + .seconds(Self.patience)) }
  }

  // MARK: From the main thread

  private final class Outcome: Sendable {
    private let text = Mutex<String?>(nil)
    func fail(_ why: String) { text.withLock { $0 = why } }
    var failure: String? { text.withLock { $0 } }
  }

  private final class Box<Value: Sendable>: Sendable {
    let value = Mutex<Result<Value, ControlError>?>(nil)
  }

  /// Runs something that waits, on threads of its own; the main thread has nothing else to do yet.
  private static func wait<Value: Sendable>(
    _ body: @escaping @Sendable () async throws(ControlError) -> Value
  ) -> Result<Value, ControlError>? {
    let box = Box<Value>()
    let done = DispatchSemaphore(value: 0)
    Task.detached {
      let result: Result<Value, ControlError>
      do throws(ControlError) { result = .success(try await body()) } catch {
        result = .failure(error)
      }
      box.value.withLock { $0 = result }
      done.signal()
    }
    done.wait()
    return box.value.withLock { $0 }
  }

  private static func take<Value>(
    _ result: Result<Value, ControlError>?
  ) throws(DaemonFailure) -> Value {
    switch result {
    case .success(let value): return value
    case .failure(.invalid(let lines)): throw DaemonFailure(.refused, lines)
    case .failure(.unavailable(let why, let advice)):
      throw DaemonFailure(.resource, what: "control API", why: why, advice: advice)
    case .failure(let error):
      throw DaemonFailure(.refused, what: "control API", why: "\(error)")
    case nil:
      throw DaemonFailure(
        .defect, what: "control API", why: "no answer", advice: "please report it")
    }
  }
}

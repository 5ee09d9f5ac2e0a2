import Controller
import ControllerTestSupport
import Foundation
import HostPlan

/// A controller over a data plane that is none, in a directory of its own.
final class Desk: Sendable {
  let directory: String
  let dataPlane: FakeDataPlane
  let controller: Controller
  let storage: ControllerStorage

  static let administrator = Rules.administrator

  init(
    _ directory: String = Desk.newDirectory(), limits: ControllerLimits = ControllerLimits()
  ) async throws {
    self.directory = directory
    storage = try await ControllerStorage.open(
      ControllerConfiguration(
        stateDirectory: directory, version: "1.2.3", runtime: .kernel, limits: limits))
    dataPlane = FakeDataPlane()
    controller = Controller(storage, dataPlane: dataPlane)
    try await controller.start()
  }

  /// Another controller on the same directory, after this one has ended.
  func restarted() async throws -> Desk {
    await controller.stop()
    return try await Desk(directory)
  }

  static func newDirectory() -> String {
    FileManager.default.temporaryDirectory.appending(path: "apus-controller-\(UUID())").path
  }

  func remove() { try? FileManager.default.removeItem(atPath: directory) }

  @discardableResult
  func apply(_ request: ChangeRequest, by caller: Caller = administrator) async throws
    -> ChangeOutcome
  {
    try await controller.apply(request, by: caller)
  }

  func status() async throws -> ControlStatus {
    try await controller.status(by: Self.administrator)
  }

  /// All objects as `KIND/ID JSON` lines.
  func objects() async throws -> [String] {
    try await controller.objects(nil, ids: [], by: Self.administrator).items.map {
      "\($0.reference) \($0.json)"
    }
  }

  /// The error that a call ends with.
  func refusal(of request: ChangeRequest, by caller: Caller = administrator) async -> ControlError?
  {
    do throws(ControlError) {
      _ = try await controller.apply(request, by: caller)
      return nil
    } catch {
      return error
    }
  }

  /// The records of the audit log, a line each.
  func audit() throws -> [String] {
    let folder = directory + "/audit"
    return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().flatMap { name in
      try String(contentsOfFile: folder + "/" + name, encoding: .utf8).split(separator: "\n")
        .map(String.init)
    }
  }
}

/// Runs a test with a desk, and removes its directory.
func withDesk(
  limits: ControllerLimits = ControllerLimits(), _ body: (Desk) async throws -> Void
) async throws {
  let desk = try await Desk(limits: limits)
  defer { desk.remove() }
  try await body(desk)
}

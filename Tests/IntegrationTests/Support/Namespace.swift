import Foundation
import Testing

/// A network namespace of this test's own.
struct Namespace: Sendable {
  let name: String

  /// Creates it, with its loopback up.
  ///
  /// - Parameter label: what it is for; the name is made unique by the process id.
  /// - Throws: `LabError` when `ip` refuses.
  static func create(_ label: String) async throws -> Namespace {
    let namespace = Namespace(name: "apus-\(label)-\(getpid())")
    try await LabError.unlessDone(["ip", "netns", "add", namespace.name])
    try await namespace.ip("link set lo up")
    return namespace
  }

  /// Runs a test's work in a new namespace and removes it afterwards, whatever happened.
  static func with<Value>(
    _ label: String, _ body: (Namespace) async throws -> Value
  ) async throws -> Value {
    let namespace = try await create(label)
    do {
      let value = try await body(namespace)
      await namespace.remove()
      return value
    } catch {
      await namespace.remove()
      throw error
    }
  }

  func remove() async {
    _ = try? await Program.run(["ip", "netns", "del", name])
  }

  /// What has to stand before a command so that it runs here.
  var entry: [String] { ["ip", "netns", "exec", name] }

  /// Runs a shell's text here.
  func exec(_ command: String, seconds: Int = 20) async throws -> Program {
    try await Program.run(entry + ["sh", "-c", command], seconds: seconds)
  }

  /// Sets something with `ip`, such as `link set lo up`; throws when it is refused.
  func ip(_ arguments: String) async throws {
    let words = arguments.split(separator: " ").map(String.init)
    try await LabError.unlessDone(["ip", "-n", name] + words)
  }
}

/// The test's surroundings could not be made, or a guest does not answer.
struct LabError: Error, CustomStringConvertible {
  let description: String

  /// Runs a program that has to succeed.
  static func unlessDone(_ command: [String]) async throws {
    let program = try await Program.run(command)
    guard program.status == 0 else {
      throw LabError(
        description: "\(command.joined(separator: " ")): \(program.status): \(program.output)")
    }
  }
}

/// What this machine can do.
enum Lab {
  /// Why no guest can run here, in words; nil when one can.
  static let obstacle: String? = {
    guard geteuid() == 0 else { return "needs root, for network namespaces and tap devices" }
    do {
      let image = try Program.runHere([Places.guest, "image"], seconds: 60)
      if image.status != 0 { return image.output }
      let namespaces = try Program.runHere(["ip", "netns", "list"])
      return namespaces.status == 0 ? nil : namespaces.output
    } catch {
      return "\(Places.guest) cannot run: \(error)"
    }
  }()

  static let hasGuests = obstacle == nil
  static var why: Comment { "\(obstacle ?? "")" }
}

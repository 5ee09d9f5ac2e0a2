import HostPlan
import VPCModel

/// Why the daemon does not run: lines for standard error, and the exit code.
public struct DaemonFailure: Error, Sendable, Equatable {
  /// The exit codes that docs promise to scripts.
  public enum Code: Int32, Sendable {
    case usage = 2
    /// A model or configuration is refused.
    case refused = 3
    /// An input file cannot be read.
    case input = 4
    /// A resource of the machine is missing.
    case resource = 5
    /// A defect of ours.
    case defect = 70
  }

  public var code: Code
  /// Without the `apus: ` that begins each line.
  public var lines: [String]

  public init(_ code: Code, _ lines: [String]) {
    self.code = code
    self.lines = lines
  }

  /// `WHAT: WHY (ADVICE)`.
  public init(_ code: Code, what: String, why: String, advice: String? = nil) {
    self.init(code, ["\(what): \(why)" + (advice.map { " (\($0))" } ?? "")])
  }

  /// Files that the loader refused: every error with its place.
  init(_ errors: ModelErrors) {
    self.init(.refused, errors.errors.map(\.description))
  }

  init(_ error: PortError) {
    self.init(
      error.kind == .configuration ? .refused : .resource, what: error.what, why: error.why,
      advice: error.remedy.isEmpty ? nil : error.remedy)
  }
}

import Glibc
import HostPlan
import VPCModel

/// What the command line of the daemon says.
public struct DaemonOptions: Sendable {
  /// HOST.yaml.
  public var configuration: String
  /// Model files beside those that HOST.yaml names.
  public var rules: [String]
  /// In place of what HOST.yaml says.
  public var metrics: LoopbackAddress?
  public var logLevel: LogLevel
  /// A data plane that serves the same run directory is to leave when this one is ready.
  public var takesOver: Bool

  public init(
    configuration: String, rules: [String] = [], metrics: LoopbackAddress? = nil,
    logLevel: LogLevel = .info, takesOver: Bool = false
  ) {
    self.configuration = configuration
    self.rules = rules
    self.metrics = metrics
    self.logLevel = logLevel
    self.takesOver = takesOver
  }
}

/// How much the log tells.
public enum LogLevel: String, Sendable, CaseIterable {
  case trace, debug, info, notice, warning, error, critical
}

/// Configuration and model, each right and fitting the other.
public struct DaemonInput: Sendable {
  public var configuration: HostConfiguration
  public var model: VPCModel

  /// Reads all files that the options name.
  ///
  /// - Throws: files that cannot be read, and everything that is wrong with those that can.
  public static func load(_ options: DaemonOptions) throws(DaemonFailure) -> DaemonInput {
    try checkReadable(options.configuration)
    let document: HostDocument
    do {
      document = try HostDocument.load(
        path: options.configuration, processors: Processors.available)
    } catch {
      throw DaemonFailure(error)
    }
    var configuration = document.configuration
    configuration.rules += options.rules
    configuration.metrics = options.metrics ?? configuration.metrics
    guard !configuration.rules.isEmpty else {
      throw DaemonFailure(
        .refused, what: options.configuration, why: "no model is given",
        advice: "name one in `rules`, or with --rules")
    }
    for path in configuration.rules { try checkReadable(path) }
    do throws(ModelErrors) {
      let model = try ModelLoader.load(paths: configuration.rules)
      let checked = try document.checked(against: model)
      configuration.plan = checked.plan
      configuration.warnings = checked.warnings
      return DaemonInput(configuration: configuration, model: model)
    } catch {
      throw DaemonFailure(error)
    }
  }

  private static func checkReadable(_ path: String) throws(DaemonFailure) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    var reason = errno
    if descriptor >= 0 {
      defer { close(descriptor) }
      var status = stat()
      if fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT != S_IFDIR { return }
      reason = EISDIR
    }
    throw DaemonFailure(
      .input, what: path, why: "cannot be read: \(String(cString: strerror(reason)))",
      advice: "check the path")
  }

  /// What the files hold, for `--check`.
  public var summary: String {
    let plan = configuration.plan
    let guests = plan.guests.count == 1 ? "1 guest" : "\(plan.guests.count) guests"
    let workers = plan.workers.cores.count == 1 ? "1 worker" : "\(plan.workers.cores.count) workers"
    let uplink = plan.uplink == nil ? "no uplink" : "an uplink"
    return "valid: \(plan.runtime.rawValue) runtime, \(workers), \(uplink), \(guests)"
  }
}

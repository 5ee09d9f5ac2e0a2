import HostPlan

/// How a controller is set up.
public struct ControllerConfiguration: Sendable {
  /// Where the state and the audit log are; made with mode 0700 when it is not there.
  public var stateDirectory: String
  /// Of the program, for status.
  public var version: String
  /// What the host runs on, which decides the devices that guests' ports can have; nil is any.
  public var runtime: HostPlan.Runtime?
  /// The ports that the host file names, which a host without any state begins with; a stored state
  /// that has others counts, and status tells that. nil is not to compare.
  public var hostFilePorts: [GuestPlan]?
  public var limits: ControllerLimits

  public init(
    stateDirectory: String, version: String, runtime: HostPlan.Runtime? = nil,
    hostFilePorts: [GuestPlan]? = nil,
    limits: ControllerLimits = ControllerLimits()
  ) {
    self.stateDirectory = stateDirectory
    self.version = version
    self.runtime = runtime
    self.hostFilePorts = hostFilePorts
    self.limits = limits
  }
}

/// Bounds of what callers can make a controller hold.
public struct ControllerLimits: Sendable {
  /// Bytes of the documents of one change.
  public var requestBytes = 256 << 20
  /// Objects of the whole state.
  public var objects = 4_000_000
  /// Changes that wait while another is applied.
  public var waitingChanges = 64
  public var watchers = 10_000
  /// Between two attempts to open ports of a restored state.
  public var portInterval = Duration.seconds(1)
  /// Connections in one list.
  public var connections = 100_000
  /// Objects up to which a change tells the warnings of `apus check`; a dry run always does.
  public var objectsForWarnings = 20_000
  /// Lines of errors and of warnings in one answer.
  public var lines = 1000
  /// Bytes of an audit file, after which the next one is begun.
  public var auditFileBytes = 64 << 20

  public init() {}
}

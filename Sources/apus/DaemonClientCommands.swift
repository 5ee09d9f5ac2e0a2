import ArgumentParser

/// A command that talks to the daemon: `apusctl` does it, so that the offline tools build without
/// gRPC.
protocol DaemonClientCommand: ParsableCommand {
  static var name: String { get }
  static var abstract: String { get }
  var arguments: [String] { get }
}

extension DaemonClientCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: name, abstract: abstract,
      discussion: """
        Starts 'apusctl' with the same arguments; 'apus \(name) --help' lists them.
        """)
  }

  func run() throws {
    throw Sibling.replaceProcess(
      "apusctl", command: Self.name, arguments: [Self.name] + arguments)
  }
}

/// `apus apply`.
struct ApplyCommand: DaemonClientCommand {
  static let name = "apply"
  static let abstract = "Make model files the rules of a running host, all or nothing."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus diff`.
struct DiffCommand: DaemonClientCommand {
  static let name = "diff"
  static let abstract = "Show what 'apus apply' would change, and the connections it would affect."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus get`.
struct GetCommand: DaemonClientCommand {
  static let name = "get"
  static let abstract = "Print the rules of a running host, as a model file."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus delete`.
struct DeleteCommand: DaemonClientCommand {
  static let name = "delete"
  static let abstract = "Delete objects of a running host's rules, all or nothing."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus status`.
struct StatusCommand: DaemonClientCommand {
  static let name = "status"
  static let abstract = "Show which rules a running host has, and what needs attention."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus counters`.
struct CountersCommand: DaemonClientCommand {
  static let name = "counters"
  static let abstract = "Show what a running host counts."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus flows`.
struct FlowsCommand: DaemonClientCommand {
  static let name = "flows"
  static let abstract = "List live connections, with the rule that allowed each."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus top`.
struct TopCommand: DaemonClientCommand {
  static let name = "top"
  static let abstract = "Watch the busiest network interfaces of a running host, and the drops."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus trace`.
struct TraceCommand: DaemonClientCommand {
  static let name = "trace"
  static let abstract = "Show why packets are dropped or forwarded, step by step, as they pass."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus capture`.
struct CaptureCommand: DaemonClientCommand {
  static let name = "capture"
  static let abstract = "Record packets of a network interface or the uplink, with their verdicts."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus shadow`.
struct ShadowCommand: DaemonClientCommand {
  static let name = "shadow"
  static let abstract =
    "Judge a running host's packets by tomorrow's rules too, and tell what differs."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

/// `apus audit`.
struct AuditCommand: DaemonClientCommand {
  static let name = "audit"
  static let abstract = "Read and check the log of who asked what of a host."

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []
}

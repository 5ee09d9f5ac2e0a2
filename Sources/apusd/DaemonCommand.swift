import ArgumentParser
import Daemon

extension LogLevel: ExpressibleByArgument {}

/// `apusd`, which users start as `apus run`.
struct DaemonCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus run",
    abstract: "Serve the network interfaces of this host's guests.",
    discussion: """
      The host file says which ports there are: the uplink, and the port of each guest. The \
      models say what the VPC's networks are and who may talk to whom.

      Examples:

        apus run --config host.yaml --rules vpc.yaml
        apus run --config host.yaml --check

      SIGTERM and SIGINT finish what is under way and end it. Exit code 0: ended as asked; \
      2: wrong usage; 3: configuration or model is refused; 4: a file cannot be read; \
      5: the machine lacks a privilege, device or memory, with the command that provides it.
      """)

  @Option(help: ArgumentHelp("The host file, YAML or JSON.", valueName: "host"))
  var config: String

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Model files, beside those in the host file.", valueName: "model"))
  var rules: [String] = []

  @Option(
    help: ArgumentHelp(
      "Serve OpenMetrics text at /metrics, on loopback only.", valueName: "address:port"))
  var metrics: String?

  @Flag(help: "Replace the data plane that serves the same run directory, when all is ready.")
  var takeover = false

  @Flag(help: "Validate host file and models, and stop.")
  var check = false

  @Option(help: "How much the log tells.")
  var logLevel: LogLevel = .info

  func run() throws {
    var options = DaemonOptions(configuration: config, rules: rules, logLevel: logLevel)
    options.takesOver = takeover
    if let metrics { options.metrics = try Self.loopback(metrics) }
    let input = try DaemonInput.load(options)
    if check {
      for warning in input.configuration.warnings { print("warning: \(warning)") }
      print(input.summary)
      return
    }
    try Daemon.run(input, options, control: ControlHost(input.configuration))
  }

  private static func loopback(_ text: String) throws(DaemonFailure) -> LoopbackAddress {
    do { return try LoopbackAddress(text) } catch {
      switch error {
      case .malformed:
        throw DaemonFailure(
          .usage, what: "--metrics \(text)", why: "not an address and port",
          advice: "such as 127.0.0.1:9101 or [::1]:9101")
      case .notLoopback:
        throw DaemonFailure(
          .usage, what: "--metrics \(text)", why: "not a loopback address; others could read it",
          advice: "use 127.0.0.1 or [::1]")
      }
    }
  }
}

import ArgumentParser

/// `apus run`: starts the daemon, a program of its own beside this one.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Serve the network interfaces of this host's guests.",
    discussion: """
      Starts 'apusd' with the same arguments; 'apus run --help' lists them.

      Example:

        apus run --config host.yaml --rules vpc.yaml
      """)

  @Argument(parsing: .captureForPassthrough)
  var arguments: [String] = []

  func run() throws {
    throw Sibling.replaceProcess("apusd", command: "run", arguments: arguments)
  }
}

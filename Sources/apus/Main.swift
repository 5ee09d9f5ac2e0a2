import ArgumentParser
import Glibc

/// `apus`: the offline tools of a VPC data plane.
@main
struct Apus: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus",
    abstract: "A VPC data plane: replay captures against a VPC's rules, and check the rules.",
    discussion: """
      Example: which packets of a capture would the VPC drop, and why?

        apus replay --rules vpc.yaml --verdicts verdicts.jsonl capture.pcap
      """,
    subcommands: [
      ReplayCommand.self, RunCommand.self, ApplyCommand.self, DiffCommand.self, GetCommand.self,
      DeleteCommand.self, StatusCommand.self, CountersCommand.self, FlowsCommand.self,
      TopCommand.self, TraceCommand.self, CaptureCommand.self, ShadowCommand.self,
      AuditCommand.self,
      CheckCommand.self, ExplainCommand.self, ReachCommand.self, ImportCommand.self,
      BenchCommand.self,
      SchemaCommand.self, VersionCommand.self, CompletionsCommand.self,
    ])

  /// Parses and runs the command line, and ends the process with one of the documented codes.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CommandFailure {
      failure.report()
      Glibc.exit(failure.code.rawValue)
    } catch {
      Glibc.exit(ErrorReport.reportParserError(error))
    }
  }
}

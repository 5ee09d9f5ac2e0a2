import ArgumentParser
import Glibc

/// `apusctl`, which users start as `apus apply`, `apus get` and so on.
@main
struct ControlTool: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus",
    abstract: "Change and watch the rules of a running host.",
    discussion: """
      Examples:

        apus diff -f vpc.yaml
        apus apply -f vpc.yaml
        apus get securityGroups/sg-web

      Exit codes: 0: done; 1: done, and the answer is no; 2: wrong usage; 3: the model is \
      refused; 4: a file cannot be read; 5: the daemon is not there or does not take it.
      """,
    subcommands: [
      ApplyCommand.self, DiffCommand.self, GetCommand.self, DeleteCommand.self,
      StatusCommand.self, CountersCommand.self, FlowsCommand.self, TopCommand.self,
      TraceCommand.self, CaptureCommand.self, ShadowCommand.self, AuditCommand.self,
    ])

  static func main() async {
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch let failure as ToolFailure {
      failure.report()
      Glibc.exit(failure.code.rawValue)
    } catch {
      Glibc.exit(reportParserError(error))
    }
  }

  /// Reports what the argument parser threw: help to standard output, errors to standard error.
  private static func reportParserError(_ error: any Error) -> Int32 {
    let code = exitCode(for: error)
    if code.isSuccess {
      print(fullMessage(for: error))
      return ToolFailure.Code.done.rawValue
    }
    if code.rawValue == ToolFailure.Code.no.rawValue, error is ExitCode { return code.rawValue }
    guard code == .validationFailure else {
      ToolFailure(
        .defect, what: "internal error", why: "\(error)", advice: "please report it"
      ).report()
      return ToolFailure.Code.defect.rawValue
    }
    ToolFailure(.usage, ["usage: \(message(for: error)) (see 'apus --help')"]).report()
    return ToolFailure.Code.usage.rawValue
  }
}

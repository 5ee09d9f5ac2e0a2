import ArgumentParser
import ControlProtocol

/// `apus audit`.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Read and check the log of who asked what of a host.",
    subcommands: [AuditReadCommand.self, AuditVerifyCommand.self])
}

/// `apus audit read`.
struct AuditReadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "read",
    abstract: "Print records of the audit log, a line of JSON each.",
    discussion: """
      Example:

        apus audit read --after 1200
      """)

  @Option(help: ArgumentHelp("Only records after this number.", valueName: "number"))
  var after: UInt64 = 0

  @Option(help: ArgumentHelp("At most so many.", valueName: "number"))
  var limit: UInt32 = 1000
  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    let request = Apus_V1_ReadAuditRequest.with {
      $0.afterSequence = after
      $0.limit = limit
    }
    try await connection.call { client in
      try await client.control.readAudit(request) { response in
        for try await message in response.messages {
          for record in message.records { print(record.json) }
        }
      }
    }
  }
}

/// `apus audit verify`.
struct AuditVerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check that no record of the audit log was edited, removed or moved.",
    discussion: """
      Exit code 1: something is wrong with the log.

      Example:

        apus audit verify
      """)

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    let verdict = try await connection.call { client in
      try await client.control.verifyAudit(Apus_V1_VerifyAuditRequest())
    }
    if connection.json {
      print(
        JSON.fields([
          ("intact", .flag(verdict.intact)), ("records", .number(verdict.records)),
          ("problem", .text(verdict.problem)),
        ]).line)
    } else {
      print(verdict.intact ? "\(verdict.records) records, all as written" : verdict.problem)
    }
    if !verdict.intact { throw ExitCode(ToolFailure.Code.no.rawValue) }
  }
}

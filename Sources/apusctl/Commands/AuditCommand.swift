import ArgumentParser
import ControlProtocol
import Controller

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
      Without a path the daemon checks its own log. With one no daemon is asked, and files are \
      only read: a state directory in use or a copy, its audit folder, or one audit file. Only a \
      state directory says where the log ends.

      Exit code 1: something is wrong with the log.

      Examples:

        apus audit verify
        apus audit verify /var/lib/apus
      """)

  @Argument(help: "A state directory, its audit folder, or an audit file.", completion: .file())
  var path: String?
  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    let isIntact =
      if let path { try verify(path) } else { try await askDaemon() }
    if !isIntact { throw ExitCode(ToolFailure.Code.no.rawValue) }
  }

  private func askDaemon() async throws -> Bool {
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
    return verdict.intact
  }

  private func verify(_ path: String) throws -> Bool {
    let report: AuditReport
    do throws(AuditUnreadable) { report = try AuditLog.verify(path: path) } catch {
      throw ToolFailure(.input, what: error.what, why: error.why, advice: error.advice)
    }
    if connection.json {
      print(Self.json(report).line)
    } else if report.isWhole {
      print("\(report.records) records in \(report.files) files, all as written")
      print("the last is record \(report.lastSequence), SHA-256 \(report.lastHash)")
      print(
        report.storedSequence.map { "the state directory knows of record \($0)" }
          ?? "there is no state directory to say whether more followed")
    } else {
      for problem in report.problems { print(problem.description) }
    }
    return report.isWhole
  }

  private static func json(_ report: AuditReport) -> JSON {
    let problems = report.problems.map(\.description)
    var fields: [(String, JSON)] = [
      ("intact", .flag(report.isWhole)), ("records", .number(report.records)),
      ("problem", .text(problems.first ?? "")), ("problems", .texts(problems)),
      ("files", .number(UInt64(report.files))), ("first", .number(report.firstSequence)),
      ("last", .number(report.lastSequence)), ("lastHash", .text(report.lastHash)),
    ]
    if let stored = report.storedSequence { fields.append(("known", .number(stored))) }
    return .fields(fields)
  }
}

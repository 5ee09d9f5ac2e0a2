import ArgumentParser
import ControlProtocol
import Glibc

/// `apus status`.
struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show which rules a running host has, and what needs attention.",
    discussion: """
      Exit code 1: nothing is forwarded, as there are no rules yet.

      Example:

        apus status
      """)

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    let status = try await connection.call { try await $0.status() }
    print(connection.json ? Self.json(status).line : Self.text(status))
    if !status.forwarding { throw ExitCode(ToolFailure.Code.no.rawValue) }
  }

  static func text(_ status: Apus_V1_StatusResponse) -> String {
    var lines = [
      "apus \(status.version)",
      status.forwarding ? "forwarding" : "not forwarding: there are no rules yet",
      "generation \(status.generation), since \(time(status))",
    ]
    for (kind, count) in status.objectCounts.sorted(by: { $0.key < $1.key }) {
      lines.append("  \(kind): \(count)")
    }
    return (lines + status.warnings.map { "warning: \($0)" }).joined(separator: "\n")
  }

  static func json(_ status: Apus_V1_StatusResponse) -> JSON {
    .fields([
      ("version", .text(status.version)), ("generation", .number(status.generation)),
      ("changedAt", .text(time(status))), ("forwarding", .flag(status.forwarding)),
      ("objectCounts", .counters(status.objectCounts)), ("warnings", .texts(status.warnings)),
    ])
  }

  /// RFC 3339, UTC.
  private static func time(_ status: Apus_V1_StatusResponse) -> String {
    var seconds = time_t(status.changedAt.seconds)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var buffer = [CChar](repeating: 0, count: 32)
    let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
    return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

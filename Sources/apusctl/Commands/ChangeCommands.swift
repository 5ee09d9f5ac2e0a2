import ArgumentParser
import ControlAPI
import ControlProtocol

enum RuleChangeOption: String, ExpressibleByArgument, CaseIterable {
  case keep, cut
}

/// What `apply` and `diff` have in common.
struct ChangeOptions: ParsableArguments {
  @Option(
    name: .shortAndLong, parsing: .upToNextOption,
    help: ArgumentHelp("Model files, YAML or JSON; '-' is standard input.", valueName: "file"))
  var file: [String]

  @Flag(help: "Add or replace the files' objects, and leave all others.")
  var patch = false

  @Option(
    help: ArgumentHelp("Refuse unless the state has this generation.", valueName: "number"))
  var expectGeneration: UInt64?

  @Option(help: "What happens to connections whose rule is gone; else as the model says.")
  var onRuleChange: RuleChangeOption?

  func header(isDryRun: Bool) -> Apus_V1_ApplyHeader {
    .with {
      $0.scope = patch ? .patch : .whole
      $0.dryRun = isDryRun
      if let expectGeneration { $0.expectedGeneration = expectGeneration }
      switch onRuleChange {
      case .keep: $0.onRuleChange = .keep
      case .cut: $0.onRuleChange = .cut
      case nil: break
      }
    }
  }

  func send(_ connection: ConnectionOptions, isDryRun: Bool) async throws -> Apus_V1_ApplyResponse {
    let documents = try file.map { try InputFile.document($0) }
    let header = header(isDryRun: isDryRun)
    return try await connection.call(sendsModel: true) { client in
      try await client.apply(header, documents: documents)
    }
  }
}

/// `apus apply`.
struct ApplyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Make model files the rules of a running host, all or nothing.",
    discussion: """
      The files are the whole desired state: what is not in them goes. With --patch only their \
      objects change. When it returns, every packet is judged by the new rules.

      Examples:

        apus apply -f vpc.yaml ports.yaml
        apus apply --patch -f sg-web.yaml --expect-generation 17
      """)

  @OptionGroup var change: ChangeOptions
  @Flag(help: "Validate and show what would change; change nothing.")
  var dryRun = false
  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    let outcome = try await change.send(connection, isDryRun: dryRun)
    ChangeOutput.print(outcome, isDryRun: dryRun, asJSON: connection.json)
  }
}

/// `apus diff`.
struct DiffCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show what 'apus apply' would change, and the connections it would affect.",
    discussion: """
      Exit code 0: nothing would change; 1: something would.

      Example:

        apus diff -f vpc.yaml
      """)

  @OptionGroup var change: ChangeOptions
  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    let outcome = try await change.send(connection, isDryRun: true)
    ChangeOutput.print(outcome, isDryRun: true, asJSON: connection.json)
    if outcome.changeCount > 0 { throw ExitCode(ToolFailure.Code.no.rawValue) }
  }
}

/// `apus delete`.
struct DeleteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete objects of a running host's rules, all or nothing.",
    discussion: """
      Example:

        apus delete securityGroups/sg-web mappings/vpc-blue/10.0.2.20
      """)

  @Argument(help: ArgumentHelp("Objects.", valueName: "kind/id"))
  var objects: [String]

  @Option(
    help: ArgumentHelp("Refuse unless the state has this generation.", valueName: "number"))
  var expectGeneration: UInt64?
  @Flag(help: "Validate and show what would change; change nothing.")
  var dryRun = false
  @OptionGroup var connection: ConnectionOptions

  func validate() throws {
    if objects.isEmpty { throw ValidationError("no object to delete: give KIND/ID") }
  }

  func run() async throws {
    let deletions = objects.map { Apus_V1_ObjectReference(argument: $0) }
    let header = Apus_V1_ApplyHeader.with {
      $0.scope = .patch
      $0.dryRun = dryRun
      if let expectGeneration { $0.expectedGeneration = expectGeneration }
    }
    let outcome = try await connection.call(sendsModel: true) { client in
      try await client.apply(header, documents: [], deletions: deletions)
    }
    ChangeOutput.print(outcome, isDryRun: dryRun, asJSON: connection.json)
  }
}

extension Apus_V1_ObjectReference {
  /// Reads `KIND` or `KIND/ID`; an id may have slashes.
  init(argument: String) {
    let parts = argument.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    self = .with {
      $0.kind = String(parts[0])
      $0.id = parts.count > 1 ? String(parts[1]) : ""
    }
  }

  var text: String { id.isEmpty ? kind : "\(kind)/\(id)" }
}

/// Prints what a change did.
enum ChangeOutput {
  static func print(_ outcome: Apus_V1_ApplyResponse, isDryRun: Bool, asJSON: Bool) {
    Swift.print(asJSON ? json(outcome, isDryRun: isDryRun).line : text(outcome, isDryRun))
  }

  private static func text(_ outcome: Apus_V1_ApplyResponse, _ isDryRun: Bool) -> String {
    var lines = outcome.warnings.map { "warning: \($0)" }
    for change in outcome.changes { lines.append("\(sign(change.action)) \(change.object.text)") }
    let more = outcome.changeCount - min(outcome.changeCount, UInt64(outcome.changes.count))
    if more > 0 { lines.append("... and \(more) more") }
    for (interface, count) in outcome.affectedConnections.sorted(by: { $0.key < $1.key }) {
      lines.append("\(interface): \(count) live connections are no longer allowed")
    }
    switch (outcome.changeCount, isDryRun) {
    case (0, _): lines.append("no change, generation \(outcome.generation)")
    case (let count, true):
      lines.append("\(count) would change, generation \(outcome.generation) stays")
    case (let count, false): lines.append("\(count) changed, generation \(outcome.generation)")
    }
    return lines.joined(separator: "\n")
  }

  static func json(_ outcome: Apus_V1_ApplyResponse, isDryRun: Bool) -> JSON {
    .fields([
      ("generation", .number(outcome.generation)), ("dryRun", .flag(isDryRun)),
      ("changeCount", .number(outcome.changeCount)),
      (
        "changes",
        .list(
          outcome.changes.map { change in
            .fields([
              ("kind", .text(change.object.kind)), ("id", .text(change.object.id)),
              ("action", .text(name(change.action))),
            ])
          })
      ),
      ("affectedConnections", .counters(outcome.affectedConnections)),
      ("warnings", .texts(outcome.warnings)),
    ])
  }

  private static func sign(_ action: Apus_V1_Action) -> String {
    switch action {
    case .created: "+"
    case .deleted: "-"
    default: "~"
    }
  }

  private static func name(_ action: Apus_V1_Action) -> String {
    switch action {
    case .created: "created"
    case .deleted: "deleted"
    default: "changed"
    }
  }
}

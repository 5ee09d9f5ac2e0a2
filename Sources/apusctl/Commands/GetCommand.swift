import ArgumentParser
import ControlProtocol

/// `apus get`.
struct GetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Print the rules of a running host, as a model file.",
    discussion: """
      What it prints is YAML that 'apus apply' takes: one line for each object. With --json one \
      JSON object a line: kind, id, object.

      Examples:

        apus get > state.yaml
        apus get securityGroups/sg-web
        apus get networkInterfaces --names
      """)

  @Argument(
    help: ArgumentHelp("What to print; everything when left out.", valueName: "kind[/id]"))
  var object: String?

  @Flag(help: "Print only KIND/ID of each object.")
  var names = false
  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    let asked = object.map { Apus_V1_ObjectReference(argument: $0) }
    let list = try await connection.call { client in
      try await client.objects(
        kind: asked?.kind ?? "", ids: asked.map { $0.id.isEmpty ? [] : [$0.id] } ?? [])
    }
    if names {
      for object in list.objects { print(object.reference.text) }
    } else if connection.json {
      for object in list.objects { print(Self.json(object).line) }
    } else {
      print(Self.model(list))
    }
  }

  private static func json(_ object: Apus_V1_Object) -> JSON {
    .fields([
      ("kind", .text(object.reference.kind)), ("id", .text(object.reference.id)),
      ("object", .verbatim(object.json)),
    ])
  }

  /// A model file; JSON on a line is YAML too.
  static func model(_ list: Apus_V1_GetResponse) -> String {
    var lines = ["# generation \(list.generation)", "version: 1"]
    var section = ""
    for object in list.objects {
      let kind = object.reference.kind
      if kind == "host" || kind == "policy" {
        lines.append("\(kind): \(object.json)")
        continue
      }
      if kind != section { lines.append("\(kind):") }
      section = kind
      lines.append("- \(object.json)")
    }
    return lines.joined(separator: "\n")
  }
}

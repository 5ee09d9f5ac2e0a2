import ArgumentParser
import VPCModel

/// `apus schema`.
struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema",
    abstract: "Print the JSON Schema of model files.",
    discussion: """
      Example, for an editor that completes and checks YAML:

        apus schema > vpc.schema.json
      """)

  func run() { print(ModelSchema.json) }
}

/// `apus version`.
struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version",
    abstract: "Print the version.",
    discussion: """
      Example:

        apus version
      """)

  func run() { print("apus \(ProgramVersion.text)") }
}

/// Shells that completions exist for.
enum Shell: String, ExpressibleByArgument, CaseIterable {
  case bash, zsh, fish

  var completionShell: CompletionShell {
    switch self {
    case .bash: .bash
    case .zsh: .zsh
    case .fish: .fish
    }
  }
}

/// `apus completions`.
struct CompletionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completions",
    abstract: "Print a completion script for a shell.",
    discussion: """
      Example:

        apus completions bash > ~/.local/share/bash-completion/completions/apus
      """)

  @Argument(help: "The shell.")
  var shell: Shell

  func run() { print(Apus.completionScript(for: shell.completionShell)) }
}

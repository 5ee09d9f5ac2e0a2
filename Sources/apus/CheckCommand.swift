import ArgumentParser
import Replay
import VPCModel

/// `apus check`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Validate model files, and warn about what is probably not meant.",
    discussion: """
      Warns about shadowed network ACL rules, unreachable routes, groups nobody uses and rules \
      that can never match. Exit code 0: valid, with or without warnings; 3: refused.

      Example:

        apus check vpc.yaml prefix-lists.yaml
      """)

  @Flag(help: "Print errors and warnings as JSON.")
  var json = false

  @Argument(help: ArgumentHelp("Model files, merged into one model.", valueName: "model"))
  var models: [String]

  func run() throws {
    let model: VPCModel
    do throws(ModelFiles.Failure) {
      model = try ModelFiles.loadOrErrors(models)
    } catch {
      guard json, case .refused(let errors) = error else { throw error.commandFailure }
      print(Self.report(errors: errors.errors, warnings: []))
      throw CommandFailure(.refused, [])
    }
    let warnings = ModelLint.warnings(model)
    if json {
      print(Self.report(errors: [], warnings: warnings))
      return
    }
    for warning in warnings { print("warning: \(warning)") }
    print(Self.summary(model, warnings: warnings.count))
  }

  private static func summary(_ model: VPCModel, warnings: Int) -> String {
    let rules =
      model.securityGroups.reduce(0) { $0 + $1.ingress.count + $1.egress.count }
      + model.networkACLs.reduce(0) { $0 + $1.ingress.count + $1.egress.count }
    let parts = [
      count(model.vpcs.count, "VPC"), count(model.subnets.count, "subnet"),
      count(model.networkInterfaces.count, "network interface"), count(rules, "rule"),
    ]
    let end = warnings == 0 ? "no warnings" : count(warnings, "warning")
    return "valid: \(parts.joined(separator: ", ")); \(end)"
  }

  private static func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
  }

  /// One JSON object: `valid`, `errors`, `warnings`.
  static func report(errors: [ModelError], warnings: [ModelWarning]) -> String {
    let errors = errors.map { error in
      JSONText.object(
        [
          ("file", JSONText.quote(error.file)), ("line", "\(error.line)"),
          ("column", error.column.map { "\($0)" } ?? "null"),
          ("path", JSONText.quote(error.path)), ("reason", JSONText.quote(error.reason)),
        ], indent: 4)
    }
    let warnings = warnings.map { warning in
      JSONText.object(
        [
          ("code", JSONText.quote(warning.code)), ("object", JSONText.quote(warning.object)),
          ("message", JSONText.quote(warning.message)),
        ], indent: 4)
    }
    return JSONText.object([
      ("valid", errors.isEmpty ? "true" : "false"), ("errors", JSONText.array(errors, indent: 2)),
      ("warnings", JSONText.array(warnings, indent: 2)),
    ])
  }
}

import ArgumentParser
import VPCModel

/// How `apus check` tells what it found.
enum CheckFormat: String, ExpressibleByArgument, CaseIterable {
  case text, json, sarif
}

/// `apus check`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Validate model files, and warn about what is probably not meant.",
    discussion: """
      Warnings are of traffic that is refused or allowed and probably should not be: rules that \
      never decide, ports for administration that are open to everybody, ACLs that cut answers, \
      routes that lead nowhere or have no way back. Notes are of what has no effect, and of AWS's \
      quotas. Each kind has a name that stays, such as acl-shadowed.

      Exit code 0: valid, with or without warnings; 1: warnings, with --strict; 3: refused.

      Examples:

        apus check vpc.yaml prefix-lists.yaml
        apus check --strict --format sarif vpc.yaml > apus.sarif
      """)

  @Option(
    help: ArgumentHelp(
      "How to tell: text, json, or sarif for tools of code review.", valueName: "format"))
  var format: CheckFormat = .text

  @Flag(help: "The same as --format json.")
  var json = false

  @Flag(help: "Exit with 1 when there is a warning; notes do not count.")
  var strict = false

  @Argument(help: ArgumentHelp("Model files, merged into one model.", valueName: "model"))
  var models: [String]

  func run() throws {
    let format = json ? .json : format
    let model: VPCModel
    do throws(ModelFiles.Failure) {
      model = try ModelFiles.loadOrErrors(models)
    } catch {
      guard format != .text, case .refused(let errors) = error else { throw error.commandFailure }
      Self.show(CheckReport(errors: errors.errors), format)
      throw CommandFailure(.refused, [])
    }
    let warnings = ModelLint.warnings(model)
    if format == .text {
      for warning in warnings { print("\(warning.rule.severity.rawValue): \(warning)") }
      print(Self.summary(model, warnings: warnings))
    } else {
      Self.show(CheckReport(warnings: warnings, places: ObjectPlaces(paths: models)), format)
    }
    if strict && warnings.contains(where: { $0.rule.severity == .warning }) {
      throw CommandFailure(.no, [])
    }
  }

  private static func show(_ report: CheckReport, _ format: CheckFormat) {
    print(format == .sarif ? report.sarif : report.json)
  }

  private static func summary(_ model: VPCModel, warnings: [ModelWarning]) -> String {
    let rules =
      model.securityGroups.reduce(0) { $0 + $1.ingress.count + $1.egress.count }
      + model.networkACLs.reduce(0) { $0 + $1.ingress.count + $1.egress.count }
    let parts = [
      count(model.vpcs.count, "VPC"), count(model.subnets.count, "subnet"),
      count(model.networkInterfaces.count, "network interface"), count(rules, "rule"),
    ]
    let notes = warnings.count { $0.rule.severity == .note }
    let real = warnings.count - notes
    var end = real == 0 ? "no warnings" : count(real, "warning")
    if notes > 0 { end += ", " + count(notes, "note") }
    return "valid: \(parts.joined(separator: ", ")); \(end)"
  }

  private static func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
  }
}

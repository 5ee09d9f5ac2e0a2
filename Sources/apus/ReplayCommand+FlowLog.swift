import FlowLogAudit
import FlowLogs
import Replay
import VPCModel

// `apus replay --compare-flow-log`.

extension ReplayCommand {
  /// Reads flow logs instead of captures, and tells which records the model contradicts.
  func compareFlowLogs() throws(CommandFailure) {
    let (models, captures) = try modelsAndCaptures()
    try expectNothingElse(captures)
    var format: FlowLogFormat?
    if let flowLogFormat {
      format = try parsed(flowLogFormat)
    }
    let findings = try findings(try ModelFiles.load(models), format)
    for fault in findings.faultTexts { ErrorReport.line("warning: \(fault)") }
    let untold = findings.faults - findings.faultTexts.count
    if untold > 0 { ErrorReport.line("warning: \(untold) more lines cannot be read") }
    if findings.isEmpty {
      throw CommandFailure(
        .input, what: compareFlowLog.joined(separator: ", "), why: "no flow log record in it",
        advice: "name its fields with --flow-log-format if it has no header")
    }
    print(json ? findings.json + "\n" : findings.text, terminator: "")
    if findings.differs { throw CommandFailure(.no, []) }
  }

  private func findings(
    _ model: VPCModel, _ format: FlowLogFormat?
  ) throws(CommandFailure) -> FlowLogFindings {
    let progress = Progress()
    defer { progress.clear() }
    do throws(FlowLogError) {
      var audit = try FlowLogAudit(model)
      for path in compareFlowLog {
        try audit.read(path, format: format) { progress.show("read", $0, of: $1) }
      }
      return audit.judged { progress.show("judged", UInt64($0), of: UInt64($1)) }
    } catch {
      switch error {
      case .unreadable(let place, let why):
        throw CommandFailure(.input, what: place, why: why, advice: "check the path")
      case .refused(let why): throw CommandFailure(.refused, what: "the model", why: why)
      case .usage(let why):
        throw CommandFailure(
          .usage, what: "--compare-flow-log", why: why,
          advice: "name the fields of the records with --flow-log-format")
      }
    }
  }

  /// The value of `--flow-log-format`.
  func parsed(_ text: String) throws(CommandFailure) -> FlowLogFormat {
    do { return try FlowLogFormat(text) } catch {
      throw CommandFailure(.usage, what: "--flow-log-format", why: error.why)
    }
  }

  /// What is about packets has no meaning for records.
  private func expectNothingElse(_ captures: [String]) throws(CommandFailure) {
    let others: [(String, Bool)] = [
      ("captures", !captures.isEmpty), ("--against", !against.isEmpty),
      ("--filter", filter != nil), ("--eni", eni != nil), ("--at nic", at == .nic),
      ("--verdicts", verdicts != nil), ("--out", out != nil), ("--annotated", annotated != nil),
      ("--flow-log", flowLog != nil), ("--explain", !explain.isEmpty),
    ]
    let given = others.filter(\.1).map(\.0)
    guard given.isEmpty else {
      throw CommandFailure(
        .usage, what: "usage",
        why: "--compare-flow-log is instead of captures, and goes without "
          + given.joined(separator: ", "))
    }
  }
}

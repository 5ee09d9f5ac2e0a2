import ArgumentParser
import FlowLogs
import Glibc
import Replay
import Report
import VPCModel

extension FlowLogInterval: ExpressibleByArgument {}

/// Where the captures were taken.
enum CapturePlace: String, ExpressibleByArgument, CaseIterable {
  case nic, wire
}

/// `apus replay`.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Judge the packets of captures by a VPC's rules, in capture time.",
    discussion: """
      Reads pcap and pcapng, also compressed with gzip; '-' is standard input. Further models \
      follow --rules or stand among the captures with the ending .yaml, .yml or .json. Of a \
      folder all captures are read, in the order of their names.

      Examples:

        apus replay --rules vpc.yaml --annotated seen.pcapng a.pcap
        apus replay --rules vpc.yaml --explain 17 a.pcap
        apus replay --rules vpc.yaml --against tomorrow.yaml captures/
        apus replay --rules vpc.yaml --report page.html a.pcap
        tcpdump -w - | apus replay --rules vpc.yaml --verdicts - -
        apus replay --rules vpc.yaml --compare-flow-log vpcflowlogs.log.gz

      Exit code 0: done; 1: --against or --compare-flow-log found differences; 2: wrong usage; \
      3: the model is refused; 4: a file cannot be read; 5: an output cannot be written.
      """)

  @Option(help: ArgumentHelp("A model file; several are merged.", valueName: "model"))
  var rules: [String] = []

  @Option(
    help: ArgumentHelp(
      "Judge each packet by this model too, and tell which flows have another verdict.",
      valueName: "model"))
  var against: [String] = []

  @Option(help: ArgumentHelp("Only packets that match a tcpdump expression.", valueName: "expr"))
  var filter: String?

  @Option(
    help: ArgumentHelp(
      "Attribute packets to this NIC where addresses leave doubt.", valueName: "id"))
  var eni: String?

  @Option(
    help:
      """
      Where the capture was taken: at the NIC (source MACs count, tags are the guest's) or not.
      """
  )
  var at: CapturePlace = .wire

  @Option(
    help: ArgumentHelp(
      "Write a JSON line a packet; '-' is standard output. Compressed if the name ends in .gz.",
      valueName: "file"))
  var verdicts: String?

  @Option(help: ArgumentHelp("Write what leaves as pcapng.", valueName: "file"))
  var out: String?

  @Option(
    help: ArgumentHelp(
      "Write every packet with its verdict as a comment, as pcapng.", valueName: "file"))
  var annotated: String?

  @Option(
    help: ArgumentHelp(
      "Write AWS VPC flow log records; compressed if the name ends in .gz.", valueName: "file"))
  var flowLog: String?

  @Option(
    help: ArgumentHelp(
      "Instead of captures read an AWS flow log, and tell which records the rules contradict.",
      valueName: "file"))
  var compareFlowLog: [String] = []

  @Option(
    help: ArgumentHelp(
      "Fields of the flow log, such as '${interface-id} ${srcaddr} ${apus-rule}'.",
      valueName: "format"))
  var flowLogFormat: String?

  @Option(
    help: ArgumentHelp(
      "Seconds that a record of the flow log covers at most: 60 or 600.", valueName: "seconds"))
  var flowLogInterval = FlowLogInterval.tenMinutes

  @Option(
    help: ArgumentHelp(
      "Tell every step of the judgement of a packet, instead of the summary.",
      valueName: "[file:]n"))
  var explain: [String] = []

  @Option(
    help: ArgumentHelp(
      "Write a page with plots and tables: one HTML file that needs nothing else.",
      valueName: "file"))
  var report: String?

  @Flag(help: "Print the summary as JSON.")
  var json = false

  @Argument(help: ArgumentHelp("Captures, read one after the other.", valueName: "capture"))
  var captures: [String] = []

  func run() throws {
    if !compareFlowLog.isEmpty { return try compareFlowLogs() }
    let options = try replayOptions()
    let model = try ModelFiles.load(options.models)
    let other = against.isEmpty ? nil : try ModelFiles.load(against)
    if options.captures.contains("-") { finishOnInterrupt() }
    if let path = options.report {
      try Self.refusing { () throws(ReplayError) in try ReportFile.check(path) }
    }
    let collector = options.report.map { _ in ReportCollector(model: model) }
    let (result, comparison) = try judge(model, other, options, collector)
    tell(result, comparison, isStandardOutputTaken: options.standardOutputIsTaken)
    if let path = options.report, let collector {
      let page = ReportPage(
        model: model, options: options, result: result, comparison: comparison,
        collector: collector,
        failure: result.failure.map { CommandFailure($0).lines.joined(separator: "; ") },
        made: Self.now())
      try Self.refusing { () throws(ReplayError) in try ReportFile.write(page.html, to: path) }
    }
    if let failure = result.failure { throw CommandFailure(failure) }
    if let comparison, comparison.differs { throw CommandFailure(.no, []) }
  }

  private func judge(
    _ model: VPCModel, _ other: VPCModel?, _ options: ReplayOptions, _ collector: ReportCollector?
  ) throws(CommandFailure) -> (ReplayResult, Comparison?) {
    let progress = Progress()
    defer { progress.clear() }
    return try Self.refusing { () throws(ReplayError) in
      guard let other else {
        let result = try Replay.run(model: model, options: options, observer: collector) {
          progress.show($0)
        }
        return (result, nil)
      }
      return try Replay.compare(
        model: model, against: other, options: options, observer: collector
      ) { progress.show($0) }
    }
  }

  /// Ends the command with what a replay refuses.
  private static func refusing<Result>(
    _ body: () throws(ReplayError) -> Result
  ) throws(CommandFailure) -> Result {
    do { return try body() } catch { throw CommandFailure(error) }
  }

  /// Nanoseconds since 1970.
  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// The options of the engine room, or why the command line makes no sense.
  func replayOptions() throws(CommandFailure) -> ReplayOptions {
    let (models, files) = try modelsAndCaptures()
    guard !files.isEmpty else {
      throw CommandFailure(
        .usage, what: "usage", why: "no capture is given",
        advice: "name one, or '-' for standard input, see 'apus replay --help'")
    }
    var options = ReplayOptions(captures: files)
    options.models = models
    options.against = against
    options.filter = filter
    options.eni = eni
    options.atNIC = at == .nic
    options.verdicts = verdicts
    options.out = out
    options.annotated = annotated
    options.flowLog = flowLog
    options.flowLogInterval = flowLogInterval
    options.report = report
    if let flowLogFormat {
      options.flowLogFormat = try parsed(flowLogFormat)
    }
    options.explain = try explainTargets(files)
    if options.standardOutputIsTaken && (json || !explain.isEmpty) {
      throw CommandFailure(
        .usage, what: "usage", why: "two outputs want standard output",
        advice: "write one of them to a file")
    }
    return options
  }

  /// Model files, of which there is one at least, and captures.
  func modelsAndCaptures() throws(CommandFailure) -> (models: [String], captures: [String]) {
    var (models, files) = (rules, [String]())
    for path in captures {
      if Self.isModel(path) { models.append(path) } else { files += try CaptureFolder.files(path) }
    }
    guard !models.isEmpty else {
      throw CommandFailure(
        .usage, what: "usage", why: "no model is given",
        advice: "name one with --rules, see 'apus replay --help'")
    }
    return (models, files)
  }

  private func explainTargets(_ files: [String]) throws(CommandFailure) -> [ExplainTarget] {
    var targets: [ExplainTarget] = []
    for text in explain {
      guard let target = ExplainTarget(text) else {
        throw CommandFailure(
          .usage, what: "--explain \(text)", why: "not a packet number",
          advice: "N counts from 1, FILE:N names a capture")
      }
      if let file = target.file, !files.contains(file) {
        throw CommandFailure(
          .usage, what: "--explain \(text)", why: "\(file) is not among the captures")
      }
      targets.append(target)
    }
    return targets
  }

  /// `--rules A B CAPTURE`: a positional path with the ending of a model is one.
  private static func isModel(_ path: String) -> Bool {
    [".yaml", ".yml", ".json"].contains { path.hasSuffix($0) }
  }

  private func tell(
    _ result: ReplayResult, _ comparison: Comparison?, isStandardOutputTaken: Bool
  ) {
    let differences =
      comparison?.text(of: result.summary.packets, against: against.joined(separator: ", ")) ?? ""
    for warning in result.warnings { ErrorReport.line("warning: \(warning)") }
    let explanations = result.explanations.joined(separator: "\n")
    if json {
      // Standard output is one JSON object; what else is to be said goes the other way.
      ErrorReport.write(explanations)
      print(result.summary.json(comparison: comparison))
    } else if isStandardOutputTaken {
      ErrorReport.write(result.summary.text + differences)
    } else {
      print(explain.isEmpty ? result.summary.text + differences : explanations, terminator: "")
    }
  }

  /// The first interrupt ends the program that writes to the pipe; what it wrote is still judged.
  private func finishOnInterrupt() {
    signal(SIGINT) { _ in signal(SIGINT, SIG_DFL) }
  }
}

extension ReplayOptions {
  /// Whether packets or records go to standard output.
  var standardOutputIsTaken: Bool {
    [verdicts, out, annotated, flowLog, report].contains("-")
  }
}

import ArgumentParser
import Glibc
import Replay
import VPCModel

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
      follow --rules or stand among the captures with the ending .yaml, .yml or .json.

      Examples:

        apus replay --rules vpc.yaml --annotated seen.pcapng a.pcap
        apus replay --rules vpc.yaml --explain 17 a.pcap
        tcpdump -w - | apus replay --rules vpc.yaml --verdicts - -

      Exit code 0: done; 2: wrong usage; 3: the model is refused; 4: a file cannot be read; \
      5: an output cannot be written.
      """)

  @Option(help: ArgumentHelp("A model file; several are merged.", valueName: "model"))
  var rules: [String] = []

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
    help: ArgumentHelp("Write a JSON line a packet; '-' is standard output.", valueName: "file"))
  var verdicts: String?

  @Option(help: ArgumentHelp("Write what leaves as pcapng.", valueName: "file"))
  var out: String?

  @Option(
    help: ArgumentHelp(
      "Write every packet with its verdict as a comment, as pcapng.", valueName: "file"))
  var annotated: String?

  @Option(help: ArgumentHelp("Write AWS VPC flow log records.", valueName: "file"))
  var flowLog: String?

  @Option(
    help: ArgumentHelp(
      "Fields of the flow log, such as '${interface-id} ${srcaddr} ${apus-rule}'.",
      valueName: "format"))
  var flowLogFormat: String?

  @Option(
    help: ArgumentHelp(
      "Tell every step of the judgement of a packet, instead of the summary.",
      valueName: "[file:]n"))
  var explain: [String] = []

  @Flag(help: "Print the summary as JSON.")
  var json = false

  @Argument(help: ArgumentHelp("Captures, read one after the other.", valueName: "capture"))
  var captures: [String] = []

  func run() throws {
    let options = try replayOptions()
    let model = try ModelFiles.load(options.models)
    if options.captures.contains("-") { finishOnInterrupt() }
    let progress = Progress()
    let result: ReplayResult
    do throws(ReplayError) {
      result = try Replay.run(model: model, options: options) { progress.show($0) }
    } catch {
      progress.clear()
      throw CommandFailure(error)
    }
    progress.clear()
    report(result, isStandardOutputTaken: options.standardOutputIsTaken)
    if let failure = result.failure { throw CommandFailure(failure) }
  }

  /// The options of the engine room, or why the command line makes no sense.
  func replayOptions() throws(CommandFailure) -> ReplayOptions {
    var (models, files) = (rules, [String]())
    for path in captures {
      if Self.isModel(path) { models.append(path) } else { files.append(path) }
    }
    guard !models.isEmpty else {
      throw CommandFailure(
        .usage, what: "usage", why: "no model is given",
        advice: "name one with --rules, see 'apus replay --help'")
    }
    guard !files.isEmpty else {
      throw CommandFailure(
        .usage, what: "usage", why: "no capture is given",
        advice: "name one, or '-' for standard input, see 'apus replay --help'")
    }
    var options = ReplayOptions(captures: files)
    options.models = models
    options.filter = filter
    options.eni = eni
    options.atNIC = at == .nic
    options.verdicts = verdicts
    options.out = out
    options.annotated = annotated
    options.flowLog = flowLog
    if let flowLogFormat {
      do { options.flowLogFormat = try FlowLogFormat(flowLogFormat) } catch {
        throw CommandFailure(error)
      }
    }
    options.explain = try explainTargets(files)
    if options.standardOutputIsTaken && (json || !explain.isEmpty) {
      throw CommandFailure(
        .usage, what: "usage", why: "two outputs want standard output",
        advice: "write one of them to a file")
    }
    return options
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

  private func report(_ result: ReplayResult, isStandardOutputTaken: Bool) {
    for warning in result.warnings { ErrorReport.line("warning: \(warning)") }
    let explanations = result.explanations.joined(separator: "\n")
    if json {
      // Standard output is one JSON object; what else is to be said goes the other way.
      ErrorReport.write(explanations)
      print(result.summary.json)
    } else if isStandardOutputTaken {
      ErrorReport.write(result.summary.text)
    } else {
      print(explain.isEmpty ? result.summary.text : explanations, terminator: "")
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
    [verdicts, out, annotated, flowLog].contains("-")
  }
}

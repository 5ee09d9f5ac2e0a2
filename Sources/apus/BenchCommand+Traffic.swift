import Bench
import Replay

// `apus bench --rules MODEL --capture FILE`: how fast this rule set is on this traffic.
extension BenchCommand {
  /// Whether the engine is measured with the user's rules and traffic.
  var isAboutTraffic: Bool { !rules.isEmpty || !capture.isEmpty }

  /// Why the options about traffic make no sense together; nil when they do.
  var trafficFault: String? {
    if !isAboutTraffic {
      return filter == nil && eni == nil ? nil : "--filter and --eni belong to --capture"
    }
    if rules.isEmpty { return "--capture needs --rules MODEL, what its packets are judged by" }
    if capture.isEmpty { return "--rules needs --capture FILE, whose packets are judged" }
    if capture.contains("-") { return "--capture reads files: packets are judged more than once" }
    return names.isEmpty ? nil : "--rules and --capture are measured alone, without a name"
  }

  /// Measures the user's rules with the user's traffic.
  func runTraffic() throws(CommandFailure) {
    var files: [String] = []
    for path in capture { files += try CaptureFolder.files(path) }
    var options = ReplayOptions(captures: files)
    options.models = rules
    options.filter = filter
    options.eni = eni
    options.atNIC = at == .nic
    let model = try ModelFiles.load(rules)
    let progress = Progress()
    defer { progress.clear() }
    let tape: CaptureTape
    do {
      tape = try CaptureTape(model: model, options: options) { progress.show($0) }
    } catch { throw CommandFailure(error) }
    for warning in tape.warnings { ErrorReport.line("warning: \(warning)") }
    guard !tape.frames.isEmpty else {
      throw CommandFailure(
        .input, what: files.joined(separator: ", "),
        why: "none of \(tape.ignored) packets is of a network interface of the model",
        advice: "give the model that the capture was taken under, or --eni")
    }
    if tape.isCut {
      ErrorReport.line(
        "warning: the captures are larger than 1 GiB: their first \(tape.frames.count) packets "
          + "are judged")
    }
    let report: TrafficReport
    do {
      var benchmark = try TrafficBenchmark(tape, model: model)
      benchmark.packetsPerRun = packets ?? benchmark.packetsPerRun
      benchmark.runs = runs
      report = try benchmark.run { progress.show("measured", UInt64($0 * 1_000), of: 1_000) }
    } catch { throw CommandFailure(.defect, what: "bench", why: "\(error)") }
    progress.clear()
    if json {
      print("[" + report.results.map(\.json).joined(separator: ",\n ") + "]")
    } else {
      print(report.text, terminator: "")
    }
  }
}

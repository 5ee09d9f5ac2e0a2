import ArgumentParser
import Bench
import TableCompiler

/// `apus bench`: how fast this machine runs the engine.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure the engine on this machine.",
    discussion: """
      pipeline  parse, source check, connection, group, route, mapping, limits, Geneve and counters
                for established UDP flows of 64-byte frames, in memory, on one core
      workers   two live workers against one, with frames of flows that each owns, and of all flows
      latency   from ring to ring through a live worker at half its load
      push      a change of the rules under load: time to the first packet judged by it
      isolation what a guest loses while another attacks the same workers (not part of everything)
      memory    bytes of a connection, an idle interface, a rule, a route, a mapping

      Example: the full pipeline with a thousand and a million flows

        apus bench pipeline --flows 1000 --flows 1000000

      Example: a hundred changes a second for five minutes, and the memory before and after

        apus bench push --rate 100 --seconds 300
      """)

  enum Name: String, CaseIterable, ExpressibleByArgument {
    case pipeline, workers, latency, push, memory, isolation
  }

  @Argument(help: "What to measure (default: everything).")
  var names: [Name] = []

  @Option(help: "Flows of the pipeline benchmark; may be given several times.")
  var flows: [Int] = [1000, 10_000, 100_000, 1_000_000]

  @Option(help: "Packets of each run.")
  var packets = 2_000_000

  @Option(help: "Runs; the median, minimum and maximum are shown.")
  var runs = 5

  @Option(help: "Changes that are pushed (default: rule, group, mapping, route and entry).")
  var change: [PushBenchmark.Change] = []

  @Option(help: "Pushes a second, for `--seconds`: rules and mappings under load, and the memory.")
  var rate: Int?

  @Option(help: "How long `--rate` goes on.")
  var seconds = 30

  @Option(help: "Milliseconds of each phase of `isolation`.")
  var phase = 300

  @Flag(help: "Print a JSON list of results on standard output.")
  var json = false

  func validate() throws {
    guard runs > 0, packets > 0, flows.allSatisfy({ $0 > 0 && $0 <= 12_800_000 }) else {
      throw ValidationError("runs, packets and flows must be positive, flows at most 12800000")
    }
    guard rate.map({ 1...1_000 ~= $0 }) ?? true, 1...86_400 ~= seconds, 20...60_000 ~= phase else {
      throw ValidationError(
        "the rate must be 1 to 1000, the seconds 1 to 86400, the phase 20 to 60000")
    }
  }

  private var changes: [PushBenchmark.Change] {
    if !change.isEmpty { return change }
    return rate == nil ? [.rule, .group, .mapping, .route, .entry] : [.mixed]
  }

  func run() throws {
    var results: [BenchmarkResult] = []
    func add(_ result: BenchmarkResult) {
      if !json { print(result.text) }
      results.append(result)
    }
    let chosen = names.isEmpty ? Name.allCases.filter { $0 != .isolation } : names
    if chosen.contains(.pipeline) {
      for count in flows {
        let benchmark = PipelineBenchmark(flows: count, packetsPerRun: packets, runs: runs)
        add(try benchmark.run().result)
      }
    }
    if chosen.contains(.workers) {
      for spread in [WorkersBenchmark.Spread.owned, .crossing] {
        var benchmark = WorkersBenchmark()
        benchmark.runs = runs
        benchmark.spread = spread
        for result in try benchmark.run(count: 2) { add(result) }
      }
    }
    if chosen.contains(.latency) {
      var benchmark = LatencyBenchmark()
      benchmark.runs = runs
      for result in try benchmark.run() { add(result) }
    }
    if chosen.contains(.push) {
      for change in changes {
        var benchmark = PushBenchmark()
        benchmark.change = change
        benchmark.rate = rate
        if change == .group { benchmark.pushes = max(3, runs) }
        if let rate { benchmark.pushes = rate * seconds }
        for result in try benchmark.run() { add(result) }
      }
    }
    if chosen.contains(.isolation) {
      for workers in [1, 2] {
        var benchmark = IsolationBenchmark()
        benchmark.runs = runs
        benchmark.milliseconds = phase
        for result in try benchmark.run(workers: workers) { add(result) }
      }
    }
    if chosen.contains(.memory) {
      for result in try MemoryBenchmark().run() { add(result) }
    }
    if json { print("[" + results.map(\.json).joined(separator: ",\n ") + "]") }
  }
}

extension PushBenchmark.Change: ExpressibleByArgument {}

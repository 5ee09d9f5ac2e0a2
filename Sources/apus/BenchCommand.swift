import ArgumentParser
import Bench
import TableCompiler
import Wire

/// `apus bench`: how fast this machine runs the engine.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure the engine on this machine.",
    discussion: """
      pipeline         parse, source check, connection, group, route, mapping, limits, Geneve and
                       counters for established UDP flows of 64-byte frames, in memory, on one core
      decapsulation    the same for packets from the underlay
      mixed            both directions in the same bursts
      new-flows        every packet a new UDP flow, 1,000 rules each way; also as many ending
      new-connections  TCP connections of six packets, 1,000 rules each way, a million others open
      expiry           how long bursts take while a million other connections end together
      nics             packets of 1, 1,024 and 16,384 interfaces in turn
      limiter          what allowances cost, and how exact they are
      stages           where the cycles of established and of new flows go, stage by stage
      floors           I/O, a cache line, a header, a copy alone, and the pipeline beside them
      groups           the verdict of a security group alone, 10 to 500,000 rules
      acl              the verdict of a network ACL alone, 1,000 and 10,000 rules
      routes           longest prefix match alone, 1,000,000 IPv4 and 250,000 IPv6 routes
      workers          two live workers against one, with frames of flows that each owns, and of all
      flow-log         what a flow log costs a live worker, and how many packets a second it counts
      latency          from ring to ring through a live worker at half its load
      push             a change of the rules under load: time to the first packet judged by it
      isolation        what a guest loses while another attacks the same workers
      memory           bytes of a connection, an idle interface, a rule, a route, a mapping

      Without names everything is measured but isolation and stages, the largest group with \
      100,000 rules.

      Example: the full pipeline with a thousand and a million flows

        apus bench pipeline --flows 1000 --flows 1000000

      Example: a hundred changes a second for five minutes, and the memory before and after

        apus bench push --rate 100 --seconds 300

      Example: these rules on this traffic: packets, bits and cycles, and how long bursts take

        apus bench --rules vpc.yaml --capture a.pcap
      """)

  enum Name: String, CaseIterable, ExpressibleByArgument {
    case pipeline, decapsulation, mixed, nics, limiter, stages, floors, groups, acl, routes
    case newFlows = "new-flows"
    case newConnections = "new-connections"
    case flowLog = "flow-log"
    case expiry, workers, latency, push, memory, isolation
  }

  @Argument(help: "What to measure (default: everything).")
  var names: [Name] = []

  @Option(
    help: ArgumentHelp(
      "Flows of pipeline, decapsulation, mixed and floors (default: 1000 to 1000000), and of"
        + " expiry; several."))
  var flows: [Int] = []

  @Option(help: "Packets, or lookups, of each run (default: some millions).")
  var packets: Int?

  @Option(help: "Connections open beside those of new-flows (0) and new-connections (a million).")
  var open: Int?

  @Option(
    help: ArgumentHelp(
      "Instead: judge the packets of --capture by this model; several are merged.",
      valueName: "model"))
  var rules: [String] = []

  @Option(
    help: ArgumentHelp(
      "With --rules: a capture, or a folder of them; several are read one after the other.",
      valueName: "file"))
  var capture: [String] = []

  @Option(
    help: ArgumentHelp(
      "Of the capture, only packets that match a tcpdump expression.", valueName: "expr"))
  var filter: String?

  @Option(
    help: ArgumentHelp(
      "Attribute the capture's packets to this NIC where addresses leave doubt.", valueName: "id"))
  var eni: String?

  @Option(help: "Where the capture was taken, as `apus replay` has it.")
  var at: CapturePlace = .wire

  @Option(help: "Rules of groups and acl; may be given several times.")
  var ruleCount: [Int] = []

  @Option(help: "A path's beginning: acl writes its rules and traces there for dpdk-test-acl.")
  var rulesOut: String?

  @Option(help: "Interfaces of nics beside one; may be given several times.")
  var nics: [Int] = [1_024, 16_384]

  @Option(help: "Runs; the median, minimum and maximum are shown.")
  var runs = 5

  @Option(help: "Changes that are pushed (default: rule, group, mapping, route and entry).")
  var change: [PushBenchmark.Change] = []

  @Option(help: "Pushes a second, for `--seconds`: rules and mappings under load, and the memory.")
  var rate: Int?

  @Option(help: "How long `--rate` goes on.")
  var seconds = 30

  @Option(help: "Attacks of `isolation`; may be given several times (default: all).")
  var attack: [Attack] = []

  @Option(help: "Turns of peace, and as many of attack, of 150 ms in each run of `isolation`.")
  var turns = 4

  @Flag(help: "Print a JSON list of results on standard output.")
  var json = false

  func validate() throws {
    guard runs > 0, packets ?? 1 > 0, flows.allSatisfy({ 1...100_000_000 ~= $0 }) else {
      throw ValidationError("runs, packets and flows must be positive, flows at most 100000000")
    }
    guard 0...32_000_000 ~= open ?? 0, nics.allSatisfy({ 2...65_000 ~= $0 }) else {
      throw ValidationError("open must be 0 to 32000000, nics 2 to 65000")
    }
    if let fault = trafficFault { throw ValidationError(fault) }
    guard ruleCount.allSatisfy({ 1...1_000_000 ~= $0 }) else {
      throw ValidationError("rule-count must be 1 to 1000000")
    }
    guard !names.contains(.acl) || ruleCount.allSatisfy({ $0 <= 32_766 }) else {
      throw ValidationError("a network ACL has at most 32766 rules")
    }
    guard rate.map({ 1...1_000 ~= $0 }) ?? true, 1...86_400 ~= seconds, 1...1_000 ~= turns else {
      throw ValidationError("the rate and turns must be 1 to 1000, the seconds 1 to 86400")
    }
  }

  private var changes: [PushBenchmark.Change] {
    if !change.isEmpty { return change }
    return rate == nil ? [.rule, .group, .mapping, .route, .entry] : [.mixed]
  }

  func run() throws {
    if isAboutTraffic { return try runTraffic() }
    var results: [BenchmarkResult] = []
    func add(_ result: BenchmarkResult) {
      if !json && result.name != "stages" { print(result.text) }
      results.append(result)
    }
    let chosen = names.isEmpty ? Name.allCases.filter { $0 != .isolation && $0 != .stages } : names
    for name in chosen { try EngineBenchmarks(command: self, add: add).run(name) }
    if chosen.contains(.workers) {
      for spread in [WorkersBenchmark.Spread.owned, .crossing] {
        var benchmark = WorkersBenchmark()
        benchmark.runs = runs
        benchmark.spread = spread
        for result in try benchmark.run(count: 2) { add(result) }
      }
    }
    if chosen.contains(.flowLog) {
      var benchmark = FlowLogBenchmark()
      benchmark.runs = runs
      for result in try benchmark.run() { add(result) }
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
        benchmark.turns = turns
        if !attack.isEmpty { benchmark.attacks = attack }
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
extension Attack: ExpressibleByArgument {}

/// The benchmarks of the engine and of its tables, in memory and on one core.
private struct EngineBenchmarks {
  let command: BenchCommand
  let add: (BenchmarkResult) -> Void

  private var isEverything: Bool { command.names.isEmpty }

  /// Runs one of them; nothing for any other name.
  func run(_ name: BenchCommand.Name) throws {
    switch name {
    case .pipeline:
      for count in flows([1000, 10_000, 100_000, 1_000_000]) {
        let benchmark = PipelineBenchmark(
          flows: count, packetsPerRun: command.packets ?? 2_000_000, runs: command.runs)
        add(try benchmark.run().result)
      }
    case .decapsulation, .mixed:
      for count in flows([1000, 10_000, 100_000]) {
        let traffic = DirectionBenchmark.Traffic(rawValue: name.rawValue) ?? .mixed
        var benchmark = DirectionBenchmark(traffic, flows: count)
        benchmark.packetsPerRun = command.packets ?? benchmark.packetsPerRun
        benchmark.runs = command.runs
        try show { try benchmark.run() }
      }
    case .stages:
      for traffic in StagesBenchmark.Traffic.allCases {
        var benchmark = StagesBenchmark(traffic)
        benchmark.flows = command.flows.first ?? benchmark.flows
        benchmark.packetsPerRun = command.packets ?? benchmark.packetsPerRun
        benchmark.runs = command.runs
        let results = try benchmark.run()
        if !command.json { print(StagesBenchmark.text(of: results)) }
        for result in results { add(result) }
      }
    case .floors:
      for count in flows([1000, 100_000]) {
        var benchmark = FloorsBenchmark(flows: count)
        benchmark.packetsPerRun = command.packets ?? benchmark.packetsPerRun
        benchmark.runs = command.runs
        try show { try benchmark.run() }
      }
    case .nics: try interfaces()
    case .limiter: try limiter()
    case .newFlows: try newFlows()
    case .newConnections: try newConnections()
    case .expiry:
      for count in flows([1_000_000]) {
        var benchmark = ExpiryBenchmark(flows: count)
        benchmark.runs = command.runs
        try show { try benchmark.run() }
      }
    case .groups, .acl: try classifiers(name == .acl ? .acl : .groups)
    case .routes: try routes()
    case .workers, .flowLog, .latency, .push, .memory, .isolation: break
    }
  }

  private func flows(_ usual: [Int]) -> [Int] { command.flows.isEmpty ? usual : command.flows }

  private func show(_ run: () throws -> [BenchmarkResult]) throws {
    for result in try run() { add(result) }
  }

  private func interfaces() throws {
    var benchmark = InterfacesBenchmark()
    benchmark.counts = [1] + command.nics
    benchmark.flows = max(benchmark.flows, command.nics.max() ?? 1)
    benchmark.packetsPerRun = command.packets ?? benchmark.packetsPerRun
    benchmark.runs = command.runs
    try show { try benchmark.run() }
  }

  private func limiter() throws {
    var benchmark = LimiterBenchmark()
    benchmark.packetsPerRun = command.packets ?? benchmark.packetsPerRun
    benchmark.runs = command.runs
    try show { try benchmark.run() }
  }

  private func newFlows() throws {
    for kind in NewFlowsBenchmark.Kind.allCases {
      var benchmark = NewFlowsBenchmark(kind)
      benchmark.packetsPerRun = command.packets ?? benchmark.packetsPerRun
      benchmark.runs = command.runs
      benchmark.open = command.open ?? benchmark.open
      try show { try benchmark.run() }
    }
  }

  private func newConnections() throws {
    var benchmark = NewConnectionsBenchmark()
    benchmark.connectionsPerRun = command.packets.map { $0 / 6 } ?? benchmark.connectionsPerRun
    benchmark.runs = command.runs
    benchmark.open = command.open ?? benchmark.open
    try show { try benchmark.run() }
  }

  private func classifiers(_ kind: ClassifierBenchmark.Kind) throws {
    let usual =
      kind == .acl
      ? [1_000, 10_000] : isEverything ? [10, 1_000, 100_000] : [10, 1_000, 100_000, 500_000]
    for count in command.ruleCount.isEmpty ? usual : command.ruleCount {
      var benchmark = ClassifierBenchmark(kind, rules: count)
      benchmark.lookupsPerRun = command.packets ?? benchmark.lookupsPerRun
      benchmark.runs = command.runs
      if kind == .acl { benchmark.rulesOut = command.rulesOut }
      try show { try benchmark.run() }
    }
  }

  private func routes() throws {
    for (family, count) in [(IPFamily.v4, 1_000_000), (.v6, 250_000)] {
      var benchmark = RoutesBenchmark(family, routes: count)
      benchmark.lookupsPerRun = command.packets ?? benchmark.lookupsPerRun
      benchmark.runs = command.runs
      try show { try benchmark.run() }
    }
  }
}

import CDataplane
import Datapath
import Glibc
import Live
import LockFree
import TableCompiler
import Tables
import VPCModel
import Wire

/// How long a change of the model takes until the first packet is judged by it, while a worker
/// carries all the traffic that it can.
///
/// The clock runs from the call that compiles the changed model to the moment when a frame leaves
/// that only the new generation allows.
public struct PushBenchmark {
  /// What is changed.
  public enum Change: String, Sendable, CaseIterable {
    /// One rule among 100,000: 100 groups of 1,000.
    case rule
    /// All rules of a group of 100,000.
    case group
    /// One mapping among 1,000,000.
    case mapping
    /// One route among 100,000, beside a rule of a group of 1,000.
    case route
    /// One entry of a prefix list of 1,000, which a rule of each of 100 groups of 1,000 names, and
    /// a route; beside a rule of one of the groups.
    case entry
    /// One rule among 100,000, and with every other push one mapping among 100,000 that moves.
    case mixed
  }

  public var flows = 10_000
  public var change = Change.rule
  /// Pushes that are timed.
  public var pushes = 200

  /// Pushes a second, for as long as `pushes` takes; nil for as fast as they go.
  public var rate: Int?

  public init() {}

  /// Measures microseconds from push to first packet, the dip of the rate, and what was lost.
  ///
  /// - Throws: `TableCompilerError` when the model cannot be compiled, which is a defect.
  public func run() throws(TableCompilerError) -> [BenchmarkResult] {
    var host = try PushHost(PushModel(change))
    let signals = PushSignals()
    defer { signals.deallocate() }
    let (shared, flows) = (host.shared, flows)
    let thread = LiveBenchmark.thread(processor: 1) {
      var configuration = WorkerConfiguration(flowCapacity: 1 << 18)
      configuration.fragmentCapacity = 64
      let engine = Worker(
        configuration: configuration, nicCapacity: PushHost.capacity.networkInterfaces,
        ruleCapacity: PushHost.capacity.ruleNumbers)
      var worker = LiveWorker(
        index: 0, io: PushPorts(flows: flows, signals: signals), engine: engine, shared: shared)
      worker.run()
    }
    _ = Processors.pin(0)
    usleep(500_000)
    var samples: [Double] = []
    var compiling: [Double] = []
    let ticks = Self.ticksPerMicrosecond()
    let quiet = rate(signals, milliseconds: 500)
    let began = Moment(signals)
    var dips: [Double] = []
    var resident: [Double] = []
    for push in 0..<pushes {
      let start = Moment(signals)
      let timing = try host.push(push, signals)
      samples.append(Double(timing.first - timing.start) / ticks)
      compiling.append(Double(timing.compiling) / 1_000)
      if push == min(100, pushes / 10) || push == pushes / 2 || push == pushes - 1 {
        resident.append(Double(MemoryBenchmark.residentBytes()) / 1_048_576)
      }
      if rate != nil {
        pause(after: push, since: began.time)
      } else {
        if let dip = dip(since: start, signals) { dips.append(dip) }
      }
    }
    if rate != nil {
      let busy = Moment(signals).rate(since: began)
      dips = [100 * (1 - 2 * busy / (quiet + rate(signals, milliseconds: 500)))]
    }
    shared.stop()
    pthread_join(thread, nil)
    let lost = Double(signals.offered - signals.sent)
    host.close()
    let measured = results(
      samples, compiling, dips: dips, lost: lost, rate: quiet)
    return rate == nil ? measured : measured + memory(resident)
  }

  /// What had left at a time.
  private struct Moment {
    let time = apus_monotonic_time()
    let sent: UInt64

    init(_ signals: PushSignals) { sent = signals.sent }

    /// Million packets a second from an earlier moment on.
    func rate(since start: Moment) -> Double {
      Double(sent - start.sent) * 1_000 / Double(time - start.time)
    }
  }

  /// How many hundredths of the rate a push took: in the push and what is left of the 10 ms since
  /// it began, against 10 ms after them. One beside the other, because the machine's own speed
  /// changes by more within a second. Nil when the worker had no processor in these.
  private func dip(since start: Moment, _ signals: PushSignals) -> Double? {
    let passed = apus_monotonic_time() - start.time
    if passed < 10_000_000 { usleep(UInt32(10_000_000 - passed) / 1_000) }
    let middle = Moment(signals)
    usleep(10_000)
    let after = Moment(signals).rate(since: middle)
    return after > 0 ? 100 * (1 - middle.rate(since: start) / after) : nil
  }

  /// Waits for the next push's time.
  private func pause(after push: Int, since began: UInt64) {
    guard let rate else { return }
    let due = began + UInt64(push + 1) * 1_000_000_000 / UInt64(rate)
    let now = apus_monotonic_time()
    if due > now { usleep(UInt32((due - now) / 1_000)) }
  }

  /// What the process has in memory after the first pushes, in the middle and at the end.
  private func memory(_ resident: [Double]) -> [BenchmarkResult] {
    zip(["start", "middle", "end"], resident).map { name, value in
      BenchmarkResult(
        name: "push-memory-\(name)", unit: "MB", samples: [value],
        parameters: [("change", change.rawValue), ("pushes", "\(pushes)")])
    }
  }

  private func results(
    _ samples: [Double], _ compiling: [Double], dips: [Double], lost: Double, rate: Double
  ) -> [BenchmarkResult] {
    let parameters = [("change", change.rawValue), ("flows", "\(flows)")]
    func part(_ part: Double, _ name: String, of values: [Double]) -> BenchmarkResult {
      let sorted = values.sorted()
      let value = sorted[Int(Double(sorted.count - 1) * part)]
      var result = BenchmarkResult(
        name: name, unit: "us", samples: values, parameters: parameters)
      result.value = value
      return result
    }
    return [
      part(0.5, "push-p50", of: samples), part(0.99, "push-p99", of: samples),
      part(0.5, "push-compile-cpu-p50", of: compiling),
      BenchmarkResult(
        name: "push-dip", unit: "% of \((rate * 10).rounded() / 10) Mpps", samples: dips,
        parameters: parameters),
      BenchmarkResult(name: "push-lost", unit: "packets", samples: [lost], parameters: parameters),
    ]
  }

  /// Million packets a second.
  private func rate(_ signals: PushSignals, milliseconds: UInt32) -> Double {
    let before = Moment(signals)
    usleep(milliseconds * 1_000)
    return Moment(signals).rate(since: before)
  }

  private static func ticksPerMicrosecond() -> Double {
    let (time, tsc) = (apus_monotonic_time(), apus_tsc())
    usleep(50_000)
    return Double(apus_tsc() - tsc) * 1_000 / Double(apus_monotonic_time() - time)
  }
}

/// The control side of a host: compiles and publishes as the daemon does.
struct PushHost: ~Copyable {
  struct Timing {
    /// When the push began and when the first packet left, by the time stamp counter.
    var start: UInt64
    var first: UInt64
    /// Nanoseconds of processor time that compiling took.
    var compiling: UInt64
  }

  static let capacity = TableCapacity(networkInterfaces: 64, rules: 1 << 18)

  let shared: WorkerShared
  private var model: PushModel
  private var compiled: CompiledTables

  init(_ model: PushModel) throws(TableCompilerError) {
    self.model = model
    compiled = try TableCompiler.compile(
      model.model, CompileRequest(generation: 2, capacity: Self.capacity))
    shared = WorkerShared(
      workers: 1, portCount: 2, nicCapacity: Self.capacity.networkInterfaces, isBusyPolling: true)
    let first = LiveTables(
      rules: compiled.tables, portCount: 2, uplinkMAC: MACAddress(0x02AA_0000_0001))
    first.connect(port: 1, nic: 0)
    for endpoint in 0..<compiled.tables.endpoints.count {
      first.nextHops.set(TableIndex(endpoint), MACAddress(0x02AA_0000_00FE))
    }
    _ = shared.publish(first)
  }

  /// Publishes the next change and waits for the first packet that needs it.
  mutating func push(_ number: Int, _ signals: PushSignals) throws(TableCompilerError) -> Timing {
    model.change(number)
    // Nothing is awaited while what was seen before is forgotten.
    signals.awaited = 0
    usleep(1_000)
    signals.seen = 0
    signals.awaited = UInt64(PushPorts.probePort(number))
    let start = apus_tsc()
    let began = Self.processorTime()
    var next = try compile()
    let compiling = Self.processorTime() - began
    // A worker that had no processor for a second did not take the tables up.
    for attempt in 1... {
      let tables = LiveTables(
        rules: next.tables, portCount: 2, uplinkMAC: MACAddress(0x02AA_0000_0001))
      tables.connect(port: 1, nic: 0)
      shared.copyNextHops(to: tables)
      if shared.publish(tables) { break }
      precondition(attempt < 10, "the worker takes no tables up")
      next = try compile()
    }
    while signals.seen == 0 { apus_pause() }
    // As in the daemon, the generation before goes when the next one is in use.
    compiled = next
    return Timing(start: start, first: signals.seen, compiling: compiling)
  }

  /// The changed model as the next generation.
  private func compile() throws(TableCompilerError) -> CompiledTables {
    var request = CompileRequest(
      generation: UInt32(truncatingIfNeeded: shared.nextGeneration), capacity: Self.capacity,
      previous: compiled)
    request.swept = shared.sweptGeneration
    return try TableCompiler.compile(model.model, request)
  }

  /// Nanoseconds that this thread has run: time that others took is not in it.
  private static func processorTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  consuming func close() { shared.deallocate() }
}

/// The benchmark's model with many rules or mappings, of which some change with every push.
struct PushModel {
  private(set) var model = BenchmarkModel.make()
  private let kind: PushBenchmark.Change

  private static let probes = IPPrefix(IPAddress(v4: 0x0A01_0000), length: 16)

  init(_ kind: PushBenchmark.Change) {
    self.kind = kind
    model.vpcs[0].cidrs.append(Self.probes)
    model.mappings.append(
      Mapping(
        vpc: "vpc", address: PushPorts.probeDestination, host: IPAddress(v4: 0xC000_0210),
        mac: MACAddress(0x0200_0002_0000)))
    let groups = [.rule, .mixed, .entry].contains(kind) ? 100 : 1
    let rules = kind == .group ? 100_000 : 1_000
    for group in 0..<groups {
      let id = "many-\(group)"
      model.securityGroups.append(
        SecurityGroup(
          id: id, vpc: "vpc", ingress: [], egress: (0..<rules).map { Self.rule(id, $0, 0) }))
    }
    model.networkInterfaces[0].securityGroups.append("many-0")
    if kind == .entry { nameList() }
    if kind == .route {
      model.routeTables[0].routes = SharedList(
        (0..<100_000).map { Self.route($0, isChanged: false) })
    }
    if kind == .mapping || kind == .mixed {
      for index in 0..<(kind == .mixed ? 100_000 : 1_000_000) {
        model.mappings.append(
          Mapping(
            vpc: "vpc", address: IPAddress(v4: 0x0A10_0000 + UInt32(index)),
            host: IPAddress(v4: 0xC000_0210 + UInt32(index % 16)),
            mac: MACAddress(0x0200_0100_0000 + UInt64(index))))
      }
    }
    change(1)
  }

  /// A rule for one port of some addresses that no frame is sent to.
  private static func rule(_ group: String, _ index: Int, _ shift: Int) -> SecurityGroupRule {
    let port = UInt16(1 + (index + shift) % 50_000)
    let prefix = IPPrefix(IPAddress(v4: 0x0A40_0000 + UInt32(index) << 4), length: 28)
    return SecurityGroupRule(
      id: "\(group)/egress/\(index)",
      match: TrafficMatch(protocolNumber: IPProtocol.tcp, ports: [port...port]),
      peers: [.cidr(prefix)])
  }

  /// A route for addresses that no frame is sent to.
  private static func route(_ index: Int, isChanged: Bool) -> Route {
    let address = IPAddress(v4: 0x2000_0000 + UInt32(index) << 9)
    return Route(
      destination: .cidr(IPPrefix(address, length: isChanged ? 25 : 24)), target: .blackhole)
  }

  /// A prefix list that each of the many groups and a route name.
  private mutating func nameList() {
    model.prefixLists = [PrefixList(id: "pl", entries: (0..<1_000).map { Self.entry($0, 0) })]
    for group in 1..<model.securityGroups.count {
      model.securityGroups[group].egress[0].peers = [.prefixList("pl")]
    }
    model.routeTables[0].routes = [Route(destination: .prefixList("pl"), target: .blackhole)]
  }

  /// An entry for addresses that no frame is sent to.
  private static func entry(_ index: Int, _ number: Int) -> IPPrefix {
    IPPrefix(IPAddress(v4: 0x3000_0000 + UInt32(index) << 12 + UInt32(number % 8) << 8), length: 24)
  }

  /// Lets probes to another port pass, and changes what the benchmark is about.
  mutating func change(_ number: Int) {
    if kind == .group {
      for index in model.securityGroups[1].egress.indices {
        model.securityGroups[1].egress[index] = Self.rule("many-0", index, number & 1)
      }
    }
    if kind == .mapping {
      let last = model.mappings.count - 1
      model.mappings[last].mac = MACAddress(UInt64(0x0200_0200_0000 + number))
    }
    if kind == .route {
      let index = number * 37 % model.routeTables[0].routes.count
      model.routeTables[0].routes[index] = Self.route(index, isChanged: true)
    }
    if kind == .entry {
      let index = number * 37 % model.prefixLists[0].entries.count
      model.prefixLists[0].entries[index] = Self.entry(index, number)
    }
    if kind == .mixed && number % 2 == 0 {
      let mapping = model.mappings.remove(at: 1 + number * 37 % (model.mappings.count - 1))
      model.mappings.append(mapping)
    }
    let port = UInt16(PushPorts.probePort(number))
    model.securityGroups[1].egress[500] = SecurityGroupRule(
      id: "many-0/egress/500",
      match: TrafficMatch(protocolNumber: IPProtocol.udp, ports: [port...port]),
      peers: [.cidr(Self.probes)])
  }
}

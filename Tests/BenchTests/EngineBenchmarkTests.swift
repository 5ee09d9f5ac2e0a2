import Testing

@testable import Bench

/// Each benchmark of the engine, with tiny numbers: it runs, does the same work every time, and
/// notices work that was left out.
@Suite struct EngineBenchmarkTests {
  static let runs: [@Sendable (Int) throws -> [BenchmarkResult]] = [
    { omitted in try direction(.decapsulation, omitted) },
    { omitted in try direction(.mixed, omitted) },
    { omitted in try newFlows(.out, omitted) },
    { omitted in try newFlows(.in, omitted) },
    { omitted in try newFlows(.sustained, omitted) },
    { omitted in
      var benchmark = NewConnectionsBenchmark()
      (benchmark.connectionsPerRun, benchmark.runs) = (160, 2)
      (benchmark.open, benchmark.window, benchmark.omitted) = (500, 2048, omitted)
      return try benchmark.run()
    },
    { omitted in
      var benchmark = InterfacesBenchmark()
      (benchmark.counts, benchmark.flows) = ([1, 7, 64], 128)
      (benchmark.packetsPerRun, benchmark.runs, benchmark.omitted) = (640, 2, omitted)
      return try benchmark.run()
    },
    { omitted in
      var benchmark = LimiterBenchmark()
      (benchmark.flows, benchmark.packetsPerRun, benchmark.runs) = (100, 640, 2)
      (benchmark.milliseconds, benchmark.packetsPerSecond) = (10, 12_347)
      benchmark.omitted = omitted
      return try benchmark.run()
    },
    { omitted in
      var benchmark = FloorsBenchmark(flows: 100)
      (benchmark.packetsPerRun, benchmark.runs, benchmark.omitted) = (1024, 2, omitted)
      return try benchmark.run()
    },
    { omitted in
      var benchmark = ExpiryBenchmark(flows: 1_000)
      (benchmark.live, benchmark.runs, benchmark.peace, benchmark.omitted) = (64, 2, 10, omitted)
      return try benchmark.run()
    },
  ]

  static func direction(
    _ traffic: DirectionBenchmark.Traffic, _ omitted: Int
  ) throws -> [BenchmarkResult] {
    var benchmark = DirectionBenchmark(traffic, flows: 100)
    (benchmark.packetsPerRun, benchmark.runs, benchmark.omitted) = (640, 2, omitted)
    return try benchmark.run()
  }

  static func newFlows(
    _ kind: NewFlowsBenchmark.Kind, _ omitted: Int
  ) throws -> [BenchmarkResult] {
    var benchmark = NewFlowsBenchmark(kind)
    (benchmark.packetsPerRun, benchmark.runs, benchmark.open) = (640, 2, 100)
    (benchmark.window, benchmark.omitted) = (1024, omitted)
    return try benchmark.run()
  }

  @Test(arguments: 0..<10)
  func sameWorkEveryTime(_ index: Int) throws {
    let first = try Self.runs[index](0)
    let second = try Self.runs[index](0)
    #expect(!first.isEmpty)
    #expect(first.contains { result in result.parameters.contains { $0.0 == "digest" } })
    #expect(first.map(\.proof) == second.map(\.proof))
    for result in first { #expect(result.value.isFinite && result.min <= result.max) }
  }

  @Test(arguments: 0..<10)
  func noticesPacketsLeftOut(_ index: Int) {
    #expect { try Self.runs[index](3) } throws: { error in
      if case BenchmarkFailure.unproven = error { true } else { false }
    }
  }

  /// The rate that passes is the allowance's, to a packet at either end.
  @Test func limiterIsExact() throws {
    var benchmark = LimiterBenchmark()
    (benchmark.flows, benchmark.packetsPerRun, benchmark.runs) = (32, 32, 1)
    (benchmark.milliseconds, benchmark.packetsPerSecond) = (10, 12_347)
    let errors = try benchmark.run().filter { $0.name == "limiter-error-1s" }
    #expect(errors.count == 3)
    for error in errors {
      let passed = try #require(
        error.parameters.first { $0.0 == "passed" }.flatMap { Double($0.1) })
      // Between two packets the bucket holds less than one: one at either end of the time is what
      // cannot be avoided.
      #expect(error.value <= 200 / passed, "\(error.text)")
    }
  }

  @Test func refusesWhatDoesNotFit() {
    #expect { try PipelineBenchmark(flows: 1 << 40).run() } throws: { error in
      guard case BenchmarkFailure.memory(let needed, let available) = error else { return false }
      return needed > available && "\(error)".contains("are missing")
    }
  }
}

extension BenchmarkResult {
  /// What has to be the same every time: names and parameters.
  var proof: [String] { [name, unit] + parameters.map { "\($0.0)=\($0.1)" } }
}

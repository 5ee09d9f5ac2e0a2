import Glibc
import Testing
import Wire

@testable import Bench

/// The lookup benchmarks with tiny numbers: they run, have the same answers every time, and notice
/// lookups that were left out.
@Suite struct LookupBenchmarkTests {
  static let runs: [@Sendable (Int) throws -> [BenchmarkResult]] = [
    { try classifier(.groups, 10, $0) },
    { try classifier(.groups, 500, $0) },
    { try classifier(.acl, 300, $0) },
    { try routes(.v4, $0) },
    { try routes(.v6, $0) },
  ]

  static func classifier(
    _ kind: ClassifierBenchmark.Kind, _ rules: Int, _ omitted: Int
  ) throws -> [BenchmarkResult] {
    var benchmark = ClassifierBenchmark(kind, rules: rules)
    (benchmark.lookupsPerRun, benchmark.runs, benchmark.traceLength) = (1_000, 2, 500)
    benchmark.omitted = omitted
    return try benchmark.run()
  }

  static func routes(_ family: IPFamily, _ omitted: Int) throws -> [BenchmarkResult] {
    var benchmark = RoutesBenchmark(family, routes: 2_000)
    (benchmark.lookupsPerRun, benchmark.runs, benchmark.traceLength) = (1_000, 2, 500)
    benchmark.omitted = omitted
    return try benchmark.run()
  }

  @Test(arguments: 0..<5)
  func sameAnswersEveryTime(_ index: Int) throws {
    let first = try Self.runs[index](0)
    let second = try Self.runs[index](0)
    #expect(first.contains { result in result.parameters.contains { $0.0 == "digest" } })
    #expect(first.map(\.proof) == second.map(\.proof))
  }

  @Test(arguments: 0..<5)
  func noticesLookupsLeftOut(_ index: Int) {
    #expect(throws: BenchmarkFailure.unproven("a pass over the trace has other answers")) {
      try Self.runs[index](1)
    }
  }

  @Test func rulesAreWrittenForPeer() throws {
    let prefix = "/tmp/apus-bench-\(getpid())"
    defer {
      unlink("\(prefix)-40.rules")
      unlink("\(prefix)-40.traces")
    }
    var benchmark = ClassifierBenchmark(.acl, rules: 40)
    (benchmark.lookupsPerRun, benchmark.runs, benchmark.traceLength) = (100, 1, 50)
    benchmark.rulesOut = prefix
    _ = try benchmark.run()
    #expect(try lines("\(prefix)-40.rules") == 40)
    #expect(try lines("\(prefix)-40.traces") == 50)
  }

  private func lines(_ path: String) throws -> Int {
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var count = 0
    while true {
      let byte = fgetc(file)
      if byte == EOF { return count }
      if byte == 10 { count += 1 }
    }
  }

  /// As `dpdk-test-acl` reads them.
  @Test func ruleText() {
    let rule = FilterRule(
      prefix: IPPrefix(IPAddress(v4: 0x0A01_0200), length: 24), protocolNumber: 6, ports: 80...90)
    #expect(FilterFile.line(rule) == "@10.1.2.0/24 0.0.0.0/0 0 : 65535 80 : 90 6/255")
    let all = FilterRule(
      prefix: IPPrefix(IPAddress(v4: 0), length: 0), protocolNumber: nil, ports: nil)
    #expect(FilterFile.line(all) == "@0.0.0.0/0 0.0.0.0/0 0 : 65535 0 : 65535 0/0")
    let question = FilterQuestion(address: 16_909_060, protocolNumber: 17, port: 53)
    #expect(FilterFile.line(question) == "16909060 167772426 40000 53 17")
  }
}

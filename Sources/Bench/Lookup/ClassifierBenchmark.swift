import TableCompiler
import Tables
import VPCModel
import Wire

/// The verdict of a security group or a network ACL alone, on one core: `ClassifierSet.match`,
/// which the engine calls for a new connection and an uncached packet, and for groups
/// `ClassifierSet.answer` in bursts of 32, which it calls when several packets of a burst begin
/// connections.
///
/// Timed is a loop of lookups with questions of a trace, half of them inside a random rule and
/// half at random addresses, each with a random port; a lookup does not wait for the one before.
/// Making and compiling the rules and the trace, and comparing answers, is not timed.
public struct ClassifierBenchmark {
  public enum Kind: String, Sendable {
    /// A group: rules that allow, all over the address space.
    case groups
    /// A network ACL: rules that allow or deny, in the manner of ClassBench.
    case acl
  }

  public var kind: Kind
  public var rules: Int
  public var lookupsPerRun = 4_000_000
  public var runs = 5
  public var traceLength = 1 << 16
  /// Where the rules and the trace are written for dpdk-test-acl, as `PREFIX-N.rules` and
  /// `PREFIX-N.traces`; nil for nowhere.
  public var rulesOut: String?
  /// Questions whose answer is compared with that of a search through all rules.
  var sample = 512
  var omitted = 0

  public init(_ kind: Kind, rules: Int) {
    self.kind = kind
    self.rules = rules
  }

  /// Measures cycles a lookup, and millions a second.
  ///
  /// - Throws: `unproven` when an answer is not that of a search through all rules, or a lookup was
  ///   left out; `file` when the rules cannot be written.
  public func run() throws(BenchmarkFailure) -> [BenchmarkResult] {
    let clock = BenchmarkClock()
    var random = BenchmarkRandom()
    let filter =
      kind == .groups
      ? FilterRules.groups(rules, &random) : FilterRules.accessList(rules, &random)
    let trace = FilterRules.trace(filter, count: traceLength, &random)
    if let rulesOut { try FilterFile.write(filter, trace, to: "\(rulesOut)-\(rules)") }
    let compiled = try EngineRig.compile(Self.model(kind, filter))
    let index =
      kind == .groups
      ? compiled.tables.groups[0].classifiers.index(.ingress, .v4)
      : compiled.tables.acls[0].classifiers.index(.ingress, .v4)
    return try withExtendedLifetime(compiled) { () throws(BenchmarkFailure) in
      let classifiers = compiled.tables.classifiers
      let matched = try check(filter, trace) { question in
        classifiers.match(index, high: 0, low: UInt64(question.address), key: question.key)
      }
      return try withQuestions(trace) { questions throws(BenchmarkFailure) in
        let alone = try measure(classifiers, index, questions)
        if kind == .acl { return results(kind.rawValue, alone, matched, compiled.byteCount, clock) }
        let bursts = try measureBursts(classifiers, index, questions)
        return results("groups", bursts, matched, compiled.byteCount, clock)
          + results("groups-alone", alone, matched, compiled.byteCount, clock)
      }
    }
  }

  private func results(
    _ name: String, _ measured: (samples: CycleSamples, digest: UInt64), _ matched: Int,
    _ byteCount: Int, _ clock: BenchmarkClock
  ) -> [BenchmarkResult] {
    measured.samples.results(
      name, clock,
      [
        ("rules", "\(rules)"), ("matched", "\(matched) of \(traceLength)"),
        ("bytes", "\(byteCount)"), ("digest", String(measured.digest, radix: 16)),
      ])
  }

  private func withQuestions(
    _ trace: [FilterQuestion],
    _ body: (UnsafeMutableBufferPointer<UInt64>) throws(BenchmarkFailure) -> [BenchmarkResult]
  ) throws(BenchmarkFailure) -> [BenchmarkResult] {
    // Packed: address above, key below.
    let questions = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: trace.count)
    defer { questions.deallocate() }
    _ = questions.initialize(from: trace.map { UInt64($0.address) << 32 | UInt64($0.key) })
    return try body(questions)
  }

  private func measure(
    _ classifiers: ClassifierSet, _ index: TableIndex,
    _ questions: UnsafeMutableBufferPointer<UInt64>
  ) throws(BenchmarkFailure) -> (samples: CycleSamples, digest: UInt64) {
    var timing = LookupTiming(runs: runs, lookupsPerRun: lookupsPerRun)
    timing.omitted = omitted
    return try timing.measure(count: questions.count) { place in
      Self.answer(classifiers, index, questions[place])
    }
  }

  /// The same questions in bursts, as the engine asks for packets that begin connections.
  private func measureBursts(
    _ classifiers: ClassifierSet, _ index: TableIndex,
    _ questions: UnsafeMutableBufferPointer<UInt64>
  ) throws(BenchmarkFailure) -> (samples: CycleSamples, digest: UInt64) {
    var timing = LookupTiming(runs: runs, lookupsPerRun: lookupsPerRun)
    timing.omitted = omitted
    let burst = WorkerMemory<ClassifierQuestion>(count: Self.burst)
    defer { burst.deallocate() }
    return try timing.measure(
      count: questions.count,
      like: { place in Self.answer(classifiers, index, questions[place]) },
      pass: { asked, digest in
        var first = 0
        while first < asked {
          let count = min(Self.burst, asked - first)
          for place in 0..<count {
            let question = questions[first + place]
            burst[place] = ClassifierQuestion(
              index, high: 0, low: question &>> 32, key: UInt32(truncatingIfNeeded: question))
          }
          classifiers.answer(burst, count: count)
          for place in 0..<count {
            digest = LookupTiming.join(digest, Self.packed(burst[place].match))
          }
          first += count
        }
      })
  }

  private static var burst: Int { 32 }

  @inline(__always)
  private static func answer(
    _ classifiers: ClassifierSet, _ index: TableIndex, _ question: UInt64
  ) -> UInt32 {
    packed(
      classifiers.match(
        index, high: 0, low: question &>> 32, key: UInt32(truncatingIfNeeded: question)))
  }

  @inline(__always)
  private static func packed(_ match: ClassifierMatch) -> UInt32 {
    match.rule &<< 1 | (match.allow ? 1 : 0)
  }

  /// Compares answers with those of a search through all rules, whose numbers begin at 1.
  ///
  /// - Returns: how many of the whole trace some rule matches.
  private func check(
    _ rules: [FilterRule], _ trace: [FilterQuestion],
    _ lookup: (FilterQuestion) -> ClassifierMatch
  ) throws(BenchmarkFailure) -> Int {
    for place in stride(from: 0, to: trace.count, by: max(1, trace.count / sample | 1)) {
      let question = trace[place]
      let answer = lookup(question)
      let found = rules.firstIndex { $0.matches(question) }
      let expected =
        found.map { ClassifierMatch(rule: UInt32($0 + 1), allow: rules[$0].allow) } ?? .nothing
      try BenchmarkFailure.check(
        answer == expected, "\(question) meets rule \(answer.rule), not \(expected.rule)")
    }
    return trace.count { lookup($0).rule != 0 }
  }

  private static func model(_ kind: Kind, _ rules: [FilterRule]) -> VPCModel {
    var model = VPCModel()
    model.vpcs = [
      VPC(id: "vpc", vni: 100, cidrs: [IPPrefix(IPAddress(v4: 0x0A00_0000), length: 16)])
    ]
    switch kind {
    case .groups:
      let list = rules.enumerated().map { index, rule in
        SecurityGroupRule(
          id: "sg/ingress/\(index)", match: rule.match, peers: [.cidr(rule.prefix)])
      }
      model.securityGroups = [SecurityGroup(id: "sg", vpc: "vpc", ingress: list, egress: [])]
    case .acl:
      let list = rules.enumerated().map { index, rule in
        NetworkACLRule(
          id: "acl/ingress/\(index)", number: index + 1, allow: rule.allow, match: rule.match,
          cidr: rule.prefix)
      }
      model.networkACLs = [NetworkACL(id: "acl", vpc: "vpc", ingress: list, egress: [])]
    }
    return model
  }
}

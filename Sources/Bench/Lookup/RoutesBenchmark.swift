import TableCompiler
import Tables
import VPCModel
import Wire

/// Longest prefix match in a large route table alone, on one core: `PrefixTrieSet.lookup`, which
/// the engine calls for a packet that leaves its subnet.
///
/// The table has prefix lengths as the Internet's has. Timed is a loop of lookups of random
/// addresses of a trace, which lie in the part of the address space that has routes; a lookup does
/// not wait for the one before. Making and compiling the routes, and comparing answers, is not
/// timed.
public struct RoutesBenchmark {
  public var family: IPFamily
  public var routes: Int
  public var lookupsPerRun = 8_000_000
  public var runs = 5
  public var traceLength = 1 << 16
  var omitted = 0

  public init(_ family: IPFamily, routes: Int) {
    self.family = family
    self.routes = routes
  }

  /// Measures cycles a lookup, millions a second, and bytes of the table.
  ///
  /// - Throws: `unproven` when an answer is not the longest prefix's, or a lookup was left out.
  public func run() throws(BenchmarkFailure) -> [BenchmarkResult] {
    let clock = BenchmarkClock()
    var random = BenchmarkRandom()
    let prefixes = RouteSet.prefixes(family, count: routes, &random)
    let trace = RouteSet.trace(family, count: traceLength, &random)
    let empty = try EngineRig.compile(Self.model([])).byteCount
    let compiled = try EngineRig.compile(Self.model(prefixes))
    return try withExtendedLifetime(compiled) { () throws(BenchmarkFailure) in
      let table = compiled.tables.routeTables[0]
      let trie = family == .v4 ? table.v4 : table.v6
      let (lookups, records) = (compiled.tables.prefixes, compiled.tables.routes)
      let matched = try check(prefixes, trace) { address in
        let found = lookups.lookup(trie, high: address.high, low: address.low)
        return found == .none ? 0 : records[found].rule
      }
      let (samples, digest) = try measure(lookups, trie, trace)
      let parameters = [
        ("family", family == .v4 ? "IPv4" : "IPv6"), ("routes", "\(routes)"),
        ("matched", "\(matched) of \(traceLength)"), ("digest", String(digest, radix: 16)),
      ]
      let bytes = BenchmarkResult(
        name: "routes-bytes", unit: "bytes", samples: [Double(compiled.byteCount - empty)],
        parameters: parameters)
      return samples.results("routes", clock, parameters) + [bytes]
    }
  }

  private func measure(
    _ lookups: PrefixTrieSet, _ trie: TableIndex, _ trace: [IPAddress]
  ) throws(BenchmarkFailure) -> (samples: CycleSamples, digest: UInt64) {
    var timing = LookupTiming(runs: runs, lookupsPerRun: lookupsPerRun)
    timing.omitted = omitted
    // What differs between the addresses: all of an IPv4 one, the upper half of an IPv6 one.
    let questions = UnsafeMutablePointer<UInt64>.allocate(capacity: trace.count)
    defer { questions.deallocate() }
    for (place, address) in trace.enumerated() {
      (questions + place).initialize(to: family == .v4 ? address.low : address.high)
    }
    if family == .v4 {
      return try timing.measure(count: trace.count) {
        lookups.lookup(trie, high: 0, low: questions[$0])
      }
    }
    return try timing.measure(count: trace.count) {
      lookups.lookup(trie, high: questions[$0], low: 1)
    }
  }

  /// Compares every answer of the trace with that of a dictionary for each length. Routes are
  /// numbered from 1.
  ///
  /// - Returns: how many addresses have a route.
  private func check(
    _ prefixes: [IPPrefix], _ trace: [IPAddress], _ lookup: (IPAddress) -> UInt32
  ) throws(BenchmarkFailure) -> Int {
    var numbers: [IPPrefix: UInt32] = [:]
    numbers.reserveCapacity(prefixes.count)
    for (index, prefix) in prefixes.enumerated() { numbers[prefix] = UInt32(index + 1) }
    let lengths = Set(prefixes.map(\.length)).sorted(by: >)
    var matched = 0
    for address in trace {
      let expected = lengths.lazy.compactMap { numbers[RouteSet.prefix(address, $0)] }.first ?? 0
      let answer = lookup(address)
      try BenchmarkFailure.check(
        answer == expected, "\(address) goes by route \(answer), not \(expected)")
      if expected != 0 { matched += 1 }
    }
    return matched
  }

  private static func model(_ prefixes: [IPPrefix]) -> VPCModel {
    var model = VPCModel()
    model.vpcs = [
      VPC(id: "vpc", vni: 100, cidrs: [IPPrefix(IPAddress(v4: 0x0A00_0000), length: 16)])
    ]
    model.routeTables = [
      RouteTable(
        id: "rtb", vpc: "vpc",
        routes: prefixes.map { Route(destination: .cidr($0), target: .blackhole) })
    ]
    return model
  }
}

/// Prefixes with the lengths that the Internet's route tables have, the same every time.
enum RouteSet {
  /// Parts of a thousand: as BGP table reports of recent years give them, rounded.
  private static let lengths4 = [
    (598, 24), (98, 23), (110, 22), (50, 21), (44, 20), (26, 19), (14, 18), (8, 17), (14, 16),
    (2, 15), (2, 14), (34, 24),
  ]
  private static let lengths6 = [
    (470, 48), (115, 32), (100, 44), (80, 40), (50, 36), (40, 46), (40, 47), (25, 29), (25, 42),
    (20, 33), (15, 34), (20, 45),
  ]

  /// Different prefixes.
  static func prefixes(
    _ family: IPFamily, count: Int, _ random: inout BenchmarkRandom
  ) -> [IPPrefix] {
    var known: Set<IPPrefix> = []
    known.reserveCapacity(count)
    var prefixes: [IPPrefix] = []
    prefixes.reserveCapacity(count)
    while prefixes.count < count {
      let length = FilterRules.pick(family == .v4 ? lengths4 : lengths6, &random)
      let prefix = prefix(address(family, &random), length)
      if known.insert(prefix).inserted { prefixes.append(prefix) }
    }
    return prefixes
  }

  static func trace(
    _ family: IPFamily, count: Int, _ random: inout BenchmarkRandom
  ) -> [IPAddress] {
    (0..<count).map { _ in address(family, &random) }
  }

  static func prefix(_ address: IPAddress, _ length: Int) -> IPPrefix {
    let mask = IPPrefix.mask(family: address.family, length: length)
    let masked = IPAddress(
      family: address.family, high: address.high & mask.high, low: address.low & mask.low)
    return IPPrefix(masked, length: length)
  }

  /// An address of the half of IPv4's /16 blocks, or of 32,768 of IPv6's /32 blocks, that are in
  /// use.
  private static func address(
    _ family: IPFamily, _ random: inout BenchmarkRandom
  ) -> IPAddress {
    if family == .v4 {
      // The VPC's own block, which has a route of its own, is not among them.
      var address = FilterRules.address(&random)
      while address >> 24 == 10 { address = FilterRules.address(&random) }
      return IPAddress(v4: address & ~0x0001_0000)
    }
    let block = 0x2000_0000 | (random.next() >> 20 & 0x7FFF) << 13
    return IPAddress(v6: block << 32 | random.next() >> 24 & 0xFFFF_FFFF, 1)
  }
}

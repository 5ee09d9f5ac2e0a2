import Tables
import VPCModel
import Wire

/// A rule as the classifier benchmarks make them: a remote prefix, a protocol, destination ports.
struct FilterRule {
  var prefix: IPPrefix
  /// nil is every protocol.
  var protocolNumber: UInt8?
  /// nil is every port.
  var ports: ClosedRange<UInt16>?
  var allow = true

  var match: TrafficMatch {
    TrafficMatch(protocolNumber: protocolNumber, ports: ports.map { [$0] } ?? [])
  }

  func matches(_ question: FilterQuestion) -> Bool {
    let mask = IPPrefix.mask(family: .v4, length: prefix.length).low
    return UInt64(question.address) & mask == prefix.address.low
      && protocolNumber.map { $0 == question.protocolNumber } ?? true
      && ports.map { $0.contains(question.port) } ?? true
  }
}

/// What a classifier is asked: a remote address, a protocol, a destination port.
struct FilterQuestion {
  var address: UInt32
  var protocolNumber: UInt8
  var port: UInt16

  var key: UInt32 { ClassifierKey.key(protocolNumber: protocolNumber, low: port) }
}

/// Rule sets and traces that look like real ones and are the same every time.
enum FilterRules {
  private static let services: [UInt16] = [22, 53, 80, 123, 443, 1433, 3306, 5432, 6379, 8080]

  /// Rules of security groups: hosts and networks all over the address space, a port, a range, or
  /// all of a protocol.
  static func groups(_ count: Int, _ random: inout BenchmarkRandom) -> [FilterRule] {
    (0..<count).map { _ in
      let length = pick([(40, 32), (15, 28), (30, 24), (10, 20), (5, 16)], &random)
      return FilterRule(
        prefix: prefix(address(&random), length),
        protocolNumber: random.below(4) == 0 ? IPProtocol.udp : IPProtocol.tcp,
        ports: ports(single: 60, range: 30, &random))
    }
  }

  /// Rules as ClassBench (Taylor and Turner, 2007) finds them in access control lists: prefixes in
  /// the same few networks that enclose each other, exact ports more often than ranges, TCP before
  /// all, allow before deny.
  static func accessList(_ count: Int, _ random: inout BenchmarkRandom) -> [FilterRule] {
    let networks = (0..<max(1, count / 16)).map { _ in address(&random) & 0xFFFF_F000 }
    return (0..<count).map { index in
      let length = pick(
        [(38, 32), (10, 30), (8, 28), (7, 26), (22, 24), (5, 22), (5, 20), (5, 16)], &random)
      let base = networks[random.below(networks.count)] | UInt32(random.below(1 << 12))
      // One in two hundred is for all addresses, and one port.
      let isForAll = index % 200 == 199
      return FilterRule(
        prefix: isForAll ? IPPrefix(IPAddress(v4: 0), length: 0) : prefix(base, length),
        protocolNumber: pick(
          [(78, IPProtocol.tcp), (18, IPProtocol.udp), (4, nil)], &random),
        ports: ports(single: isForAll ? 100 : 65, range: 20, &random), allow: random.below(4) != 0)
    }
  }

  /// Questions of which about half are inside some rule and the others anywhere.
  static func trace(
    _ rules: [FilterRule], count: Int, _ random: inout BenchmarkRandom
  ) -> [FilterQuestion] {
    (0..<count).map { index in
      let protocolNumber = random.below(4) == 0 ? IPProtocol.udp : IPProtocol.tcp
      let port = UInt16(truncatingIfNeeded: random.next() >> 20)
      if index % 2 == 0 {
        return FilterQuestion(
          address: address(&random), protocolNumber: protocolNumber, port: port)
      }
      let rule = rules[random.below(rules.count)]
      let host = UInt32(
        truncatingIfNeeded: IPPrefix.mask(family: .v4, length: rule.prefix.length).low)
      let inside =
        rule.prefix.address.v4Bits | UInt32(truncatingIfNeeded: random.next() >> 16) & ~host
      let ports = rule.ports ?? 0...UInt16.max
      return FilterQuestion(
        address: inside, protocolNumber: rule.protocolNumber ?? protocolNumber,
        port: ports.lowerBound + UInt16(random.below(ports.count)))
    }
  }

  // MARK: Parts

  /// An address of 1.0.0.0 to 223.255.255.255.
  static func address(_ random: inout BenchmarkRandom) -> UInt32 {
    UInt32(1 + random.below(223)) << 24 | UInt32(truncatingIfNeeded: random.next() >> 20)
      & 0xFF_FFFF
  }

  private static func prefix(_ address: UInt32, _ length: Int) -> IPPrefix {
    let mask = UInt32(truncatingIfNeeded: IPPrefix.mask(family: .v4, length: length).low)
    return IPPrefix(IPAddress(v4: address & mask), length: length)
  }

  /// Of a hundred, some have one port, some a range, and the rest all.
  private static func ports(
    single: Int, range: Int, _ random: inout BenchmarkRandom
  ) -> ClosedRange<UInt16>? {
    let choice = random.below(100)
    if choice < single {
      let known = random.below(2) == 0
      let port = known ? services[random.below(services.count)] : UInt16(1 + random.below(65_535))
      return port...port
    }
    if choice >= single + range { return nil }
    if random.below(2) == 0 { return 1024...65535 }
    let first = random.below(60_000)
    return UInt16(first)...UInt16(first + random.below(5_000))
  }

  /// One of several values by their weights, which make a hundred.
  static func pick<Value>(_ values: [(Int, Value)], _ random: inout BenchmarkRandom) -> Value {
    var rest = random.below(values.reduce(0) { $0 + $1.0 })
    for (weight, value) in values {
      if rest < weight { return value }
      rest -= weight
    }
    return values[0].1
  }
}

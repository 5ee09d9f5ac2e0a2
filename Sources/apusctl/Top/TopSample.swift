import ControlProtocol

/// What a host did between two readings of its counters, per second.
struct TopSample {
  struct Interface {
    var id: String
    var connections: UInt64
    var packetsIn = 0.0
    var packetsOut = 0.0
    var bitsIn = 0.0
    var bitsOut = 0.0
    var drops = 0.0
    /// Packets beyond the interface's allowances, by the allowances' names; those above zero.
    var exceeded: [String: Double] = [:]

    func value(_ order: TopOrder) -> Double {
      switch order {
      case .packets: packetsIn + packetsOut
      case .bits: bitsIn + bitsOut
      case .drops: drops
      case .connections: Double(connections)
      }
    }
  }

  struct Drop {
    var reason: String
    var rate: Double
    var total: UInt64
  }

  var generation: UInt64
  /// Since the data plane began.
  var uptime: Double
  /// Seconds between the readings; 0 before there are two.
  var span: Double
  var interfaces: [Interface] = []
  /// Reasons that were ever met, those of the most drops first.
  var drops: [Drop] = []
  /// Rounds of each worker's loop in which something came, of all its rounds, 0 to 1.
  var busy: [Double] = []

  /// - Parameter last: an earlier reading of the same data plane; without one all rates are 0. A
  ///   data plane that began anew since then counts from zero.
  init(_ now: Apus_V1_CountersResponse, since last: Apus_V1_CountersResponse?, order: TopOrder) {
    generation = now.generation
    uptime = Self.seconds(now)
    let before = last.flatMap { Self.seconds($0) < Self.seconds(now) ? $0 : nil }
    span = before.map { Self.seconds(now) - Self.seconds($0) } ?? 0
    let rate = Rate(span: span)
    let known = Dictionary(
      before?.interfaces.map { ($0.networkInterface, $0) } ?? [], uniquingKeysWith: { $1 })
    interfaces = now.interfaces.map { interface in
      Self.interface(interface, since: known[interface.networkInterface], rate)
    }
    interfaces.sort {
      let (left, right) = ($0.value(order), $1.value(order))
      return left == right ? $0.id < $1.id : left > right
    }
    drops = Self.drops(now, since: before, rate)
    busy = now.workers.enumerated().map { number, worker in
      let earlier = before.flatMap { number < $0.workers.count ? $0.workers[number] : nil }
      let rounds = rate.increase(worker.values, earlier?.values ?? [:], "rounds")
      let busy = rate.increase(worker.values, earlier?.values ?? [:], "busyRounds")
      return rounds == 0 ? 0 : Double(busy) / Double(rounds)
    }
  }

  private static func seconds(_ counters: Apus_V1_CountersResponse) -> Double {
    Double(counters.uptime.seconds) + Double(counters.uptime.nanos) / 1e9
  }

  private static func interface(
    _ now: Apus_V1_InterfaceCounters, since last: Apus_V1_InterfaceCounters?, _ rate: Rate
  ) -> Interface {
    let before = last?.values ?? [:]
    var result = Interface(id: now.networkInterface, connections: now.connections)
    result.packetsIn = rate(now.values, before, "packets_in")
    result.packetsOut = rate(now.values, before, "packets_out")
    result.bitsIn = rate(now.values, before, "bytes_in") * 8
    result.bitsOut = rate(now.values, before, "bytes_out") * 8
    for reason in now.dropsByReason.keys {
      result.drops += rate(now.dropsByReason, last?.dropsByReason ?? [:], reason)
    }
    for name in now.values.keys where name.hasSuffix("_exceeded") {
      let value = rate(now.values, before, name)
      if value > 0 { result.exceeded[name] = value }
    }
    return result
  }

  private static func drops(
    _ now: Apus_V1_CountersResponse, since last: Apus_V1_CountersResponse?, _ rate: Rate
  ) -> [Drop] {
    let (current, before) = (totals(now), last.map(totals) ?? [:])
    return current.map { reason, total in
      Drop(reason: reason, rate: rate(current, before, reason), total: total)
    }.sorted {
      ($0.rate, $0.total, $1.reason) > ($1.rate, $1.total, $0.reason)
    }
  }

  private static func totals(_ counters: Apus_V1_CountersResponse) -> [String: UInt64] {
    let all = counters.interfaces.map(\.dropsByReason) + counters.ports.map(\.dropsByReason)
    var totals: [String: UInt64] = [:]
    for drops in all { totals.merge(drops) { $0 &+ $1 } }
    return totals
  }
}

extension TopSample {
  var json: JSON {
    .fields([
      ("generation", .number(generation)), ("uptime", .rate(uptime)), ("seconds", .rate(span)),
      ("interfaces", .list(interfaces.map(\.json))),
      (
        "drops",
        .list(
          drops.map {
            .fields([
              ("reason", .text($0.reason)), ("perSecond", .rate($0.rate)),
              ("total", .number($0.total)),
            ])
          })
      ),
      ("busy", .list(busy.map { .rate($0) })),
    ])
  }
}

extension TopSample.Interface {
  fileprivate var json: JSON {
    .fields([
      ("id", .text(id)), ("connections", .number(connections)), ("ppsIn", .rate(packetsIn)),
      ("ppsOut", .rate(packetsOut)), ("bpsIn", .rate(bitsIn)), ("bpsOut", .rate(bitsOut)),
      ("dropsPerSecond", .rate(drops)),
      (
        "exceededPerSecond",
        .fields(exceeded.sorted { $0.key < $1.key }.map { ($0.key, .rate($0.value)) })
      ),
    ])
  }
}

extension JSON {
  /// A number with up to three decimals.
  fileprivate static func rate(_ value: Double) -> JSON {
    .verbatim("\((value * 1000).rounded() / 1000)")
  }
}

/// What network interfaces are ordered by, the largest first.
enum TopOrder: String, CaseIterable {
  case packets, bits, drops, connections
}

/// Increases of counters per second.
private struct Rate {
  /// Seconds; 0: there is nothing to compare with.
  let span: Double

  func increase(
    _ now: [String: UInt64], _ before: [String: UInt64], _ name: String
  ) -> UInt64 {
    let (current, earlier) = (now[name] ?? 0, before[name] ?? 0)
    // An interface that came since, or whose number another has now, counts from zero.
    return span == 0 ? 0 : current >= earlier ? current - earlier : current
  }

  func callAsFunction(
    _ now: [String: UInt64], _ before: [String: UInt64], _ name: String
  ) -> Double {
    span == 0 ? 0 : Double(increase(now, before, name)) / span
  }
}

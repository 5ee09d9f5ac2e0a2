import FlowLogs
import Replay
import VPCModel
import Wire

// Who talked, which rules decided, and how allowances were used.
extension ReportPage {
  static let talkerLimit = 50

  var talkers: HTML {
    if collector.addresses.count == 0 { return "<p>No packet had an IP address.</p>" }
    let rest: HTML =
      collector.packetsWithoutAddress == 0
      ? ""
      : "<p class=\"note\">\(ReportTable.number(collector.packetsWithoutAddress)) packets without "
        + "IP addresses, such as ARP, are not in these tables.</p>"
    return "\(addressTable)\n\(flowTable)\n\(rest)"
  }

  private var addressTable: HTML {
    var owners: [IPAddress: [String]] = [:]
    for nic in model.networkInterfaces {
      for address in nic.addresses { owners[address, default: []].append(nic.id) }
    }
    let rows = collector.addresses.top(Self.talkerLimit).map { entry -> [HTML] in
      let isExact = entry.error == 0
      return [
        ReportTable.name("\(entry.key)"),
        HTML((owners[entry.key] ?? []).prefix(3).joined(separator: ", ")),
        ReportTable.bytes(entry.bytes), ReportTable.number(atLeast: entry.packets, isExact),
        ReportTable.bytes(entry.forwardBytes),
        ReportTable.bytes(entry.bytes - entry.error - entry.forwardBytes),
        ReportTable.number(atLeast: entry.dropped, isExact),
      ]
    }
    return ReportTable(
      caption: "Addresses with the most bytes",
      columns: [
        .init(name: "address"), .init(name: "interface"), .init(name: "bytes", isNumber: true),
        .init(name: "packets", isNumber: true), .init(name: "sent", isNumber: true),
        .init(name: "received", isNumber: true), .init(name: "packets dropped", isNumber: true),
      ], rows: rows, filter: "addresses",
      note: Self.accuracy(collector.addresses, shown: rows.count, of: "addresses")
    ).html
  }

  private var flowTable: HTML {
    let rows = collector.flows.top(Self.talkerLimit).map { entry -> [HTML] in
      let isExact = entry.error == 0
      let (from, to) = Self.endpoints(entry.key)
      return [
        HTML(Protocols.name(entry.key.protocolNumber)), ReportTable.name(from),
        ReportTable.name(to), ReportTable.bytes(entry.bytes),
        ReportTable.number(atLeast: entry.packets, isExact),
        ReportTable.bytes(entry.forwardBytes),
        ReportTable.bytes(entry.bytes - entry.error - entry.forwardBytes),
        ReportTable.number(atLeast: entry.dropped, isExact),
      ]
    }
    return ReportTable(
      caption: "Five-tuples with the most bytes, both directions together",
      columns: [
        .init(name: "protocol"), .init(name: "a"), .init(name: "b"),
        .init(name: "bytes", isNumber: true), .init(name: "packets", isNumber: true),
        .init(name: "a to b", isNumber: true), .init(name: "b to a", isNumber: true),
        .init(name: "packets dropped", isNumber: true),
      ], rows: rows, filter: "five-tuples",
      note: Self.accuracy(collector.flows, shown: rows.count, of: "five-tuples")
    ).html
  }

  /// Address and port of both sides.
  static func endpoints(_ tuple: FlowTuple) -> (String, String) {
    guard tuple.sourcePort != 0 || tuple.destinationPort != 0 else {
      return ("\(tuple.source)", "\(tuple.destination)")
    }
    func endpoint(_ address: IPAddress, _ port: UInt16) -> String {
      address.family == .v6 ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
    return (
      endpoint(tuple.source, tuple.sourcePort), endpoint(tuple.destination, tuple.destinationPort)
    )
  }

  /// How far a table of the largest can be trusted.
  private static func accuracy<Key>(
    _ sketch: HeavyHitters<Key>, shown: Int, of what: String
  ) -> HTML {
    let some: HTML =
      shown < sketch.count
      ? "The first \(shown) of \(sketch.isExact ? "" : "more than ") "
        + HTML(Figures.grouped(UInt64(sketch.count))) + " \(what). " : ""
    if sketch.isExact { return "\(some)All numbers are exact." }
    let error = sketch.top(shown).map(\.error).max() ?? 0
    return """
      \(some)Counted in bounded memory (space-saving, \(sketch.capacity) places): bytes are at \
      most \(ReportTable.bytes(error)) too high, packets and directions may be too low where ≥ \
      stands, and nobody who is missing has more than \(ReportTable.bytes(sketch.largestUnkept)).
      """
  }

  // MARK: Rules

  /// Rows of rules at most; a model may have a hundred thousand.
  static let ruleLimit = 1000

  var rules: HTML {
    var hits: [String: UInt64] = [:]
    for hit in summary.ruleHits { hits[hit.name, default: 0] += hit.count }
    var known = RuleCatalogue(model).rules
    let names = Set(known.map(\.name))
    for hit in summary.ruleHits where !names.contains(hit.name) {
      known.append(RuleCatalogue.Rule(name: hit.name, kind: "", says: ""))
    }
    if known.isEmpty { return "<p>The model has no rule that a verdict could name.</p>" }
    let order = known.indices.sorted { a, b in
      let (first, second) = (hits[known[a].name] ?? 0, hits[known[b].name] ?? 0)
      return first != second ? first > second : a < b
    }
    let unused = known.count { (hits[$0.name] ?? 0) == 0 }
    let most = hits.values.max() ?? 0
    let rows = order.prefix(Self.ruleLimit).map { index -> [HTML] in
      let rule = known[index]
      let count = hits[rule.name] ?? 0
      return [
        ReportTable.name(rule.name), HTML(rule.kind), HTML(rule.says),
        count == 0
          ? "<data value=\"0\" class=\"never\">never</data>" : ReportTable.number(count),
        Plot.bar(count, of: most, style: "forward"),
      ]
    }
    let cut: HTML =
      known.count > rows.count
      ? "The first \(rows.count) of \(known.count); the summary of --json has all that were hit. "
      : ""
    return ReportTable(
      caption: "Packets decided by rule; <data id=\"n-unused-rules\" value=\"\(unused)\">"
        + HTML(Figures.grouped(UInt64(unused))) + "</data> of \(known.count) rules never",
      columns: [
        .init(name: "rule"), .init(name: "of"), .init(name: "says"),
        .init(name: "packets", isNumber: true),
        .init(name: "of the most frequent", isSortable: false),
      ], rows: Array(rows), filter: "rules",
      note: cut + """
        A packet counts for one rule: the first that allowed it or its connection, or that denied \
        it. A rule behind another that allows the same is never hit. ACL rules that allow, and \
        routes that lead somewhere, are never named and not listed.
        """
    ).html
  }

  // MARK: Allowances

  private static let limitedLimit = 16

  private struct Allowance {
    var name: String
    var text: String
    /// Used by column, in the unit of `most`.
    var used: [Double]
    var most: Double
    /// Names of the counters of packets that it refused.
    var refused: String
  }

  var limits: HTML {
    var rows: [[HTML]] = []
    for (place, index) in collector.limited.prefix(Self.limitedLimit).enumerated() {
      let nic = model.networkInterfaces[index]
      let (uses, width) = line.uses(collector.time, of: place, upTo: 128)
      for allowance in Self.allowances(nic.limits, uses, seconds: Double(width) / 1e9) {
        let shares = allowance.used.map { $0 / max(1, allowance.most) }
        let peak = shares.max() ?? 0
        let refused = refusals(nic.id, allowance.refused)
        rows.append([
          ReportTable.name(nic.id), HTML(allowance.name), HTML(allowance.text),
          "<data value=\"\(UInt64(min(peak, 1e9) * 1000))\">"
            + HTML("\(Figures.decimal(min(peak, 1e9) * 100, places: 1)) %") + "</data>",
          ReportTable.number(refused),
          Plot.spark(
            shares,
            label: "\(allowance.name) of \(nic.id): at most "
              + "\(Figures.decimal(min(peak, 1e9) * 100, places: 1)) percent of the allowance"),
        ])
      }
    }
    let all = model.networkInterfaces.count { $0.limits.isAny }
    let shown = min(Self.limitedLimit, collector.limited.count)
    let cut: HTML = all > shown ? "The first \(shown) of \(all) interfaces with allowances. " : ""
    let span = line.uses(collector.time, of: 0, upTo: 128).width
    return ReportTable(
      caption: "Use of allowances over time",
      columns: [
        .init(name: "interface"), .init(name: "allowance"), .init(name: "limit", isNumber: true),
        .init(name: "highest use", isNumber: true),
        .init(name: "packets refused", isNumber: true),
        .init(name: "over time; the line is the limit", isSortable: false),
      ], rows: rows,
      note: cut + """
        Use is the average of \(Figures.duration(span)); a saved-up bucket lets more than 100 % \
        pass for a while. Refused packets use nothing.
        """
    ).html
  }

  private func refusals(_ nic: String, _ name: String) -> UInt64 {
    guard let counts = summary.interfaces.first(where: { $0.id == nic }) else { return 0 }
    if let counter = counts.counters.first(where: { $0.name == name }) { return counter.value ?? 0 }
    return counts.dropsByReason.first { $0.name == name }?.count ?? 0
  }

  private static func allowances(
    _ limits: Limits, _ uses: [TimeBuckets.Use], seconds: Double
  ) -> [Allowance] {
    var list: [Allowance] = []
    func add(
      _ name: String, _ limit: UInt64?, _ unit: String, _ refused: String,
      _ used: (TimeBuckets.Use) -> Double
    ) {
      guard let limit else { return }
      list.append(
        Allowance(
          name: name, text: "\(Figures.short(Double(limit)))\(unit)", used: uses.map(used),
          most: Double(limit), refused: refused))
    }
    add("bandwidth in", limits.bandwidthIn, "bit/s", "bw_in_allowance_exceeded") {
      Double($0.bytesIn) * 8 / seconds
    }
    add("bandwidth out", limits.bandwidthOut, "bit/s", "bw_out_allowance_exceeded") {
      Double($0.bytesOut) * 8 / seconds
    }
    add("packets", limits.packetsPerSecond, "/s", "pps_allowance_exceeded") {
      Double($0.packets) / seconds
    }
    add("connections", limits.connections, "", "limit.connections") { Double($0.tracked) }
    add("new connections", limits.connectionsPerSecond, "/s", "limit.connection-rate") {
      Double($0.newConnections) / seconds
    }
    return list
  }
}

import Replay
import Wire

// What a second rule set says of the same packets.
extension ReportPage {
  static let groupLimit = 100
  static let changedFlowLimit = 200

  func changes(_ comparison: Comparison) -> HTML {
    let against = options.against.map(Self.shown).joined(separator: ", ")
    if !comparison.differs {
      return """
        <p><data id="n-changed" value="0">No packet</data> has another verdict with \
        <code>\(against)</code>.\(otherReasons(comparison))</p>
        \(verdictTable(comparison))
        """
    }
    return """
      <p class="lead"><data id="n-changed" value="\(comparison.packets)">\
      \(Figures.grouped(comparison.packets))</data> of \(Figures.grouped(summary.packets)) packets \
      in <data id="n-changed-flows" value="\(comparison.flows.count)">\
      \(Figures.grouped(UInt64(comparison.flows.count)))</data> flows have another verdict with \
      <code>\(against)</code>, \(Figures.bytes(comparison.bytes)).\(otherReasons(comparison))</p>
      \(changePlot(comparison))
      \(verdictTable(comparison))
      \(groupTable(comparison))
      \(flowTable(comparison))
      """
  }

  private func otherReasons(_ comparison: Comparison) -> HTML {
    comparison.otherReasons == 0
      ? ""
      : " \(Figures.grouped(comparison.otherReasons)) packets are dropped by both, "
        + "for another reason."
  }

  /// When flows first differ, by what becomes of them.
  private func changePlot(_ comparison: Comparison) -> HTML {
    let kinds: [(String, String, (Comparison.Flow) -> Bool)] = [
      (
        "no longer forwarded", "drop",
        { $0.today.verdict == "forward" && $0.tomorrow.verdict != "forward" }
      ),
      (
        "newly forwarded", "forward",
        { $0.today.verdict != "forward" && $0.tomorrow.verdict == "forward" }
      ),
      (
        "otherwise changed", "consume",
        { ($0.today.verdict == "forward") == ($0.tomorrow.verdict == "forward") }
      ),
    ]
    let series = kinds.compactMap { name, style, belongs -> Plot.Series? in
      let flows = comparison.flows.filter(belongs)
      if flows.isEmpty { return nil }
      var values = [Double](repeating: 0, count: line.columns.count)
      for flow in flows { values[line.column(of: flow.first.time)] += 1 }
      return .init(name: name, style: style, values: values)
    }
    if series.isEmpty { return "" }
    return Plot(
      id: "plot-changes", title: "Flows that change, by the time of their first changed packet",
      description: "\(Figures.grouped(UInt64(comparison.flows.count))) flows change; the tables "
        + "below have them by rule and one by one.",
      unit: "flows, by their first changed packet, each column \(Figures.duration(line.width))",
      series: series, columns: line.axis
    ).html
  }

  private func verdictTable(_ comparison: Comparison) -> HTML {
    let rows = zip(Self.verdicts(summary), Self.verdicts(comparison.summary)).map {
      today, tomorrow -> [HTML] in
      let difference = Int64(clamping: tomorrow.count) - Int64(clamping: today.count)
      let sign = difference > 0 ? "+" : difference < 0 ? "−" : ""
      return [
        "<i class=\"key \(today.style)\"></i>\(today.name)", ReportTable.number(today.count),
        ReportTable.number(tomorrow.count),
        HTML(sign + Figures.grouped(difference.magnitude)),
      ]
    }
    return ReportTable(
      caption: "Packets by verdict, with either rule set",
      columns: [.init(name: "verdict", isSortable: false)]
        + ["today", "tomorrow", "difference"].map {
          .init(name: $0, isNumber: true, isSortable: false)
        }, rows: Array(rows)
    ).html
  }

  private func groupTable(_ comparison: Comparison) -> HTML {
    let most = comparison.groups.first?.packets ?? 0
    let rows = comparison.groups.prefix(Self.groupLimit).map { group -> [HTML] in
      [
        Self.side(group.today), Self.side(group.tomorrow), ReportTable.number(group.packets),
        Plot.bar(group.packets, of: most, style: Self.style(group.tomorrow)),
        ReportTable.number(group.flows), ReportTable.bytes(group.bytes),
        "<ul>\(group.examples.map { "<li>\(Self.example($0))</li>" as HTML }.joined(""))</ul>",
      ]
    }
    let more = comparison.groups.count - rows.count
    return ReportTable(
      caption: "Changes by rule and reason on either side",
      columns: [
        .init(name: "today"), .init(name: "tomorrow"), .init(name: "packets", isNumber: true),
        .init(name: "of the largest", isSortable: false), .init(name: "flows", isNumber: true),
        .init(name: "bytes", isNumber: true), .init(name: "such as", isSortable: false),
      ], rows: Array(rows), filter: "changes",
      note: more > 0 ? "And \(more) more; --json has all." : nil
    ).html
  }

  private func flowTable(_ comparison: Comparison) -> HTML {
    let rows = comparison.flows.prefix(Self.changedFlowLimit).map { flow -> [HTML] in
      [
        ReportTable.name(flow.first.flow),
        HTML("\(Self.shown(flow.first.file)) \(flow.first.packet)"),
        Self.side(flow.today), Self.side(flow.tomorrow), ReportTable.number(flow.packets),
        ReportTable.bytes(flow.bytes),
      ]
    }
    if rows.isEmpty { return "" }
    let more = comparison.flows.count - rows.count
    let table = ReportTable(
      caption: "Flows that change, in the order of the capture",
      columns: [
        .init(name: "flow"), .init(name: "first packet"), .init(name: "today"),
        .init(name: "tomorrow"), .init(name: "packets", isNumber: true),
        .init(name: "bytes", isNumber: true),
      ], rows: Array(rows), filter: "flows",
      note: more > 0 ? "And \(Figures.grouped(UInt64(more))) more; --json has all." : nil)
    return "<details><summary>Flow by flow</summary>\(table.html)</details>"
  }

  private static func style(_ side: Comparison.Side) -> String {
    ["forward", "drop", "reply", "consume"].contains(side.verdict) ? side.verdict : "ignore"
  }

  private static func side(_ side: Comparison.Side) -> HTML {
    var html: HTML = "<i class=\"key \(style(side))\"></i>\(side.verdict)"
    if !side.reason.isEmpty { html += " <code>\(side.reason)</code>" }
    if !side.rule.isEmpty { html += ", rule <code>\(side.rule)</code>" }
    let place = [
      side.eni, side.direction == "none" ? "" : side.direction,
      side.output.isEmpty ? "" : "to \(side.output)",
    ].filter { !$0.isEmpty }
    return place.isEmpty ? html : html + "<br><small>\(place.joined(separator: ", "))</small>"
  }

  private static func example(_ example: Comparison.Example) -> HTML {
    "\(shown(example.file)) packet \(example.packet) <code>\(example.flow)</code>"
  }
}

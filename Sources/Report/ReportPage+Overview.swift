import Replay
import Wire

// What happened at large: tiles, verdicts over time, reasons, connections.
extension ReportPage {
  private struct Tile {
    var id: String
    var name: String
    var value: UInt64
    var text: String
    var remark: String
    var style = ""
  }

  /// Verdicts with the words that the summary has for them.
  static func verdicts(_ summary: ReplaySummary) -> [(name: String, style: String, count: UInt64)] {
    [
      ("forwarded", "forward", summary.forwarded), ("dropped", "drop", summary.dropped),
      ("replied", "reply", summary.replied), ("consumed", "consume", summary.consumed),
      ("ignored", "ignore", summary.ignored),
    ]
  }

  private var tiles: [Tile] {
    let span = collector.last - (collector.first ?? collector.last)
    let rate =
      span > 0 ? "\(Figures.short(Double(summary.packets) / (Double(span) / 1e9))) packets/s" : ""
    var tiles = [
      Tile(
        id: "packets", name: "packets", value: summary.packets,
        text: Figures.grouped(summary.packets), remark: rate),
      Tile(
        id: "bytes", name: "bytes", value: summary.bytes, text: Figures.bytes(summary.bytes),
        remark: span > 0
          ? "\(Figures.short(Double(summary.bytes) * 8 / (Double(span) / 1e9)))bit/s" : ""),
    ]
    for (name, style, count) in Self.verdicts(summary) {
      tiles.append(
        Tile(
          id: name, name: name, value: count, text: Figures.grouped(count),
          remark: Figures.percent(count, of: summary.packets), style: style))
    }
    tiles.append(
      Tile(
        id: "connections-begun", name: "connections", value: summary.connections,
        text: Figures.grouped(summary.connections), remark: "begun"))
    tiles.append(
      Tile(
        id: "duration", name: "duration", value: span, text: Figures.duration(span),
        remark: "of capture time"))
    return tiles
  }

  var overview: HTML {
    let tiles = tiles.map { tile -> HTML in
      let key: HTML = tile.style.isEmpty ? "" : "<i class=\"key \(tile.style)\"></i>"
      return """
        <div><dt>\(key)\(tile.name)</dt>\
        <dd><data id="n-\(tile.id)" value="\(tile.value)">\(tile.text)</data>\
        <small>\(tile.remark)</small></dd></div>
        """
    }
    return "\(remarks)<dl class=\"tiles\">\(tiles.joined(""))</dl>\n\(interfaces)"
  }

  private var remarks: HTML {
    var lines = result.warnings
    if let failure { lines.insert("The replay ended early: \(failure)", at: 0) }
    if summary.packets > 0 && summary.ignored * 2 > summary.packets {
      lines.append(
        "Most packets are of no network interface of the model, by MAC or IP address. "
          + "The top talkers below are the addresses that the captures have.")
    }
    if lines.isEmpty { return "" }
    let items = lines.prefix(100).map { "<li>\(HTML($0, limit: 500))</li>" as HTML }.joined("")
    return "<ul class=\"remarks\" role=\"note\">\(items)</ul>\n"
  }

  private static let interfaceLimit = 200

  private var interfaces: HTML {
    if summary.interfaces.isEmpty { return "" }
    let rows = summary.interfaces.prefix(Self.interfaceLimit).map { nic -> [HTML] in
      func value(_ name: String) -> UInt64 {
        nic.counters.first { $0.name == name }?.value ?? 0
      }
      let dropped = nic.dropsByReason.reduce(0) { $0 + $1.count }
      return [
        ReportTable.name(nic.id), ReportTable.number(value("packetsOut")),
        ReportTable.bytes(value("bytesOut")), ReportTable.number(value("packetsIn")),
        ReportTable.bytes(value("bytesIn")), ReportTable.number(dropped),
      ]
    }
    let more = summary.interfaces.count - rows.count
    return ReportTable(
      caption: "Network interfaces",
      columns: [
        .init(name: "interface"), .init(name: "packets out", isNumber: true),
        .init(name: "bytes out", isNumber: true), .init(name: "packets in", isNumber: true),
        .init(name: "bytes in", isNumber: true), .init(name: "dropped", isNumber: true),
      ], rows: Array(rows), filter: rows.count > 10 ? "interfaces" : nil,
      note: more > 0 ? "And \(more) more." : nil
    ).html
  }

  // MARK: Over time

  var verdicts: HTML {
    let parts: [(String, String, (TimeBuckets.Bucket) -> UInt64)] = [
      ("dropped", "drop", { $0.dropped }), ("forwarded", "forward", { $0.forwarded }),
      ("replied", "reply", { $0.replied }), ("consumed", "consume", { $0.consumed }),
      ("ignored", "ignore", { $0.ignored }),
    ]
    let series = parts.compactMap { name, style, count -> Plot.Series? in
      let values = line.columns.map { line.perSecond(count($0)) }
      return values.contains { $0 > 0 } ? .init(name: name, style: style, values: values) : nil
    }
    let totals = Self.verdicts(summary).filter { $0.count > 0 }
      .map { "\(Figures.grouped($0.count)) \($0.name)" }.joined(separator: ", ")
    let plot = Plot(
      id: "plot-verdicts", title: "Packets a second by verdict, stacked",
      description: "\(totals). \(peak({ $0.packets }, "packets")) "
        + "The table under the plot has the numbers.",
      unit: "packets/s, \(width)", series: series, columns: line.axis)
    return "\(plot.html)\n\(numbers)"
  }

  private var width: String { "each column \(Figures.duration(line.width))" }

  /// Tells where a count is highest.
  private func peak(_ count: (TimeBuckets.Bucket) -> UInt64, _ unit: String) -> String {
    let values = line.columns.map(count)
    guard let most = values.max(), most > 0, let place = values.firstIndex(of: most) else {
      return ""
    }
    return "Most are \(Figures.grouped(most)) \(unit) in \(Figures.duration(line.width)) at "
      + "\(line.axis.starts[place])."
  }

  /// The plots' numbers, in at most 64 spans.
  private var numbers: HTML {
    var factor = 1
    while (line.columns.count + factor - 1) / factor > 64 { factor *= 2 }
    let spans = TimeLine.merge(line.columns, factor, TimeBuckets.Bucket()) { $0.merge($1) }
    let width = line.width * UInt64(factor)
    let rows = spans.enumerated().filter { $0.element.packets > 0 || $0.element.tracked != nil }
      .map { index, span -> [HTML] in
        [
          ReportTable.text("+\(Figures.duration(width * UInt64(index)))"),
          ReportTable.number(span.dropped), ReportTable.number(span.forwarded),
          ReportTable.number(span.replied), ReportTable.number(span.consumed),
          ReportTable.number(span.ignored), ReportTable.bytes(span.bytes),
          ReportTable.number(span.newConnections), ReportTable.number(span.tracked ?? 0),
        ]
      }
    let table = ReportTable(
      caption: "By time, \(Figures.duration(width)) a line, from \(Figures.date(line.start))",
      columns: [.init(name: "time", isSortable: false)]
        + [
          "dropped", "forwarded", "replied", "consumed", "ignored", "bytes", "connections begun",
          "tracked, most",
        ].map { .init(name: $0, isNumber: true, isSortable: false) }, rows: rows)
    return "<details><summary>The numbers</summary>\(table.html)</details>"
  }

  var connections: HTML {
    let begun = line.columns.map { line.perSecond($0.newConnections) }
    var last: UInt64 = 0
    let tracked = line.columns.map { column -> Double in
      last = column.tracked ?? last
      return Double(last)
    }
    let most = line.columns.compactMap(\.tracked).max() ?? 0
    let plot = Plot(
      id: "plot-tracked", title: "Tracked connections over time",
      description: "At most \(Figures.grouped(most)) connections were tracked at once, all network "
        + "interfaces together.",
      unit: "tracked connections, all interfaces together",
      series: [.init(name: "tracked", style: "forward", values: tracked)], columns: line.axis,
      hasLegend: false)
    let rate = Plot(
      id: "plot-begun", title: "New connections a second",
      description: "\(Figures.grouped(summary.connections)) connections began. "
        + peak({ $0.newConnections }, "new connections"),
      unit: "new connections/s, \(width)",
      series: [.init(name: "begun", style: "reply", values: begun)], columns: line.axis,
      hasLegend: false)
    return """
      <div class="pair">\(plot.html)\(rate.html)</div>
      <p class="note">At most \(ReportTable.number(most)) were tracked at once, looked at whenever \
      a column ends, those of a sender whose packet its receiver dropped among them. A connection \
      whose time is over counts until the next packet. Traffic that \
      AWS leaves untracked has no connection.</p>
      """
  }

  // MARK: Reasons

  var drops: HTML {
    if summary.dropsByReason.isEmpty { return "<p>No packet was dropped.</p>" }
    let drops = summary.dropsByReason.sorted {
      $0.count != $1.count ? $0.count > $1.count : $0.name < $1.name
    }
    let most = drops.first?.count ?? 0
    let rows = drops.map { drop -> [HTML] in
      [
        "<a href=\"#reason-\(drop.name)\"><code>\(drop.name)</code></a>",
        "<data id=\"drop-\(drop.name)\" value=\"\(drop.count)\">"
          + HTML(Figures.grouped(drop.count)) + "</data>",
        HTML(Figures.percent(drop.count, of: summary.dropped)),
        Plot.bar(drop.count, of: most, style: "drop"),
      ]
    }
    let meanings = drops.map { drop -> HTML in
      let text = DropReason(name: drop.name)?.text ?? ""
      let sentence = text.prefix(1).uppercased() + text.dropFirst()
      return """
        <div id="reason-\(drop.name)"><dt><code>\(drop.name)</code></dt><dd>\(sentence).</dd></div>
        """
    }
    let table = ReportTable(
      caption: "Dropped packets by reason",
      columns: [
        .init(name: "reason"), .init(name: "packets", isNumber: true),
        .init(name: "share", isNumber: true, isSortable: false),
        .init(name: "of the most frequent", isSortable: false),
      ], rows: rows)
    return "\(table.html)\n<dl class=\"meanings\">\(meanings.joined(""))</dl>"
  }
}

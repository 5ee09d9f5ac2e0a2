import Wire

extension ReplaySummary {
  /// The summary as one JSON object, its keys in the documented order.
  public var json: String { json(comparison: nil) }

  /// The summary, with what a second rule set says differently as its member `against`.
  public func json(comparison: Comparison?) -> String {
    var members = members
    if let comparison { members.append(("against", comparison.json)) }
    return JSONText.object(members)
  }

  private var members: [(key: String, value: String)] {
    [
      ("packets", "\(packets)"),
      ("bytes", "\(bytes)"),
      ("forwarded", "\(forwarded)"),
      ("dropped", "\(dropped)"),
      ("replied", "\(replied)"),
      ("consumed", "\(consumed)"),
      ("ignored", "\(ignored)"),
      ("dropsByReason", Self.object(dropsByReason, indent: 2)),
      ("ruleHits", Self.object(ruleHits, indent: 2)),
      ("connections", "\(connections)"),
      ("seconds", JSONText.decimal(seconds, places: 6)),
      ("packetsPerSecond", JSONText.decimal(packetsPerSecond, places: 0)),
      ("interfaces", JSONText.object(interfaces.map { ($0.id, Self.object($0)) }, indent: 2)),
    ]
  }

  private static func object(_ counts: [Count], indent: Int) -> String {
    JSONText.object(counts.map { ($0.name, "\($0.count)") }, indent: indent)
  }

  private static func object(_ interface: Interface) -> String {
    var members = interface.counters.map { counter in
      (key: counter.name, value: counter.value.map { "\($0)" } ?? "null")
    }
    members.append(("dropsByReason", object(interface.dropsByReason, indent: 6)))
    return JSONText.object(members, indent: 4)
  }

  /// The summary as text for people.
  public var text: String {
    let verdicts = [
      ("forwarded", forwarded), ("dropped", dropped), ("replied", replied),
      ("consumed", consumed), ("ignored", ignored),
    ]
    let width = Self.grouped(max(packets, connections)).count
    var lines = [
      "packets      \(Self.rightAligned(packets, width))   \(Self.grouped(bytes)) bytes"
    ]
    for (name, count) in verdicts {
      lines.append("  \(Self.padded(name, 11))\(Self.rightAligned(count, width))\(share(count))")
    }
    lines.append("connections  \(Self.rightAligned(connections, width))")
    appendDrops(to: &lines)
    appendRules(to: &lines)
    appendInterfaces(to: &lines)
    appendIgnored(to: &lines)
    lines.append("")
    lines.append(
      "\(JSONText.decimal(seconds, places: 3)) s, "
        + "\(Self.grouped(UInt64(packetsPerSecond.rounded()))) packets/s")
    return lines.joined(separator: "\n") + "\n"
  }

  private func appendDrops(to lines: inout [String]) {
    if dropsByReason.isEmpty { return }
    lines += ["", "dropped because"]
    let shown = dropsByReason.sorted(by: Self.isMore)
    let (name, number) = Self.widths(shown)
    for drop in shown {
      let text = DropReason(name: drop.name)?.text ?? ""
      lines.append(
        "  \(Self.padded(drop.name, name))  \(Self.rightAligned(drop.count, number))   \(text)")
    }
  }

  private func appendRules(to lines: inout [String]) {
    if ruleHits.isEmpty { return }
    let shown = Array(ruleHits.sorted(by: Self.isMore).prefix(10))
    let some = ruleHits.count > shown.count ? ", 10 of \(ruleHits.count)" : ""
    lines += ["", "packets decided by rule\(some)"]
    let (name, number) = Self.widths(shown)
    for rule in shown {
      lines.append("  \(Self.padded(rule.name, name))  \(Self.rightAligned(rule.count, number))")
    }
  }

  /// How wide the names and the numbers of a table are.
  private static func widths(_ counts: [Count]) -> (name: Int, number: Int) {
    (counts.map(\.name.count).max() ?? 0, counts.map { grouped($0.count).count }.max() ?? 0)
  }

  private func appendInterfaces(to lines: inout [String]) {
    if interfaces.isEmpty { return }
    lines += ["", "network interfaces"]
    let width = interfaces.map(\.id.count).max() ?? 0
    for interface in interfaces {
      func value(_ name: String) -> UInt64 {
        interface.counters.first { $0.name == name }?.value ?? 0
      }
      var line = "  \(Self.padded(interface.id, width + 2))"
      line += "out \(Self.grouped(value("packetsOut"))) packets"
      line += " \(Self.grouped(value("bytesOut"))) bytes, "
      line += "in \(Self.grouped(value("packetsIn"))) packets"
      line += " \(Self.grouped(value("bytesIn"))) bytes"
      let dropped = interface.dropsByReason.reduce(0) { $0 + $1.count }
      if dropped > 0 { line += ", dropped \(Self.grouped(dropped))" }
      lines.append(line)
      let exceeded = interface.counters.filter { $0.name.hasSuffix("exceeded") && $0.value != 0 }
      for counter in exceeded {
        lines.append("    \(counter.name) \(Self.grouped(counter.value ?? 0))")
      }
    }
  }

  /// Whoever replays a stranger's capture has to learn why nothing was judged.
  private func appendIgnored(to lines: inout [String]) {
    guard ignored * 2 > packets else { return }
    let part = ignored == packets ? "all" : "most"
    lines += [
      "",
      "ignored: \(part) packets are of no network interface of the model, by MAC or IP address.",
      "  Give the interfaces the addresses of the capture (listed by `tshark -q -z endpoints,ip -r",
      "  FILE`); `--annotated FILE` marks each packet with what was made of it.",
    ]
  }

  /// More first; equal counts keep the order of names, so that the text is always the same.
  private static func isMore(_ a: Count, _ b: Count) -> Bool {
    a.count != b.count ? a.count > b.count : a.name < b.name
  }

  private func share(_ count: UInt64) -> String {
    guard packets > 0, count > 0 else { return "" }
    let percent = JSONText.decimal(Double(count) * 100 / Double(packets), places: 1)
    return String(repeating: " ", count: max(0, 8 - percent.count)) + percent + " %"
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private static func rightAligned(_ value: UInt64, _ width: Int) -> String {
    let text = grouped(value)
    return String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// A number with commas between thousands.
  static func grouped(_ value: UInt64) -> String {
    var result = ""
    for (index, digit) in String(value).reversed().enumerated() {
      if index > 0 && index % 3 == 0 { result.append(",") }
      result.append(digit)
    }
    return String(result.reversed())
  }
}

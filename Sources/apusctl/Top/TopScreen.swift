/// Lays a sample out as lines of text.
struct TopScreen {
  /// Characters in a line, and lines; nil: as many as it takes.
  var size: (columns: Int, lines: Int)?
  var order: TopOrder

  func lines(_ sample: TopSample) -> [String] {
    var lines = head(sample)
    let drops = dropLines(sample)
    // Interfaces take what the rest leaves, but a few are always shown.
    let room = size.map { max(4, $0.lines - lines.count - drops.count - 3) }
    lines += [""] + interfaceLines(sample, most: room) + drops
    guard let size else { return lines }
    return lines.prefix(size.lines).map { String($0.prefix(size.columns)) }
  }

  private func head(_ sample: TopSample) -> [String] {
    func sum(_ value: (TopSample.Interface) -> Double) -> Double {
      sample.interfaces.reduce(0) { $0 + value($1) }
    }
    let connections = sample.interfaces.reduce(0) { $0 + $1.connections }
    let drops = sample.drops.reduce(0) { $0 + $1.rate }
    let busy = sample.busy.map { "\(Int(($0 * 100).rounded()))%" }.joined(separator: " ")
    return [
      "apus  generation \(sample.generation)  up \(Self.duration(sample.uptime))  "
        + "\(sample.interfaces.count) network interfaces  \(connections) connections",
      "in \(Self.short(sum(\.packetsIn)))pps \(Self.short(sum(\.bitsIn)))b/s  "
        + "out \(Self.short(sum(\.packetsOut)))pps \(Self.short(sum(\.bitsOut)))b/s  "
        + "dropped \(Self.short(drops))pps  busy rounds of workers \(busy.isEmpty ? "-" : busy)",
    ]
  }

  private func interfaceLines(_ sample: TopSample, most: Int?) -> [String] {
    var table = Table([
      "network interface", "connections", "pps in", "pps out", "b/s in", "b/s out", "drops/s",
      "over allowance/s",
    ])
    let shown = sample.interfaces.prefix(most ?? .max)
    for interface in shown {
      let exceeded = interface.exceeded.sorted { $0.key < $1.key }.map {
        "\($0.key.replacing("_allowance_exceeded", with: "")) \(Self.short($0.value))"
      }
      table.add([
        interface.id, "\(interface.connections)", Self.short(interface.packetsIn),
        Self.short(interface.packetsOut), Self.short(interface.bitsIn),
        Self.short(interface.bitsOut), Self.short(interface.drops),
        exceeded.joined(separator: ", "),
      ])
    }
    var lines = table.text.split(separator: "\n").map(String.init)
    let hidden = sample.interfaces.count - shown.count
    if hidden > 0 { lines.append("and \(hidden) more, with fewer \(order.rawValue)") }
    return lines
  }

  private func dropLines(_ sample: TopSample) -> [String] {
    if sample.drops.isEmpty { return [] }
    var table = Table(["drop reason", "per second", "in all"])
    for drop in sample.drops.prefix(size == nil ? .max : 10) {
      table.add([drop.reason, Self.short(drop.rate), "\(drop.total)"])
    }
    return [""] + table.text.split(separator: "\n").map(String.init)
  }

  /// A rate in at most four digits and a unit: `0`, `12`, `3.4k`, `120M`.
  static func short(_ value: Double) -> String {
    var (rest, unit) = (value, 0)
    let units = ["", "k", "M", "G", "T", "P"]
    while rest >= 999.5, unit < units.count - 1 { (rest, unit) = (rest / 1000, unit + 1) }
    if unit == 0 { return rest > 0 && rest < 1 ? "<1" : "\(Int(rest.rounded()))" }
    let tenths = Int((rest * 10).rounded())
    return tenths < 100
      ? "\(tenths / 10).\(tenths % 10)\(units[unit])" : "\(Int(rest.rounded()))\(units[unit])"
  }

  static func duration(_ seconds: Double) -> String {
    let total = Int(seconds)
    let (days, hours, minutes) = (total / 86_400, total / 3600 % 24, total / 60 % 60)
    if days > 0 { return "\(days)d \(hours)h" }
    if hours > 0 { return "\(hours)h \(minutes)m" }
    return minutes > 0 ? "\(minutes)m \(total % 60)s" : "\(total)s"
  }
}

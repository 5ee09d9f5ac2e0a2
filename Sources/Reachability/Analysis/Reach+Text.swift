import Wire

extension ReachPeer {
  public var text: String {
    switch self {
    case .interface(let id): id
    case .mappings(let vpc): "other hosts of \(vpc)"
    case .gateway(let id): "outside, by \(id)"
    }
  }
}

extension ReachRow {
  /// `443, 8000-8100`, `type 8`, `type 3 code 4`, or `all`.
  public var lowText: String {
    if low.isEmpty { return "all" }
    return low.map { isICMP ? Self.types($0) : Self.range($0) }.joined(separator: ", ")
  }

  /// Whether, and to which source ports, answers come back.
  public var answersText: String {
    if isOneWay { return "none due" }
    if isAnswered { return "yes" }
    if answered.isEmpty { return "no" }
    return "to \(Self.text(answered))"
  }

  static func text(_ ports: PortSet) -> String {
    ports.trueRanges.map(range).joined(separator: ", ")
  }

  static func range(_ range: ClosedRange<UInt16>) -> String {
    range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
  }

  /// A range of types and codes.
  static func types(_ range: ClosedRange<UInt16>) -> String {
    let (first, last) = (range.lowerBound >> 8, range.upperBound >> 8)
    let (code, lastCode) = (range.lowerBound & 255, range.upperBound & 255)
    if code == 0 && lastCode == 255 {
      return first == last ? "type \(first)" : "types \(first)-\(last)"
    }
    if first == last {
      return "type \(first) code \(code)" + (code == lastCode ? "" : "-\(lastCode)")
    }
    return "type \(first) code \(code) to type \(last) code \(lastCode)"
  }
}

/// Columns of text.
struct TextTable {
  private var lines: [[String]] = []

  mutating func add(_ cells: [String]) { lines.append(cells) }

  /// The lines, each column as wide as it has to be, the last one as it is.
  func text(indent: Int) -> [String] {
    let columns = lines.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return lines.map { cells in
      var line = String(repeating: " ", count: indent)
      for (column, cell) in cells.enumerated() {
        line += cell
        guard column + 1 < cells.count else { break }
        line += String(repeating: " ", count: widths[column] - cell.count + 2)
      }
      return line
    }
  }
}

extension Reach {
  /// The entries with the same traffic at several addresses of the interface, together.
  func grouped() -> [(own: [IPAddress], entries: [ReachEntry])] {
    var order: [IPAddress] = []
    var byOwn: [IPAddress: [ReachEntry]] = [:]
    for entry in entries {
      if byOwn[entry.own] == nil { order.append(entry.own) }
      byOwn[entry.own, default: []].append(entry)
    }
    var groups: [(own: [IPAddress], entries: [ReachEntry])] = []
    for own in order {
      let entries = byOwn[own] ?? []
      let same = groups.firstIndex { group in
        group.own[0].family == own.family && group.entries.count == entries.count
          && zip(group.entries, entries).allSatisfy {
            $0.peer == $1.peer && $0.traffic == $1.traffic
          }
      }
      if let same {
        groups[same].own.append(own)
      } else {
        groups.append(([own], entries))
      }
    }
    return groups
  }

  /// The table for people, with a newline at its end.
  public var text: String {
    let verb = direction == .to ? "accepts" : "reaches"
    if entries.isEmpty {
      return "\(interface) \(verb) nothing new\n"
    }
    var lines: [String] = []
    for group in grouped() {
      if !lines.isEmpty { lines.append("") }
      let own = group.own.map(\.description).joined(separator: ", ")
      lines.append("\(interface) \(verb), \(direction == .to ? "at" : "from") \(own)")
      lines += Self.table(group.entries, direction)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  static func table(_ entries: [ReachEntry], _ direction: Direction) -> [String] {
    var table = TextTable()
    table.add([direction == .to ? "from" : "to", "protocol", "ports", "answers", "addresses"])
    for entry in entries {
      for row in entry.rows(isForReading: true) {
        var ports = row.lowText
        if !row.isFromAllPorts { ports += " from ports \(ReachRow.text(row.sourcePorts))" }
        table.add([
          entry.peer.text, row.protocolText, ports, row.answersText, row.addresses.text,
        ])
      }
    }
    return table.text(indent: 2)
  }
}

import Wire

extension Comparison {
  static let groupsShown = 20

  /// The differences as text for people.
  ///
  /// - Parameters:
  ///   - total: packets of the replay.
  ///   - name: of the second rule set.
  public func text(of total: UInt64, against name: String) -> String {
    var lines = ["", "with \(name) instead"]
    if packets == 0 {
      lines.append("  every packet has the same verdict")
    } else {
      let flows = "\(ReplaySummary.grouped(UInt64(self.flows.count))) flows"
      lines.append(
        "  \(ReplaySummary.grouped(packets)) of \(ReplaySummary.grouped(total)) packets in "
          + "\(flows) have another verdict, \(ReplaySummary.grouped(bytes)) bytes")
      for group in groups.prefix(Self.groupsShown) { lines += [""] + Self.lines(group) }
      if groups.count > Self.groupsShown {
        lines += ["", "  and \(groups.count - Self.groupsShown) groups more, see --json"]
      }
    }
    if otherReasons > 0 {
      lines += [
        "",
        "  \(ReplaySummary.grouped(otherReasons)) packets are dropped by both, for another reason",
      ]
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func lines(_ group: Group) -> [String] {
    let packets = ReplaySummary.grouped(group.packets)
    let flows = ReplaySummary.grouped(group.flows)
    return [
      "  \(group.today.verdict) -> \(group.tomorrow.verdict): \(packets) packets, \(flows) flows",
      "    today     \(group.today.sentence)",
      "    tomorrow  \(group.tomorrow.sentence)",
    ] + group.examples.map { "    such as   \($0.file) packet \($0.packet)  \($0.flow)" }
  }

  /// The differences as a JSON object, a member of the summary.
  public var json: String {
    JSONText.object(
      [
        ("packets", "\(packets)"),
        ("bytes", "\(bytes)"),
        ("flowCount", "\(flows.count)"),
        ("packetsWithoutFlow", "\(packetsWithoutFlow)"),
        ("otherReasons", "\(otherReasons)"),
        ("groups", JSONText.array(groups.map(Self.json), indent: 4)),
        ("flows", JSONText.array(flows.map(Self.json), indent: 4)),
        ("forwarded", "\(summary.forwarded)"),
        ("dropped", "\(summary.dropped)"),
        ("replied", "\(summary.replied)"),
        ("consumed", "\(summary.consumed)"),
        ("ignored", "\(summary.ignored)"),
        ("connections", "\(summary.connections)"),
      ], indent: 2)
  }

  private static func json(_ group: Group) -> String {
    "{\"today\":\(group.today.json),\"tomorrow\":\(group.tomorrow.json),"
      + "\"packets\":\(group.packets),\"bytes\":\(group.bytes),\"flows\":\(group.flows),"
      + "\"examples\":[\(group.examples.map(\.json).joined(separator: ","))]}"
  }

  private static func json(_ flow: Flow) -> String {
    "{\"first\":\(flow.first.json),\"today\":\(flow.today.json),\"tomorrow\":\(flow.tomorrow.json),"
      + "\"packets\":\(flow.packets),\"bytes\":\(flow.bytes)}"
  }
}

extension Comparison.Side {
  /// Such as `drop sg.ingress: no security group rule allows it in (eni-web, ingress)`.
  var sentence: String {
    let place = [eni, direction == "none" ? "" : direction, output.isEmpty ? "" : "to \(output)"]
      .filter { !$0.isEmpty }.joined(separator: ", ")
    var text = verdict
    if !reason.isEmpty {
      text += " \(reason)"
      if let why = DropReason(name: reason)?.text { text += ": \(why)" }
    }
    if !rule.isEmpty { text += ", rule \(rule)" }
    return place.isEmpty ? text : "\(text) (\(place))"
  }

  fileprivate var json: String {
    let members = [
      ("verdict", verdict), ("reason", reason), ("rule", rule), ("eni", eni),
      ("direction", direction),
    ]
    return "{" + members.map { "\"\($0)\":\(JSONText.quote($1))" }.joined(separator: ",")
      + ",\"output\":\(output.isEmpty ? "null" : JSONText.quote(output))}"
  }
}

extension Comparison.Example {
  fileprivate var json: String {
    let nanoseconds = String(time % 1_000_000_000)
    let seconds =
      "\(time / 1_000_000_000)." + String(repeating: "0", count: 9 - nanoseconds.count)
      + nanoseconds
    return "{\"file\":\(JSONText.quote(file)),\"packet\":\(packet),\"time\":\"\(seconds)\","
      + "\"flow\":\(JSONText.quote(flow))}"
  }
}

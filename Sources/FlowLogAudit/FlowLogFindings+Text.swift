import Reachability
import Replay

extension FlowLogFindings {
  /// For people.
  public var text: String {
    var lines = ["flow log: \(records) records of \(files.joined(separator: ", "))"]
    func line(_ name: String, _ count: Int, _ note: String = "") {
      let number = String(repeating: " ", count: max(0, 9 - "\(count)".count)) + "\(count)"
      let padded = name + String(repeating: " ", count: max(0, 18 - name.count))
      lines.append("  \(padded)\(number)" + (note.isEmpty ? "" : "  \(note)"))
    }
    line("agree", agreeing)
    if answering > 0 { line("agree as answers", answering, "to a packet in the log") }
    if answeringEarlier > 0 {
      line("agree if answers", answeringEarlier, "to a packet that the log does not have")
    }
    line("differ", differing)
    if ofServices > 0 { line("of services", ofServices, "not judged: the host answers them") }
    if withoutData > 0 { line("NODATA", withoutData) }
    if skippedByAWS > 0 { line("SKIPDATA", skippedByAWS, "records are missing from the log") }
    if faults > 0 { line("no records", faults, "lines that cannot be read") }
    for (skip, count) in skipLines { line("not judged", count, skip) }
    if differs { lines.append("") }
    for (group, tally) in ordered {
      lines.append(
        "\(title(group)): \(tally.flows) flows, \(tally.records) records, \(tally.packets) packets")
      lines += tally.examples.map { "  \($0)" }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private var skipLines: [(String, Int)] {
    skips.map { skip, count in
      switch skip {
      case .unknownInterface(let id): ("the model has no interface \(id)", count)
      case .furtherInterfaces: ("the model has none of further interfaces", count)
      case .noDirection(let id): ("neither or both addresses are of \(id)", count)
      case .otherReason: ("dropped neither by a group nor by an ACL, which AWS does not log", count)
      case .fragments: ("fragments, whose records have no ports", count)
      case .unknownType: ("ICMP that may be an error: records have no types", count)
      }
    }.sorted { $0.1 != $1.1 ? $0.1 > $1.1 : $0.0 < $1.0 }
  }

  /// For machines.
  public var json: String {
    let counts: [(String, Int)] = [
      ("records", records), ("agree", agreeing), ("agreeAsAnswers", answering),
      ("agreeIfAnswers", answeringEarlier), ("differ", differing), ("services", ofServices),
      ("noData", withoutData), ("skipData", skippedByAWS), ("unreadable", faults),
    ]
    let differences = ordered.map { group, tally in
      var members: [(String, String)] = [
        ("interface", JSONText.quote(interfaces[group.nic])),
        ("direction", JSONText.quote(group.isIngress ? "ingress" : "egress")),
        ("logged", JSONText.quote(group.isAccepted ? "ACCEPT" : "REJECT")),
      ]
      members += Self.members(group.ruling)
      members += [
        ("flows", "\(tally.flows)"), ("records", "\(tally.records)"),
        ("packets", "\(tally.packets)"),
        ("examples", JSONText.array(tally.examples.map { JSONText.quote($0) }, indent: 6)),
      ]
      return JSONText.object(members, indent: 4)
    }
    let notJudged = skipLines.map {
      JSONText.object([("why", JSONText.quote($0.0)), ("records", "\($0.1)")], indent: 4)
    }
    return JSONText.object(
      [("files", JSONText.array(files.map { JSONText.quote($0) }, indent: 2))]
        + counts.map { ($0.0, "\($0.1)") }
        + [
          ("notJudged", JSONText.array(notJudged, indent: 2)),
          ("differences", JSONText.array(differences, indent: 2)),
        ])
  }

  private static func members(_ ruling: InterfaceRuling) -> [(String, String)] {
    switch ruling {
    case .accepted(let rule): [("model", "\"ACCEPT\""), ("rule", JSONText.quote(rule))]
    case .rejected(let reason, let rule):
      [
        ("model", "\"REJECT\""), ("reason", JSONText.quote(reason)), ("rule", JSONText.quote(rule)),
      ]
    case .dropped(let reason): [("model", "\"DROP\""), ("reason", JSONText.quote(reason))]
    case .service: [("model", "\"SERVICE\"")]
    }
  }
}

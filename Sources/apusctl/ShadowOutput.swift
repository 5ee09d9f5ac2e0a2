import ControlProtocol

/// How what a shadow found is told.
enum ShadowOutput {
  // MARK: For people

  /// Tells on standard error that it has begun.
  static func tellBegin(_ report: Apus_V1_ShadowResponse) {
    let affected = report.change.affectedConnections.values.reduce(0, +)
    var text = "beside generation \(report.generation): \(report.change.changeCount) would change"
    if affected > 0 { text += ", \(affected) live connections would no longer be allowed" }
    ObservationTotals.tell(text)
  }

  static func text(_ last: Apus_V1_ShadowResponse) -> String {
    let counts = last.counts
    let compared = counts.same + counts.different
    var lines = [
      "\(packets(compared)) compared: \(counts.same) the same, \(counts.different) different"
    ]
    for difference in last.differences { lines += [""] + Self.lines(difference) }
    if !last.differences.isEmpty { lines.append("") }
    if counts.unlisted > 0 { lines.append("different in other ways: \(counts.unlisted)") }
    if counts.otherReasons > 0 {
      lines.append("dropped by both, for another reason: \(counts.otherReasons)")
    }
    lines += notCompared(last)
    lines.append(end(last))
    return lines.joined(separator: "\n") + "\n"
  }

  private static func packets(_ count: UInt64) -> String {
    "\(count) \(count == 1 ? "packet" : "packets")"
  }

  private static func lines(_ difference: Apus_V1_ShadowDifference) -> [String] {
    let (live, candidate) = (difference.live, difference.candidate)
    return [
      "\(live.verdict) -> \(candidate.verdict): \(packets(difference.packets)), "
        + "\(difference.bytes) bytes",
      "  live       \(live.text)", "  candidate  \(candidate.text)",
    ] + difference.examples.map { "  such as    \($0.time.timeOfDay) \($0.summary.text)" }
  }

  private static func notCompared(_ last: Apus_V1_ShadowResponse) -> [String] {
    let counts = last.counts
    return [
      (counts.older, "of connections that are older"), (counts.limited, "limited by allowances"),
      (counts.unlike, "that the shadow judges otherwise than the worker"),
      (last.loss.overrun, "not taken fast enough"),
      (last.loss.unaffordable, "beyond 5 % of a worker's time"),
    ].filter { $0.0 > 0 }.map { "not compared: \($0.0) \($0.1)" }
  }

  private static func end(_ last: Apus_V1_ShadowResponse) -> String {
    switch last.end {
    case .promoted: "promoted: generation \(last.change.generation)"
    case .notSame: "not promoted, generation \(last.generation) stays"
    default: "generation \(last.generation) stays: \(last.end.text)"
    }
  }

  // MARK: For machines

  static func json(_ report: Apus_V1_ShadowResponse) -> JSON {
    let counts = report.counts
    var fields: [(String, JSON)] = [
      ("generation", .number(report.generation)), ("same", .number(counts.same)),
      ("different", .number(counts.different)), ("otherReasons", .number(counts.otherReasons)),
      ("unlisted", .number(counts.unlisted)), ("older", .number(counts.older)),
      ("limited", .number(counts.limited)), ("unlike", .number(counts.unlike)),
      ("overrun", .number(report.loss.overrun)),
      ("unaffordable", .number(report.loss.unaffordable)),
      ("differences", .list(report.differences.map(json))),
    ]
    if report.hasChange {
      fields.append(
        ("change", ChangeOutput.json(report.change, isDryRun: report.end != .promoted)))
    }
    if report.end != .unspecified { fields.append(("end", .text(report.end.name))) }
    return .fields(fields)
  }

  private static func json(_ difference: Apus_V1_ShadowDifference) -> JSON {
    .fields([
      ("live", json(difference.live)), ("candidate", json(difference.candidate)),
      ("packets", .number(difference.packets)), ("bytes", .number(difference.bytes)),
      (
        "examples",
        .list(
          difference.examples.map {
            .fields([("time", .text($0.time.decimal))] + $0.summary.fields)
          })
      ),
    ])
  }

  /// The same of all packets of a connection, so without its state.
  private static func json(_ verdict: Apus_V1_PacketVerdict) -> JSON {
    .fields(verdict.fields.filter { $0.0 != "state" } + [("text", .text(verdict.text))])
  }
}

extension Apus_V1_ShadowEnd {
  /// The word in JSON.
  var name: String {
    switch self {
    case .duration: "duration"
    case .caller: "caller"
    case .rules: "rules"
    case .daemon: "daemon"
    case .promoted: "promoted"
    case .notSame: "notSame"
    case .unspecified, .UNRECOGNIZED: "unknown"
    }
  }

  /// For people.
  var text: String {
    switch self {
    case .duration: "the time is over"
    case .caller: "the caller has ended it"
    case .rules: "the rules in force have changed"
    case .daemon: "the daemon ends"
    case .promoted: "the candidate is in force"
    case .notSame: "packets differed, or none was compared"
    case .unspecified, .UNRECOGNIZED: "no reason given"
    }
  }
}

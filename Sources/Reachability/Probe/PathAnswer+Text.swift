extension PathAnswer {
  /// The answer for people, with a newline at its end.
  public var text: String {
    var lines = [question]
    for packet in packets {
      lines += ["", packet.title]
      lines += packet.steps.map { "  " + $0 }
      lines.append("  verdict: " + packet.verdict)
    }
    lines.append("")
    if passes {
      lines.append(
        notes.isEmpty ? "passes: it arrives, and the answer comes back" : "passes: it arrives")
    } else {
      lines.append("does not pass: \(whyNot)")
    }
    lines += notes.filter { $0 != whyNot }
    lines += changeLines
    return lines.joined(separator: "\n") + "\n"
  }

  /// Why not, in one line.
  private var whyNot: String {
    guard let last = packets.last, !last.reason.isEmpty else { return notes.last ?? "" }
    return packets.count > 1 ? "the answer is dropped, \(last.reason)" : "dropped, \(last.reason)"
  }

  private var changeLines: [String] {
    if passes { return [] }
    if changes.isEmpty {
      return ["", "no rule, route or address of the model would change that"]
    }
    var lines = ["", "what would have to change"]
    for (number, change) in changes.enumerated() {
      lines += [
        "  \(number + 1). \(change.words)", "     \(change.place)", "       \(change.yaml)",
      ]
    }
    lines.append(
      changesSuffice
        ? "with \(changes.count == 1 ? "this" : "all of these") it passes"
        : "whether that is enough cannot be told before it is there")
    return lines
  }
}

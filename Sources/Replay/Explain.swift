import Datapath
import Explanation

// `--explain`: the judgement of one packet, in words.
extension ReplaySession {
  /// The explanation of a settled packet.
  func explain(_ entry: BurstEntry, _ outcome: Outcome) -> String {
    let bytes = "\(entry.bytes) bytes"
    var lines = ["packet \(entry.number) of \(options.captures[file]), \(bytes)"]
    lines.append("  " + attribution(of: entry, outcome))
    if entry.packet >= 0 {
      let steps = (0..<worker.trace.count).map { worker.trace[$0] }
      lines += StepText(compiled, names).lines(steps).map { "  " + $0 }
    }
    lines.append("  verdict: " + names.sentence(outcome))
    return lines.joined(separator: "\n") + "\n"
  }

  private func attribution(of entry: BurstEntry, _ outcome: Outcome) -> String {
    guard entry.packet >= 0 else {
      return "attribution: no address of it belongs to a network interface or to the host"
    }
    return switch packets[Int(entry.packet)].origin {
    case .guest: "attribution: sent by \(names.nic(outcome.nic))"
    case .captured: "attribution: received by \(names.nic(outcome.nic)), captured without a tunnel"
    case .underlay: "attribution: a tunnel packet to this host"
    }
  }
}

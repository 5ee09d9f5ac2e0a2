import Datapath
import Tables
import Wire

/// The names of NICs and rules, and the verdict in a sentence.
public struct VerdictNames: Sendable {
  public var nicIDs: [String]
  public var ruleNames: [String]

  /// - Parameters:
  ///   - nicIDs: ids by NIC index.
  ///   - ruleNames: names by rule number; the first is empty.
  public init(nicIDs: [String], ruleNames: [String]) {
    self.nicIDs = nicIDs
    self.ruleNames = ruleNames
  }

  /// The id of a NIC.
  public func nic(_ index: TableIndex) -> String {
    Int(index) < nicIDs.count ? nicIDs[Int(index)] : "no NIC"
  }

  /// The name of a rule; empty for none.
  public func rule(_ number: UInt32) -> String {
    Int(number) < ruleNames.count ? ruleNames[Int(number)] : ""
  }

  /// `underlay`, the id of a NIC, or `nowhere`.
  public func place(_ place: OutputPlace) -> String {
    if let nic = place.nicIndex { return nic < nicIDs.count ? self.nic(nic) : "nowhere" }
    return place == .underlay ? "underlay" : "nowhere"
  }

  /// One line such as `drop sg.ingress: no security group rule allows it in (eni-web, ingress)`.
  public func sentence(_ outcome: Outcome) -> String {
    switch outcome.verdict {
    case .forward:
      let way =
        switch outcome.direction {
        case .egress: "out to \(place(outcome.output))"
        case .ingress: "in to \(place(outcome.output))"
        case .local, .none: "from \(nic(outcome.nic)) to \(place(outcome.output))"
        }
      let rule = outcome.rule == 0 ? "" : ", rule \(rule(outcome.rule))"
      let state = outcome.state == .none ? "" : ", \(outcome.state.name)"
      return "forward \(way)\(rule)\(state)"
    case .drop:
      let rule = outcome.rule == 0 ? "" : ", rule \(rule(outcome.rule))"
      let place =
        outcome.nic == .none
        ? "\(outcome.direction.name)" : "\(nic(outcome.nic)), \(outcome.direction.name)"
      return "drop \(outcome.reason.name): \(outcome.reason.text)\(rule) (\(place))"
    case .reply: return "reply to \(nic(outcome.nic))"
    case .consume: return "consume: a service took it from \(nic(outcome.nic)) without an answer"
    case .ignore: return "ignore \(outcome.reason.name): neither from nor to a network interface"
    case .punt: return "punt: left to a service (\(nic(outcome.nic)))"
    case .pending, .handOver: return "not judged"
    }
  }
}

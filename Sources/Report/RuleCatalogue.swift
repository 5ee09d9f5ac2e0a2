import VPCModel
import Wire

/// The rules of a model that verdicts can name, with what they say.
///
/// A security group's rule is named when it allows, an ACL's rule and a route when they deny. What
/// verdicts never name, such as ACL rules that allow, is not here: it would seem unused.
struct RuleCatalogue {
  struct Rule {
    var name: String
    var kind: String
    var says: String
  }

  private(set) var rules: [Rule] = []

  init(_ model: VPCModel) {
    for group in model.securityGroups {
      for (way, list) in [("in", group.ingress), ("out", group.egress)] {
        for rule in list {
          let peers = Self.list(rule.peers.map(Self.text))
          rules.append(
            Rule(
              name: rule.id, kind: "group \(group.id), \(way)",
              says: "\(Self.text(rule.match)) \(way == "in" ? "from" : "to") \(peers)"))
        }
      }
    }
    for acl in model.networkACLs {
      for (way, list) in [("in", acl.ingress), ("out", acl.egress)] {
        for rule in list where !rule.allow {
          rules.append(
            Rule(
              name: rule.id, kind: "ACL \(acl.id), \(way)",
              says: "deny \(Self.text(rule.match)) \(way == "in" ? "from" : "to") \(rule.cidr)"))
        }
      }
    }
    for table in model.routeTables { addBlackHoles(of: table, model) }
  }

  private mutating func addBlackHoles(of table: RouteTable, _ model: VPCModel) {
    for route in table.routes where route.target == .blackhole {
      let prefixes: [IPPrefix]
      switch route.destination {
      case .cidr(let prefix): prefixes = [prefix]
      case .prefixList(let id):
        prefixes = model.prefixLists.first { $0.id == id }?.entries ?? []
      }
      let names = route.id.map { [$0] } ?? prefixes.map { "\(table.id)/\($0)" }
      for name in names {
        rules.append(
          Rule(name: name, kind: "route table \(table.id)", says: "black hole for \(name)"))
      }
    }
  }

  private static func list(_ parts: [String]) -> String {
    parts.isEmpty
      ? "nobody"
      : parts.prefix(4).joined(separator: ", ")
        + (parts.count > 4 ? " and \(parts.count - 4) more" : "")
  }

  private static func text(_ peer: RulePeer) -> String {
    switch peer {
    case .cidr(let prefix): "\(prefix)"
    case .securityGroup(let id), .prefixList(let id): id
    }
  }

  static func text(_ match: TrafficMatch) -> String {
    guard let number = match.protocolNumber else { return "all" }
    var text = Protocols.name(number)
    if !match.ports.isEmpty {
      let ports = match.ports.map {
        $0.lowerBound == $0.upperBound ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
      }
      text += " \(list(ports))"
    }
    if let type = match.icmpType { text += " type \(type)" }
    if let code = match.icmpCode { text += " code \(code)" }
    return text
  }
}

/// Names of IP protocols.
enum Protocols {
  static func name(_ number: UInt8) -> String {
    switch number {
    case 1: "icmp"
    case 6: "tcp"
    case 17: "udp"
    case 58: "icmpv6"
    case 132: "sctp"
    default: "protocol \(number)"
    }
  }
}

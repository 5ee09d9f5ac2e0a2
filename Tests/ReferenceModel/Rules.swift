import VPCModel
import Wire

extension TrafficMatch {
  func matches(_ protocolNumber: UInt8, destinationPort: UInt16?, icmp: ParsedPacket.ICMPHeader?)
    -> Bool
  {
    if let wanted = self.protocolNumber, wanted != protocolNumber { return false }
    if !ports.isEmpty {
      guard let destinationPort, ports.contains(where: { $0.contains(destinationPort) }) else {
        return false
      }
    }
    if let icmpType {
      guard let icmp, icmp.type == icmpType else { return false }
    }
    if let icmpCode {
      guard let icmp, icmp.code == icmpCode else { return false }
    }
    return true
  }

  func matches(_ packet: ParsedPacket) -> Bool {
    matches(
      packet.protocolNumber, destinationPort: packet.ports?.destination, icmp: packet.icmp)
  }
}

/// The rules of one network interface, in the order that decides which is named.
struct GroupRules {
  var ingress: [SecurityGroupRule] = []
  var egress: [SecurityGroupRule] = []

  func rules(_ flow: Flow) -> [SecurityGroupRule] { flow == .egress ? egress : ingress }
}

/// What rule peers stand for.
struct PeerAddresses {
  private var members: [String: Set<IPAddress>] = [:]
  private var lists: [String: [IPPrefix]] = [:]

  init(_ model: VPCModel) {
    for nic in model.networkInterfaces {
      for group in nic.securityGroups { members[group, default: []].formUnion(nic.addresses) }
    }
    for list in model.prefixLists { lists[list.id] = list.entries }
  }

  func entries(of list: String) -> [IPPrefix] { lists[list] ?? [] }

  func contains(_ address: IPAddress, _ peers: [RulePeer]) -> Bool {
    peers.contains { peer in
      switch peer {
      case .cidr(let prefix): prefix.contains(address)
      case .securityGroup(let id): members[id]?.contains(address) ?? false
      case .prefixList(let id): entries(of: id).contains { $0.contains(address) }
      }
    }
  }

  /// Whether the peers are all addresses of the family.
  func areEverything(_ peers: [RulePeer], _ family: IPFamily) -> Bool {
    peers.contains { peer in
      switch peer {
      case .cidr(let prefix): prefix.isEverything && prefix.family == family
      case .securityGroup: false
      case .prefixList(let id):
        entries(of: id).contains { $0.isEverything && $0.family == family }
      }
    }
  }

  /// The first rule that allows the packet; nil when none does.
  func firstRule(_ rules: [SecurityGroupRule], _ packet: ParsedPacket, remote: IPAddress)
    -> SecurityGroupRule?
  {
    rules.first { $0.match.matches(packet) && contains(remote, $0.peers) }
  }

  /// Whether the packet belongs to a flow that AWS does not track.
  func isUntracked(_ rules: GroupRules, _ packet: ParsedPacket, _ flow: Flow) -> Bool {
    guard
      packet.protocolNumber == ProtocolNumber.tcp || packet.protocolNumber == ProtocolNumber.udp,
      let ports = packet.ports
    else { return false }
    let opposite: Flow = flow == .egress ? .ingress : .egress
    let begins = begins(rules, packet, flow, port: ports.destination)
    let answers = self.begins(rules, packet, opposite, port: ports.source)
    return begins || answers
  }

  /// Whether a packet to `port` that passes in `flow` begins an untracked flow.
  private func begins(_ rules: GroupRules, _ packet: ParsedPacket, _ flow: Flow, port: UInt16)
    -> Bool
  {
    let opposite: Flow = flow == .egress ? .ingress : .egress
    let allowed = rules.rules(flow).contains { rule in
      rule.match.matches(packet.protocolNumber, destinationPort: port, icmp: nil)
        && areEverything(rule.peers, packet.family)
    }
    let answered = rules.rules(opposite).contains { rule in
      (rule.match.protocolNumber ?? packet.protocolNumber) == packet.protocolNumber
        && rule.match.coversAllPorts && areEverything(rule.peers, packet.family)
    }
    return allowed && answered
  }
}

enum ACLJudgement: Equatable {
  case allow
  /// The rule that denies; empty for the final deny.
  case deny(rule: String)
}

extension NetworkACL {
  func judge(_ packet: ParsedPacket, _ flow: Flow, remote: IPAddress) -> ACLJudgement {
    let rules = flow == .egress ? egress : ingress
    for rule in rules where rule.cidr.contains(remote) && rule.match.matches(packet) {
      return rule.allow ? .allow : .deny(rule: rule.id)
    }
    return .deny(rule: "")
  }
}

import VPCModel
import Wire

// What becomes of all that is remembered when the model changes: the contract's `onRuleChange`.

extension ReferenceVPC {
  /// Goes on with another model.
  ///
  /// Connections, fragments and counters of network interfaces that stay are kept; allowances that
  /// are others begin full. A rule that is gone is named no more.
  ///
  /// - Parameter cuts: tracked connections are judged again at their next packet.
  public mutating func replace(with next: VPCModel, cuts: Bool) {
    var known: [String: (vpc: String, limits: Limits, memory: NetworkInterfaceMemory)] = [:]
    for (state, memory) in zip(nics, memories) {
      known[state.nic.id] = (model.vpcs[state.vpc].id, state.nic.limits, memory)
    }
    changes += 1
    if cuts { lastCut = changes }
    model = next
    peers = PeerAddresses(next)
    nics = next.networkInterfaces.compactMap { NetworkInterfaceState($0, next) }
    routing = Routing(next, peers, nics)
    services = Services(routing: routing)
    let names = Self.ruleNames(next)
    memories = nics.map { state in
      guard var kept = known[state.nic.id], kept.vpc == next.vpcs[state.vpc].id else {
        return NetworkInterfaceMemory(buckets: Buckets(state.nic.limits))
      }
      // How many connections there may be is no bucket.
      kept.limits.connections = state.nic.limits.connections
      if kept.limits != state.nic.limits { kept.memory.buckets = Buckets(state.nic.limits) }
      kept.memory.connections.change { connection in
        if !names.contains(connection.rule) { connection.rule = "" }
      }
      kept.memory.fragments.forgetRules(except: names)
      return kept.memory
    }
  }

  /// Begins anew, as a restarted data plane does: the model stays, what was remembered is gone.
  public mutating func restart() {
    memories = nics.map { NetworkInterfaceMemory(buckets: Buckets($0.nic.limits)) }
  }

  /// Names of all rules that connections can have.
  private static func ruleNames(_ model: VPCModel) -> Set<String> {
    var names: Set<String> = [""]
    for group in model.securityGroups { names.formUnion((group.ingress + group.egress).map(\.id)) }
    for acl in model.networkACLs { names.formUnion((acl.ingress + acl.egress).map(\.id)) }
    for table in model.routeTables {
      for route in table.routes {
        if let id = route.id { names.insert(id) }
        if case .cidr(let prefix) = route.destination { names.insert("\(table.id)/\(prefix)") }
        if case .prefixList(let id) = route.destination {
          for list in model.prefixLists where list.id == id {
            names.formUnion(list.entries.map { "\(table.id)/\($0)" })
          }
        }
      }
    }
    return names
  }

  // MARK: Cut

  /// Asks the groups about the packet's connection, if the rules were cut since it was asked last:
  /// it gets the rule that allows it now, or ends with this drop.
  mutating func judgeAgain(
    _ packet: ParsedPacket, _ flow: Flow, _ index: Int, at now: UInt64
  ) -> Decision? {
    if let tcp = packet.tcp, !tcp.flagsAreValid { return nil }
    if let icmp = packet.icmp {
      switch icmp.kind(packet.family) {
      case .echoRequest, .echoReply: break
      case .error, .other: return nil
      }
    }
    let key = packet.connectionKey(flow)
    guard var connection = memories[index].connections.find(key, at: now),
      connection.judgedAt < lastCut
    else { return nil }
    guard let rule = allowingRule(key, connection, flow, packet, index) else {
      memories[index].connections.set(nil, for: key)
      return .drop(flow == .egress ? .sgEgress : .sgIngress, rule: "")
    }
    connection.rule = rule.id
    connection.judgedAt = changes
    memories[index].connections.set(connection, for: key)
    return nil
  }

  /// Whether the groups were asked since the last cut, or would allow the connection.
  ///
  /// - Parameter packet: of the connection, going the way of `flow`.
  func isStillAllowed(
    _ key: ConnectionKey, _ connection: Connection, _ flow: Flow, _ packet: ParsedPacket,
    _ index: Int
  ) -> Bool {
    connection.judgedAt >= lastCut
      || allowingRule(key, connection, flow, packet, index) != nil
  }

  /// The rule that allows a connection to begin as it did.
  ///
  /// A connection of SCTP has no ports, and the contract has it judged at its next packet: that
  /// packet's ports count.
  private func allowingRule(
    _ key: ConnectionKey, _ connection: Connection, _ flow: Flow, _ packet: ParsedPacket,
    _ index: Int
  ) -> SecurityGroupRule? {
    let rules = nics[index].rules.rules(connection.beganByLocal ? .egress : .ingress)
    var port = connection.begin.destinationPort
    if key.protocolNumber == ProtocolNumber.sctp, let ports = packet.ports {
      let isAsBegun = connection.beganByLocal == (flow == .egress)
      port = isAsBegun ? ports.destination : ports.source
    }
    return rules.first { rule in
      rule.match.matches(
        key.protocolNumber, destinationPort: port, icmp: connection.begin.icmp)
        && peers.contains(key.remote, rule.peers)
    }
  }
}

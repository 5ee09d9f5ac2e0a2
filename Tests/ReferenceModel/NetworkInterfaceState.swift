import VPCModel
import Wire

/// What a network interface remembers.
struct NetworkInterfaceMemory {
  var connections = ConnectionTable()
  var fragments = FragmentMemory()
  var buckets: Buckets
  var counters = ReferenceCounters()
}

/// The tracked connections of one network interface.
struct ConnectionTable {
  private(set) var entries: [ConnectionKey: Connection] = [:]

  /// A live connection.
  func find(_ key: ConnectionKey, at now: UInt64) -> Connection? {
    guard let connection = entries[key], now < connection.deadline else { return nil }
    return connection
  }

  /// Changes every connection that is remembered.
  mutating func change(_ body: (inout Connection) -> Void) {
    for key in entries.keys {
      guard var connection = entries[key] else { continue }
      body(&connection)
      entries[key] = connection
    }
  }

  mutating func set(_ connection: Connection?, for key: ConnectionKey) {
    entries[key] = connection
  }

  /// Whether `limit` leaves no room for a connection under `key`.
  mutating func isFull(_ limit: UInt64, for key: ConnectionKey, at now: UInt64) -> Bool {
    guard entries.count >= limit else { return false }
    entries = entries.filter { now < $0.value.deadline }
    let others = entries.count - (entries[key] == nil ? 0 : 1)
    return others >= limit
  }
}

/// A network interface with all that its references lead to.
struct NetworkInterfaceState {
  let nic: NetworkInterface
  /// Index of its VPC.
  let vpc: Int
  let subnet: Subnet
  let rules: GroupRules
  let acl: NetworkACL?
  let routeTable: RouteTable?

  init?(_ nic: NetworkInterface, _ model: VPCModel) {
    guard let subnet = model.subnets.first(where: { $0.id == nic.subnet }),
      let vpc = model.vpcs.firstIndex(where: { $0.id == subnet.vpc })
    else { return nil }
    self.nic = nic
    self.vpc = vpc
    self.subnet = subnet
    var rules = GroupRules()
    for id in nic.securityGroups {
      guard let group = model.securityGroups.first(where: { $0.id == id }) else { continue }
      rules.ingress += group.ingress
      rules.egress += group.egress
    }
    self.rules = rules
    var acl = model.networkACLs.first { $0.id == subnet.networkACL }
    // The lowest number first, wherever it stands in the model.
    acl?.ingress.sort { $0.number < $1.number }
    acl?.egress.sort { $0.number < $1.number }
    self.acl = acl
    routeTable = model.routeTables.first { $0.id == subnet.routeTable }
  }

  func owns(_ address: IPAddress) -> Bool { nic.addresses.contains(address) }

  func isInSubnet(_ address: IPAddress) -> Bool {
    subnet.cidrs.contains { $0.contains(address) }
  }

  /// The subnet's first address + 1 and fe80::1.
  func isRouter(_ address: IPAddress) -> Bool {
    if address == IPAddress(v6: 0xFE80 << 48, 1) { return true }
    return subnet.cidrs.contains { $0.address.advanced(by: 1) == address }
  }

  // MARK: Connections

  /// The connection step: flags, lookup, untracked flows, and who may begin a connection.
  func judgeConnection(
    _ packet: ParsedPacket, _ flow: Flow, _ connections: ConnectionTable,
    _ midstream: Policy.Midstream, _ peers: PeerAddresses, at now: UInt64,
    isStillAllowed: (ConnectionKey, Connection, ParsedPacket) -> Bool = { _, _, _ in true }
  ) -> ConnectionJudgement {
    if let tcp = packet.tcp, !tcp.flagsAreValid { return .drop(.ctFlags) }
    if let icmp = packet.icmp {
      return judgeICMP(packet, icmp, flow, connections, at: now, isStillAllowed)
    }
    let key = packet.connectionKey(flow)
    if let connection = connections.find(key, at: now) {
      switch continueConnection(connection, key, packet, flow, at: now) {
      case .reopen: break
      case .judged(let judgement): return judgement
      }
    }
    if peers.isUntracked(rules, packet, flow) { return .untracked }
    if let tcp = packet.tcp {
      let isFirst = tcp.syn && !tcp.ack && !tcp.rst && !tcp.fin
      let isMidstream = tcp.ack && !tcp.syn && !tcp.fin && !tcp.rst
      guard isFirst || (isMidstream && midstream == .evaluate) else { return .drop(.ctInvalid) }
      return .new(key, .tcp(TCPTracker(first: tcp, isFragment: packet.fragment != nil)))
    }
    if packet.protocolNumber == ProtocolNumber.udp {
      return .new(key, .udp(original: 1, reply: 0))
    }
    return .new(key, .other)
  }

  private enum Continuation {
    case judged(ConnectionJudgement)
    case reopen
  }

  private func continueConnection(
    _ connection: Connection, _ key: ConnectionKey, _ packet: ParsedPacket, _ flow: Flow,
    at now: UInt64
  ) -> Continuation {
    var connection = connection
    let isReply = connection.beganByLocal != (flow == .egress)
    var refresh = true
    switch connection.tracking {
    case .tcp(var tracker):
      guard let tcp = packet.tcp else { return .judged(.drop(.ctInvalid)) }
      let outcome = tracker.judge(tcp, reply: isReply, isFragment: packet.fragment != nil)
      connection.tracking = .tcp(tracker)
      switch outcome {
      case .invalid: return .judged(.drop(.ctInvalid))
      case .reopen: return .reopen
      case .acceptAndDelete: return .judged(.part(key, rule: connection.rule, updated: nil))
      case .ignore: refresh = false
      case .accept(let refreshes): refresh = refreshes
      }
    case .udp(let original, let reply):
      connection.tracking = .udp(
        original: original + (isReply ? 0 : 1), reply: reply + (isReply ? 1 : 0))
    case .echo, .other: break
    }
    if refresh {
      connection.deadline = now + connection.tracking.timeout(nic.connectionTracking)
    }
    return .judged(.part(key, rule: connection.rule, updated: connection))
  }

  private func judgeICMP(
    _ packet: ParsedPacket, _ icmp: ParsedPacket.ICMPHeader, _ flow: Flow,
    _ connections: ConnectionTable, at now: UInt64,
    _ isStillAllowed: (ConnectionKey, Connection, ParsedPacket) -> Bool
  ) -> ConnectionJudgement {
    switch icmp.kind(packet.family) {
    case .other: return .rulesOnly
    case .error:
      guard let rule = relatedRule(packet, flow, connections, at: now, isStillAllowed) else {
        return .rulesOnly
      }
      return .related(rule: rule)
    case .echoRequest, .echoReply:
      let key = packet.connectionKey(flow)
      if var connection = connections.find(key, at: now) {
        connection.deadline = now + connection.tracking.timeout(nic.connectionTracking)
        return .part(key, rule: connection.rule, updated: connection)
      }
      return icmp.kind(packet.family) == .echoRequest ? .new(key, .echo) : .drop(.ctInvalid)
    }
  }

  /// The rule of the connection that an ICMP error speaks of; nil when there is none.
  private func relatedRule(
    _ packet: ParsedPacket, _ flow: Flow, _ connections: ConnectionTable, at now: UInt64,
    _ isStillAllowed: (ConnectionKey, Connection, ParsedPacket) -> Bool
  ) -> String? {
    guard let quote = packet.quotedPacket(), quote.source == packet.destination else { return nil }
    if let icmp = quote.icmp {
      let kind = icmp.kind(quote.family)
      guard kind == .echoRequest || kind == .echoReply else { return nil }
    }
    let key = quote.connectionKey(flow == .egress ? .ingress : .egress)
    guard let connection = connections.find(key, at: now),
      isStillAllowed(key, connection, quote)
    else { return nil }
    return connection.rule
  }
}

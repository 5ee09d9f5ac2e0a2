import VPCModel
import Wire

/// What the receiving network interface says of a packet.
enum IngressJudgement {
  case accept(rule: String, state: String)
  case drop(DropReason, rule: String)
}

/// A decision in the making: nothing is remembered before it is accepted.
struct Tentative {
  var rule: String
  var state: String
  var change: Change

  enum Change {
    case none
    case update(ConnectionKey, Connection?)
    case create(ConnectionKey, Connection)

    var isNew: Bool { if case .create = self { true } else { false } }
  }
}

enum Decision {
  case accept(Tentative)
  case drop(DropReason, rule: String)
}

extension ReferenceVPC {
  // MARK: Egress

  mutating func judgeEgress(
    _ packet: ParsedPacket, _ frame: Frame, from sender: Int, at now: UInt64
  ) -> ReferenceVerdict {
    let nic = nics[sender]
    let place = routing.place(of: packet.destination, from: nic)
    var direction = "egress"
    if case .local = place { direction = "local" }
    func drop(_ reason: DropReason, rule: String = "") -> ReferenceVerdict {
      .drop(eni: nic.nic.id, direction: direction, reason, rule: rule)
    }
    // 2. Link layer, 3. services.
    let service = services.kind(of: packet, from: nic)
    let isGroup =
      (frame.destinationMAC?.isMulticast ?? false) || packet.destination.isMulticast
      || packet.destination.isLimitedBroadcast
    if isGroup {
      guard let service, services.isProperGroup(service, packet) else { return drop(.l2Multicast) }
    }
    if let service {
      let outcome = services.answer(
        service, packet, from: nic, atNIC: options.atNIC, link: checkedSource(of: frame))
      return serviceVerdict(outcome, sender, dropDirection: direction)
    }
    // 4. Source.
    if let mac = checkedSource(of: frame), mac != nic.nic.mac { return drop(.spoofMAC) }
    if packet.source == packet.destination { return drop(.spoofIP) }
    if nic.nic.sourceDestCheck && !nic.owns(packet.source) { return drop(.spoofIP) }
    // 5. Fragments.
    let bytes: Int
    (packetCount, bytes) = cost(of: packet, frame)
    var decision: Decision
    var firstKey: FragmentKey?
    switch memories[sender].fragments.judge(packet, .egress, at: now) {
    case .drop(let reason, let rule): return drop(reason, rule: rule)
    case .follow(let rule, let state):
      // Routes and places may be others by now; ports, and with them the ACL, are not asked again.
      decision =
        refusal(by: place, packet, nic)
        ?? .accept(Tentative(rule: rule, state: state, change: .none))
    case .first(let key):
      firstKey = key
      decision = decideEgress(packet, place, sender, at: now)
    case .whole: decision = decideEgress(packet, place, sender, at: now)
    }
    // 10. Size, 11. limits.
    if case .accept(let tentative) = decision {
      if exceedsSize(packet, place) {
        decision = .drop(.mtuExceeded, rule: "")
      } else if let refusal = refusal(tentative, .egress, bytes, sender, at: now) {
        decision = .drop(refusal, rule: "")
      }
    }
    remember(decision, packet, firstKey, sender, at: now)
    guard case .accept(let tentative) = decision else {
      guard case .drop(let reason, let rule) = decision else { return drop(.none) }
      return drop(reason, rule: rule)
    }
    commit(tentative, .egress, bytes, sender, at: now)
    guard case .local(let receiver) = place else {
      return .forward(
        eni: nic.nic.id, direction: direction, rule: tentative.rule, state: tentative.state,
        output: "underlay")
    }
    switch judgeIngress(packet, bytes: bytes, to: receiver, at: now) {
    case .drop(let reason, let rule):
      dropper = receiver
      return drop(reason, rule: rule)
    case .accept:
      return .forward(
        eni: nic.nic.id, direction: direction, rule: tentative.rule, state: tentative.state,
        output: nics[receiver].nic.id)
    }
  }

  /// Egress steps 6 to 9.
  private mutating func decideEgress(
    _ packet: ParsedPacket, _ place: Place, _ sender: Int, at now: UInt64
  ) -> Decision {
    let nic = nics[sender]
    let decision = decideConnection(
      packet, .egress, sender, remote: packet.destination, at: now, acl: { _ in nil })
    guard case .accept = decision else { return decision }
    if case .refused(let reason, let rule) = place { return .drop(reason, rule: rule) }
    if !nic.isInSubnet(packet.destination), let acl = nic.acl,
      case .deny(let rule) = acl.judge(packet, .egress, remote: packet.destination)
    {
      return .drop(.aclEgress, rule: rule)
    }
    return refusal(by: place, packet, nic) ?? decision
  }

  /// Why a packet cannot go where its routes lead; nil when it can.
  private func refusal(
    by place: Place, _ packet: ParsedPacket, _ nic: NetworkInterfaceState
  ) -> Decision? {
    switch place {
    case .refused(let reason, let rule): return .drop(reason, rule: rule)
    case .missing: return .drop(.mappingNone, rule: "")
    case .internetGateway where packet.family == .v4:
      let hasPublic = nic.nic.publicAddresses.contains { $0.privateAddress == packet.source }
      return hasPublic ? nil : .drop(.natNone, rule: "")
    case .internetGateway, .local, .otherHost: return nil
    }
  }

  private func exceedsSize(_ packet: ParsedPacket, _ place: Place) -> Bool {
    guard let host = model.host else { return false }
    var maximum = host.mtu - (host.address.family == .v4 ? 50 : 70)
    switch place {
    case .local, .refused, .missing: return false
    case .internetGateway: maximum = min(maximum, 1500)
    case .otherHost: break
    }
    if segmentSize > 0, let headers = packet.segmentHeaders {
      return min(packet.length, headers + segmentSize) > maximum
    }
    let mayBeFragmented = packet.family == .v4 && !packet.dontFragment
    return packet.length > maximum && !mayBeFragmented
  }

  // MARK: Ingress

  /// Ingress steps 2 to 7 of a packet that the fabric brought to a network interface.
  mutating func judgeIngress(
    _ packet: ParsedPacket, bytes: Int, to receiver: Int, at now: UInt64
  ) -> IngressJudgement {
    let nic = nics[receiver]
    if !nic.owns(packet.destination) && nic.nic.sourceDestCheck {
      return .drop(.eniNone, rule: "")
    }
    var decision: Decision
    var firstKey: FragmentKey?
    switch memories[receiver].fragments.judge(packet, .ingress, at: now) {
    case .drop(let reason, let rule): return .drop(reason, rule: rule)
    case .follow(let rule, let state):
      decision = .accept(Tentative(rule: rule, state: state, change: .none))
    case .first(let key):
      firstKey = key
      decision = decideIngress(packet, receiver, at: now)
    case .whole: decision = decideIngress(packet, receiver, at: now)
    }
    if case .accept(let tentative) = decision,
      let refusal = refusal(tentative, .ingress, bytes, receiver, at: now)
    {
      decision = .drop(refusal, rule: "")
    }
    remember(decision, packet, firstKey, receiver, at: now)
    switch decision {
    case .drop(let reason, let rule): return .drop(reason, rule: rule)
    case .accept(let tentative):
      commit(tentative, .ingress, bytes, receiver, at: now)
      return .accept(rule: tentative.rule, state: tentative.state)
    }
  }

  private mutating func decideIngress(
    _ packet: ParsedPacket, _ receiver: Int, at now: UInt64
  ) -> Decision {
    let nic = nics[receiver]
    return decideConnection(
      packet, .ingress, receiver, remote: packet.source, at: now,
      acl: { packet in
        guard !nic.isInSubnet(packet.source), let acl = nic.acl,
          case .deny(let rule) = acl.judge(packet, .ingress, remote: packet.source)
        else { return nil }
        return rule
      })
  }

  // MARK: Connections and groups

  /// The connection step, then `acl` (the rule that denies, or nil), then the security groups.
  private mutating func decideConnection(
    _ packet: ParsedPacket, _ flow: Flow, _ index: Int, remote: IPAddress, at now: UInt64,
    acl: (ParsedPacket) -> String?
  ) -> Decision {
    let nic = nics[index]
    if let refusal = judgeAgain(packet, flow, index, at: now) { return refusal }
    let judgement = nic.judgeConnection(
      packet, flow, memories[index].connections, model.policy.midstream, peers, at: now,
      isStillAllowed: { isStillAllowed($0, $1, flow == .egress ? .ingress : .egress, $2, index) })
    if case .drop(let reason) = judgement { return .drop(reason, rule: "") }
    if let rule = acl(packet) { return .drop(.aclIngress, rule: rule) }
    switch judgement {
    case .part(let key, let rule, let updated):
      return .accept(
        Tentative(rule: rule, state: "established", change: .update(key, updated)))
    case .related(let rule):
      return .accept(Tentative(rule: rule, state: "related", change: .none))
    case .untracked, .rulesOnly, .new, .drop: break
    }
    guard let rule = peers.firstRule(nic.rules.rules(flow), packet, remote: remote) else {
      return .drop(flow == .egress ? .sgEgress : .sgIngress, rule: "")
    }
    guard case .new(let key, let tracking) = judgement else {
      var state = "none"
      if case .untracked = judgement { state = "untracked" }
      return .accept(Tentative(rule: rule.id, state: state, change: .none))
    }
    var connection = Connection(
      rule: rule.id, beganByLocal: flow == .egress, tracking: tracking,
      deadline: now + tracking.timeout(nic.nic.connectionTracking))
    connection.judgedAt = changes
    connection.begin = Connection.Begin(packet)
    return .accept(Tentative(rule: rule.id, state: "new", change: .create(key, connection)))
  }

  // MARK: Limits and memory

  private mutating func refusal(
    _ tentative: Tentative, _ flow: Flow, _ bytes: Int, _ nic: Int, at now: UInt64
  ) -> DropReason? {
    if case .create(let key, _) = tentative.change, let limit = nics[nic].nic.limits.connections,
      memories[nic].connections.isFull(limit, for: key, at: now)
    {
      memories[nic].counters.connectionsExceeded += 1
      return .limitConnections
    }
    let isNew = tentative.change.isNew
    switch memories[nic].buckets.refusal(
      flow, packets: packetCount, bytes: bytes, isNew: isNew, at: now)
    {
    case .connectionRate: return .limitConnectionRate
    case .packets:
      memories[nic].counters.packetsExceeded += 1
      return .limitPackets
    case .bandwidth:
      if flow == .egress {
        memories[nic].counters.bandwidthOutExceeded += 1
      } else {
        memories[nic].counters.bandwidthInExceeded += 1
      }
      return .limitBandwidth
    case nil: return nil
    }
  }

  private mutating func commit(
    _ tentative: Tentative, _ flow: Flow, _ bytes: Int, _ nic: Int, at now: UInt64
  ) {
    memories[nic].buckets.charge(
      flow, packets: packetCount, bytes: bytes, isNew: tentative.change.isNew, at: now)
    memories[nic].counters.add(flow, packets: packetCount, bytes: bytes)
    switch tentative.change {
    case .none: break
    case .update(let key, let connection): memories[nic].connections.set(connection, for: key)
    case .create(let key, let connection):
      if memories[nic].connections.find(key, at: now) != nil { replacements += 1 }
      memories[nic].connections.set(connection, for: key)
    }
  }

  /// Remembers what was decided for a first fragment.
  private mutating func remember(
    _ decision: Decision, _ packet: ParsedPacket, _ key: FragmentKey?, _ nic: Int, at now: UInt64
  ) {
    guard let key, let fragment = packet.fragment else { return }
    switch decision {
    case .accept(let tentative):
      let fate = Datagram.Fate.accepted(rule: tentative.rule, state: tentative.state)
      memories[nic].fragments.remember(key, fragment, fate, at: now)
    case .drop(let reason, let rule):
      memories[nic].fragments.remember(key, fragment, .refused(reason, rule: rule), at: now)
    }
  }
}

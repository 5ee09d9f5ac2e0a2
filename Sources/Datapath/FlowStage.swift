import Tables
import Wire

// Connection tracking: decides without changing anything. What it decides is committed by
// `CommitStage` once every later step agreed, so that a refused packet leaves no trace.

extension Worker {
  /// Finds the packet's connection, or says whether it may begin one.
  ///
  /// - Parameter record: the connection when it is known to be alive, else `none`.
  /// - Returns: a drop reason (`ct.flags`, `ct.invalid`), or `none` with `decision` filled.
  @_transparent
  mutating func flowStep(
    _ packet: inout Packet, _ context: inout PacketContext, _ direction: Direction,
    known record: UInt32 = .none, nic: TableIndex, _ decision: inout FlowDecision,
    _ tables: borrowing RuleTables
  ) -> DropReason {
    let isTCP = context.headers.transport == IPProtocol.tcp
    if isTCP && !TCPSegment.areFlagsPossible(context.headers.tcpFlags) { return .ctFlags }
    if record != .none {
      return known(&packet, &context, record, direction, nic: nic, &decision, tables)
    }
    if let record = liveRecord(&context, now: packet.time) {
      if flows.entries[record].generation < tables.cutGeneration
        && !isStillAllowed(record, context.headers, direction, nic: nic, tables)
      {
        return direction == .egress ? .sgEgress : .sgIngress
      }
      return known(&packet, &context, record, direction, nic: nic, &decision, tables)
    }
    var fresh = decision
    let refusal = unknown(&packet, &context, direction, nic: nic, &fresh, tables)
    decision = fresh
    return refusal
  }

  /// The record of a connection that has not ended by time, or nil.
  @_transparent
  private mutating func liveRecord(_ context: inout PacketContext, now: UInt64) -> UInt32? {
    if context.candidate != .none {
      // SAFETY: `pointer` checks the bounds.
      let entry = unsafe flows.entries.pointer(Int(context.candidate))
      if unsafe entry.pointee.identity == context.key.identity
        && entry.pointee.addressWord == context.key.addressWord && entry.pointee.deadline > now
        && entry.pointee.kind != .free && !context.key.isIPv6
        && !entry.pointee.flags.contains(.isIPv6)
      {
        return context.candidate
      }
    }
    return searchRecord(&context, now: now)
  }

  /// The same without a hint, and for IPv6. Out of line, and by reference: passing the key or the
  /// table by value would copy them even when the hint was right.
  @inline(never)
  private mutating func searchRecord(_ context: inout PacketContext, now: UInt64) -> UInt32? {
    var found: UInt32?
    if context.candidate != .none && flows.holds(context.candidate, context.key) {
      found = context.candidate
    } else {
      found = flows.lookup(context.key, hash: context.hash)
    }
    guard let record = found else { return nil }
    if flows.entries[record].deadline > now { return record }
    endFlow(record)
    return nil
  }

  /// Asks the groups about a connection that began under rules which were changed with `cut`: it
  /// gets the rule that allows it now, or ends.
  @inline(never)
  private mutating func isStillAllowed(
    _ record: UInt32, _ headers: borrowing Headers, _ direction: Direction, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> Bool {
    let isAsBegun =
      flows.entries[record].flags.contains(.fromOutside) == (direction == .ingress)
    let rule = groupStep(
      connection: record, ruleKey: isAsBegun ? headers.ruleKey : headers.reversedRuleKey, nic: nic,
      tables)
    if rule == 0 {
      endFlow(record)
      return false
    }
    flows.entries[record].rule = rule
    flows.entries[record].generation = tables.generation
    // They were of the generation before.
    flows.entries[record].flags.subtract(FlowFlags.egressCached.union(.ingressCached))
    return true
  }

  // MARK: Part of a connection

  @_transparent
  private mutating func known(
    _ packet: inout Packet, _ context: inout PacketContext, _ record: UInt32,
    _ direction: Direction, nic: TableIndex, _ decision: inout FlowDecision,
    _ tables: borrowing RuleTables
  ) -> DropReason {
    // SAFETY: `pointer` checks the bounds, and nothing moves entries.
    let entry = unsafe flows.entries.pointer(Int(record))
    let kind = unsafe entry.pointee.kind
    decision.action = .update
    decision.record = record
    decision.kind = kind
    decision.state = .established
    decision.rule = unsafe entry.pointee.rule
    let isFromOutside = unsafe entry.pointee.flags.contains(.fromOutside)
    decision.side = isFromOutside == (direction == .ingress) ? 0 : 1
    if kind == .udp {
      decision.udpCounts = unsafe Self.countUDP(entry.pointee.state, direction)
      let isStream = decision.udpCounts & 0x0F >= 2 && decision.udpCounts >> 4 >= 2
      let timeout = isStream ? tables.nics[nic].udpStream : tables.nics[nic].udp
      decision.deadline = packet.time &+ timeout
      note(.connectionFound, UInt64(decision.rule))
      return .none
    }
    if kind == .tcp {
      var tracked = decision
      let refusal = knownTCP(&packet, &context, direction, nic: nic, &tracked, tables)
      decision = tracked
      return refusal
    }
    decision.deadline = packet.time &+ (kind == .echo ? 30_000_000_000 : 600_000_000_000)
    note(.connectionFound, UInt64(decision.rule))
    return .none
  }

  @inline(never)
  private mutating func knownTCP(
    _ packet: inout Packet, _ context: inout PacketContext, _ direction: Direction,
    nic: TableIndex, _ decision: inout FlowDecision, _ tables: borrowing RuleTables
  ) -> DropReason {
    // SAFETY: the parser saw the whole TCP header.
    let segment = unsafe TCPSegment(packet.base, context.headers)
    let state = flows.entries[decision.record].state
    context.tracker = TCPTracker(
      state: TCPState(rawValue: state) ?? .none, track: flows.tracks[decision.record],
      seenReply: flows.entries[decision.record].flags.contains(.seenReply))
    switch context.tracker.follow(segment, side: decision.side) {
    case .accept:
      if !context.tracker.keepsDeadline {
        decision.deadline =
          packet.time
          &+ context.tracker.timeout(segment, established: tables.nics[nic].tcpEstablished)
      }
    case .ignore: break
    case .invalid:
      note(.connectionInvalid, UInt64(state))
      return .ctInvalid
    case .reopen:
      // Judged as a new connection; the old one goes when the packet is accepted.
      let old = decision.record
      let refusal = unknown(&packet, &context, direction, nic: nic, &decision, tables)
      decision.record = old
      return refusal
    }
    note(.connectionFound, UInt64(decision.rule), UInt64(state))
    return .none
  }

  /// Packets each way, up to two: the low nibble counts those out, the high nibble those in.
  @inline(__always)
  static func countUDP(_ counts: UInt8, _ direction: Direction) -> UInt8 {
    switch direction {
    case .egress: counts & 0x0F < 2 ? counts &+ 1 : counts
    case .ingress: counts >> 4 < 2 ? counts &+ 0x10 : counts
    }
  }

  // MARK: Not part of one

  @inline(never)
  private mutating func unknown(
    _ packet: inout Packet, _ context: inout PacketContext, _ direction: Direction, nic: TableIndex,
    _ decision: inout FlowDecision, _ tables: borrowing RuleTables
  ) -> DropReason {
    decision.record = .none
    decision.action = .create
    decision.state = .new
    decision.side = 0
    decision.needsGroups = true
    switch context.headers.transport {
    case IPProtocol.tcp, IPProtocol.udp:
      if isUntracked(context.headers, direction, nic: nic, tables) {
        decision.action = .none
        decision.state = .untracked
        note(.untracked)
        return .none
      }
      if context.headers.transport == IPProtocol.udp {
        decision.kind = .udp
        decision.udpCounts = Self.countUDP(0, direction)
        decision.deadline = packet.time &+ tables.nics[nic].udp
      } else if !beginTCP(&packet, &context, nic: nic, &decision, tables) {
        return .ctInvalid
      }
    case _ where context.headers.isICMP:
      return beginICMP(&packet, &context, direction, nic: nic, &decision, tables)
    default:
      decision.kind = .other
      decision.deadline = packet.time &+ 600_000_000_000
    }
    note(.connectionNew)
    return .none
  }

  /// Begins to track a TCP connection; false when the segment may not begin one.
  private mutating func beginTCP(
    _ packet: inout Packet, _ context: inout PacketContext, nic: TableIndex,
    _ decision: inout FlowDecision, _ tables: borrowing RuleTables
  ) -> Bool {
    // SAFETY: the parser saw the whole TCP header.
    let segment = unsafe TCPSegment(packet.base, context.headers)
    let isPickup = segment.kind == .ack && !tables.dropMidstream
    guard segment.kind == .syn || isPickup else { return false }
    decision.kind = .tcp
    context.tracker = TCPTracker(first: segment)
    guard context.tracker.follow(segment, side: 0) != .invalid else { return false }
    decision.deadline =
      packet.time
      &+ context.tracker.timeout(segment, established: tables.nics[nic].tcpEstablished)
    return true
  }

  private mutating func beginICMP(
    _ packet: inout Packet, _ context: inout PacketContext, _ direction: Direction, nic: TableIndex,
    _ decision: inout FlowDecision, _ tables: borrowing RuleTables
  ) -> DropReason {
    if let isRequest = context.headers.isEchoRequest {
      if !isRequest { return .ctInvalid }
      decision.kind = .echo
      decision.deadline = packet.time &+ 30_000_000_000
      note(.connectionNew)
      return .none
    }
    decision.action = .none
    decision.state = .none
    if context.headers.isICMPError,
      let about = quotedConnection(
        &packet, context.headers, publicAddress: context.publicAddress, direction, nic: nic,
        tables),
      flows.entries[about.record].generation >= tables.cutGeneration
        || groupStep(connection: about.record, ruleKey: about.ruleKey, nic: nic, tables) != 0
    {
      decision.state = .related
      decision.rule = flows.entries[about.record].rule
      decision.needsGroups = false
      note(.related, UInt64(decision.rule))
    }
    return .none
  }

  /// Whether a TCP or UDP packet without a connection belongs to a flow that AWS does not track:
  /// one whose first packet a rule for everybody allows, while the other way is open to everything.
  ///
  /// The packet may be of either direction of that flow, so both are looked at.
  private mutating func isUntracked(
    _ headers: borrowing Headers, _ direction: Direction, nic: TableIndex,
    _ tables: borrowing RuleTables
  ) -> Bool {
    if tables.nics[nic].openBits == 0 { return false }
    let isUDP = headers.transport == IPProtocol.udp
    if tables.nics[nic].isOpen(direction.opposite, headers.family, isUDP: isUDP),
      allowsEverywhere(nic, headers.ruleKey, direction, headers.family, tables)
    {
      return true
    }
    return tables.nics[nic].isOpen(direction, headers.family, isUDP: isUDP)
      && allowsEverywhere(
        nic, headers.reversedRuleKey, direction.opposite, headers.family, tables)
  }

  private mutating func allowsEverywhere(
    _ nic: TableIndex, _ key: UInt32, _ direction: Direction, _ family: IPFamily,
    _ tables: borrowing RuleTables
  ) -> Bool {
    var position = tables.nics[nic].groups.start
    let end = position &+ tables.nics[nic].groups.count
    while position < end {
      let group = tables.nicGroups[position]
      let classifier = tables.groups[group].classifiers.index(direction, family)
      if tables.classifiers.allowsEverywhere(classifier, key: key) {
        return true
      }
      position &+= 1
    }
    return false
  }
}

extension NICRecord {
  /// Whether a rule of some group opens a direction for all ports and all addresses.
  @inline(__always)
  func isOpen(_ direction: Direction, _ family: IPFamily, isUDP: Bool) -> Bool {
    let bit = direction.rawValue * 4 + (family == .v6 ? 2 : 0) + (isUDP ? 1 : 0)
    return openBits >> bit & 1 == 1
  }
}

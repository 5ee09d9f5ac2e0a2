import Wire

/// What the fragments of one datagram are recognised by, at one network interface.
struct FragmentKey: Hashable {
  var flow: Flow
  var source: IPAddress
  var destination: IPAddress
  var protocolNumber: UInt8
  var identifier: UInt32
}

/// A datagram whose first fragment was judged.
struct Datagram {
  enum Fate {
    case refused(DropReason, rule: String)
    case accepted(rule: String, state: String)
  }

  var fate: Fate
  /// The datagram is forgotten when this time, in nanoseconds, is reached.
  var deadline: UInt64
  /// What arrived of it, the first fragment too.
  var pieces: [ParsedPacket.Fragment]
  var overlaps = false
}

enum FragmentJudgement {
  /// Not a fragment.
  case whole
  /// To be judged and remembered.
  case first(FragmentKey)
  /// Follows what was decided for its first fragment.
  case follow(rule: String, state: String)
  case drop(DropReason, rule: String)
}

/// The datagrams that a network interface remembers.
struct FragmentMemory {
  static let lifetime = Seconds.nanoseconds(15)
  static let capacity = 1_024

  private var datagrams: [FragmentKey: Datagram] = [:]

  mutating func judge(_ packet: ParsedPacket, _ flow: Flow, at now: UInt64) -> FragmentJudgement {
    guard let fragment = packet.fragment else { return .whole }
    let key = FragmentKey(
      flow: flow, source: packet.source, destination: packet.destination,
      protocolNumber: fragment.protocolNumber, identifier: fragment.identifier)
    if let datagram = datagrams[key], now >= datagram.deadline { datagrams[key] = nil }
    guard let datagram = datagrams[key] else {
      if !fragment.isFirst { return .drop(.fragmentOrphan, rule: "") }
      return judgeFirst(packet, fragment, key, at: now)
    }
    if case .refused(let reason, let rule) = datagram.fate { return .drop(reason, rule: rule) }
    if datagram.overlaps { return .drop(.fragmentOverlap, rule: "") }
    let isDuplicate = datagram.pieces.contains { $0.isSame(as: fragment) }
    if !isDuplicate && datagram.pieces.contains(where: { $0.overlaps(fragment) }) {
      datagrams[key]?.overlaps = true
      return .drop(.fragmentOverlap, rule: "")
    }
    if !isDuplicate { datagrams[key]?.pieces.append(fragment) }
    guard case .accepted(let rule, let state) = datagram.fate else { return .whole }
    return .follow(rule: rule, state: state)
  }

  private mutating func judgeFirst(
    _ packet: ParsedPacket, _ fragment: ParsedPacket.Fragment, _ key: FragmentKey, at now: UInt64
  ) -> FragmentJudgement {
    if datagrams.count >= Self.capacity {
      datagrams = datagrams.filter { now < $0.value.deadline }
    }
    let isFull = datagrams.count >= Self.capacity
    if packet.isTiny {
      if !isFull { remember(key, fragment, .refused(.fragmentTiny, rule: ""), at: now) }
      return .drop(.fragmentTiny, rule: "")
    }
    return isFull ? .drop(.fragmentLimit, rule: "") : .first(key)
  }

  /// Rules that are gone are named no more.
  mutating func forgetRules(except names: Set<String>) {
    for key in datagrams.keys {
      switch datagrams[key]?.fate {
      case .refused(let reason, let rule) where !names.contains(rule):
        datagrams[key]?.fate = .refused(reason, rule: "")
      case .accepted(let rule, let state) where !names.contains(rule):
        datagrams[key]?.fate = .accepted(rule: "", state: state)
      default: break
      }
    }
  }

  mutating func remember(
    _ key: FragmentKey, _ fragment: ParsedPacket.Fragment, _ fate: Datagram.Fate, at now: UInt64
  ) {
    datagrams[key] = Datagram(fate: fate, deadline: now + Self.lifetime, pieces: [fragment])
  }
}

extension ParsedPacket.Fragment {
  fileprivate func isSame(as other: Self) -> Bool {
    offset == other.offset && length == other.length && payload == other.payload
  }

  fileprivate func overlaps(_ other: Self) -> Bool {
    offset < other.offset + other.length && other.offset < offset + length
  }
}

import Wire

/// Traffic that rules have matched so far: intervals for each remote side and protocol.
///
/// A rule that several CIDR blocks together cover, but none alone, is not found.
struct CoveredTraffic {
  private struct Key: Hashable {
    var peer: RulePeer
    /// nil is every protocol.
    var protocolNumber: UInt8?
  }

  private var intervals: [Key: IntervalSet] = [:]
  private var lengths: Set<Int> = []

  /// The remote side whose rules match all that `match` does for `peer`.
  func cover(of match: TrafficMatch, _ peer: RulePeer) -> RulePeer? {
    guard case .cidr(let prefix) = peer else {
      return holds(match, peer) ? peer : nil
    }
    for length in lengths.sorted() where length <= prefix.length {
      let wider = RulePeer.cidr(IPPrefix(prefix.address, length: length))
      if holds(match, wider) { return wider }
    }
    return nil
  }

  private func holds(_ match: TrafficMatch, _ peer: RulePeer) -> Bool {
    Set([nil, match.protocolNumber]).contains { number in
      guard let covered = intervals[Key(peer: peer, protocolNumber: number)] else { return false }
      return match.intervals.allSatisfy { covered.contains($0) }
    }
  }

  mutating func insert(_ match: TrafficMatch, _ peer: RulePeer) {
    let key = Key(peer: peer, protocolNumber: match.protocolNumber)
    for interval in match.intervals { intervals[key, default: IntervalSet()].insert(interval) }
    if case .cidr(let prefix) = peer { lengths.insert(prefix.length) }
  }
}

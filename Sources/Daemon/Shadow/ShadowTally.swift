import Controller
import Datapath
import Explanation
import Live
import Tables
import Wire

/// Counts what a candidate says otherwise, by what either side says: a bounded number of kinds.
struct ShadowTally {
  /// Kinds that are listed; packets of others are counted together.
  static let kinds = 64

  private struct Side: Hashable {
    var verdict: Verdict
    var reason: DropReason
    var direction: PacketDirection
    var nic: TableIndex
    var rule: UInt32
    /// The number of an interface, or one beyond all.
    var output: UInt64

    init(_ outcome: Outcome) {
      verdict = outcome.verdict
      reason = outcome.reason
      direction = outcome.direction
      nic = outcome.nic
      rule = outcome.rule
      output =
        outcome.output.nicIndex.map(UInt64.init)
        ?? (outcome.output == .underlay ? 1 << 32 : 2 << 32)
    }
  }

  private struct Kind: Hashable {
    var live: Side
    var candidate: Side
  }

  private var places: [Kind: Int] = [:]
  private var found: [ShadowDifference] = []

  /// Counts a packet.
  ///
  /// - Parameters:
  ///   - live: what became of it, and the names of the tables that say so.
  ///   - example: made of one of the first packets.
  /// - Returns: false when it is of a kind that is not listed.
  mutating func add(
    _ packet: ObservedPacket, live: (outcome: Outcome, names: VerdictNames),
    candidate: (outcome: Outcome, names: VerdictNames), example: () -> ShadowDifference.Example
  ) -> Bool {
    let kind = Kind(live: Side(live.outcome), candidate: Side(candidate.outcome))
    let place: Int
    if let known = places[kind] {
      place = known
    } else {
      if found.count == Self.kinds { return false }
      place = found.count
      places[kind] = place
      found.append(
        ShadowDifference(
          live: ObservationText.verdict(live.outcome.ofAnyState, live.names),
          candidate: ObservationText.verdict(candidate.outcome.ofAnyState, candidate.names)))
    }
    found[place].packets += 1
    found[place].bytes += UInt64(packet.guestLength)
    if found[place].examples.count < ShadowDifference.exampleLimit {
      found[place].examples.append(example())
    }
    return true
  }

  /// What was counted, most packets first.
  var differences: [ShadowDifference] {
    let order = found.indices.sorted { a, b in
      let (first, second) = (found[a].packets, found[b].packets)
      return first != second ? first > second : a < b
    }
    return order.map { found[$0] }
  }
}

extension Outcome {
  /// The same of all packets of a connection.
  fileprivate var ofAnyState: Outcome {
    var outcome = self
    outcome.state = .none
    return outcome
  }
}

import Controller
import Datapath
import Explanation
import Live
import TableCompiler
import Tables
import VPCModel
import Wire

/// Judges packets that workers saw by the rules in force once more, and by a candidate.
///
/// Two engines begin at the same moment and get the same packets, so what they say differently is
/// due to the rules. A packet is compared when the first one says what the worker said.
// Sendable although it changes: only one thread at a time has it, its session's lock sees to that.
final class ShadowJudge: @unchecked Sendable {
  private(set) var counts = ShadowCounts()
  private let today: ShadowEngine
  private let candidate: ShadowEngine
  private let liveNames: VerdictNames
  private let generation: UInt32
  private let text: ObservationText
  private var followed = FollowedConnections()
  private var tally = ShadowTally()

  /// - Parameters:
  ///   - live: the tables that workers use.
  ///   - text: says what packets are.
  /// - Complexity: that of compiling both models.
  init(
    _ live: CompiledTables, candidate model: VPCModel, text: ObservationText
  ) throws(TableCompilerError) {
    let interfaces = live.nicIDs
    today = try ShadowEngine(live.model, interfaces: interfaces)
    candidate = try ShadowEngine(model, interfaces: interfaces)
    liveNames = VerdictNames(nicIDs: interfaces, ruleNames: live.ruleNames)
    generation = live.tables.generation
    self.text = text
  }

  /// Compares a packet, if that tells something of the rules.
  ///
  /// - Parameter frame: how it began when it came.
  func judge(_ packet: ObservedPacket, _ frame: UnsafeRawBufferPointer) {
    // Of tables that came later: the session is about to end.
    if packet.generation != generation { return }
    let live = Outcome(packet)
    if live.reason.isLimit {
      counts.limited += 1
      return
    }
    guard followed.follows(packet) else {
      counts.older += 1
      return
    }
    let now = today.judge(packet, frame)
    let then = candidate.judge(packet, frame)
    if now.reason.isLimit || then.reason.isLimit {
      counts.limited += 1
    } else if !isSame(live, now, today) || live.reason != now.reason {
      counts.unlike += 1
    } else if isSame(live, then, candidate) {
      counts.same += 1
      if live.reason != then.reason { counts.otherReasons += 1 }
    } else {
      counts.different += 1
      let isListed = tally.add(
        packet, live: (live, liveNames), candidate: (then, candidate.names)
      ) { text.described(packet) }
      if !isListed { counts.unlisted += 1 }
    }
  }

  /// Whether the same becomes of a packet: its verdict, and where it is forwarded to.
  private func isSame(_ live: Outcome, _ other: Outcome, _ engine: ShadowEngine) -> Bool {
    guard live.verdict == other.verdict else { return false }
    if live.verdict != .forward { return true }
    return live.direction == other.direction && live.output == engine.livePlace(other.output)
  }

  /// What was found so far.
  var report: ShadowReport {
    var report = ShadowReport()
    report.counts = counts
    report.differences = tally.differences
    return report
  }
}

extension DropReason {
  /// Whether an allowance decided, or room for connections.
  fileprivate var isLimit: Bool {
    switch self {
    case .limitLinkLocal, .limitConnections, .limitConnectionRate, .limitPackets, .limitBandwidth:
      true
    default: false
    }
  }
}

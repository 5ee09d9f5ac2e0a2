import Datapath
import Explanation
import Wire

/// Counts outcomes in memory of its own: no allocation and no hashing for a packet.
struct Counters: ~Copyable {
  let ruleCount: Int
  private(set) var packets: UInt64 = 0
  private(set) var bytes: UInt64 = 0
  private(set) var newConnections: UInt64 = 0
  /// By the raw value of `Verdict`.
  private let verdicts: UnsafeMutablePointer<UInt64>
  private let reasons: UnsafeMutablePointer<UInt64>
  private let rules: UnsafeMutablePointer<UInt64>

  init(ruleCount: Int) {
    self.ruleCount = ruleCount
    verdicts = Self.zeros(8)
    reasons = Self.zeros(DropReason.allCases.count)
    rules = Self.zeros(ruleCount)
  }

  deinit {
    verdicts.deallocate()
    reasons.deallocate()
    rules.deallocate()
  }

  private static func zeros(_ count: Int) -> UnsafeMutablePointer<UInt64> {
    let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: max(1, count))
    memory.initialize(repeating: 0, count: count)
    return memory
  }

  /// Counts one packet by its outcome and the original bytes of the recorded frame.
  @inline(__always)
  mutating func count(_ outcome: Outcome, bytes recorded: UInt32) {
    packets += 1
    bytes += UInt64(recorded)
    verdicts[Int(outcome.verdict.rawValue)] += 1
    if outcome.rule != 0 && Int(outcome.rule) < ruleCount { rules[Int(outcome.rule)] += 1 }
    if outcome.verdict == .drop { reasons[Int(outcome.reason.rawValue)] += 1 }
    if outcome.state == .new { newConnections += 1 }
  }

  subscript(_ verdict: Verdict) -> UInt64 { verdicts[Int(verdict.rawValue)] }

  func drops(_ reason: DropReason) -> UInt64 { reasons[Int(reason.rawValue)] }

  func hits(_ rule: Int) -> UInt64 { rules[rule] }
}

import Datapath
import Tables
import Wire

/// What a NIC's guest or its operator asks for, packet by packet.
struct NICCounters: BitwiseCopyable {
  var packetsIn: UInt64 = 0
  var packetsOut: UInt64 = 0
  var bytesIn: UInt64 = 0
  var bytesOut: UInt64 = 0
  var bandwidthInExceeded: UInt64 = 0
  var bandwidthOutExceeded: UInt64 = 0
  var packetsExceeded: UInt64 = 0
  var connectionsExceeded: UInt64 = 0
  var linkLocalExceeded: UInt64 = 0
}

/// Counts outcomes in memory of its own: no allocation and no hashing for a packet.
struct Counters: ~Copyable {
  static let reasonCount = DropReason.allCases.count

  let nicCount: Int
  let ruleCount: Int
  private(set) var packets: UInt64 = 0
  private(set) var bytes: UInt64 = 0
  private(set) var newConnections: UInt64 = 0
  /// By the raw value of `Verdict`.
  private let verdicts: UnsafeMutablePointer<UInt64>
  private let reasons: UnsafeMutablePointer<UInt64>
  private let rules: UnsafeMutablePointer<UInt64>
  private let nics: UnsafeMutablePointer<NICCounters>
  private let nicReasons: UnsafeMutablePointer<UInt64>

  init(nicCount: Int, ruleCount: Int) {
    self.nicCount = nicCount
    self.ruleCount = ruleCount
    verdicts = Self.zeros(8)
    reasons = Self.zeros(Self.reasonCount)
    rules = Self.zeros(ruleCount)
    nicReasons = Self.zeros(nicCount * Self.reasonCount)
    nics = .allocate(capacity: max(1, nicCount))
    nics.initialize(repeating: NICCounters(), count: nicCount)
  }

  deinit {
    verdicts.deallocate()
    reasons.deallocate()
    rules.deallocate()
    nics.deallocate()
    nicReasons.deallocate()
  }

  private static func zeros(_ count: Int) -> UnsafeMutablePointer<UInt64> {
    let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: max(1, count))
    memory.initialize(repeating: 0, count: count)
    return memory
  }

  /// Counts one packet.
  ///
  /// - Parameters:
  ///   - recorded: original bytes of the recorded frame.
  ///   - sent: bytes of the guest's own frame before any encapsulation.
  ///   - delivered: bytes of the frame after the engine; what a receiving guest gets.
  @inline(__always)
  mutating func count(_ outcome: Outcome, recorded: UInt32, sent: UInt32, delivered: UInt32) {
    packets += 1
    bytes += UInt64(recorded)
    verdicts[Int(outcome.verdict.rawValue)] += 1
    if outcome.rule != 0 && Int(outcome.rule) < ruleCount { rules[Int(outcome.rule)] += 1 }
    switch outcome.verdict {
    case .forward: countForward(outcome, sent, delivered)
    case .drop: countDrop(outcome)
    case .reply, .consume:
      if Int(outcome.nic) < nicCount {
        nics[Int(outcome.nic)].packetsOut += 1
        nics[Int(outcome.nic)].bytesOut += UInt64(sent)
      }
    case .ignore, .pending, .punt: break
    }
  }

  @inline(__always)
  private mutating func countForward(_ outcome: Outcome, _ sent: UInt32, _ delivered: UInt32) {
    if outcome.state == .new { newConnections += 1 }
    if outcome.direction != .ingress && Int(outcome.nic) < nicCount {
      nics[Int(outcome.nic)].packetsOut += 1
      nics[Int(outcome.nic)].bytesOut += UInt64(sent)
    }
    if let receiver = outcome.output.nicIndex, Int(receiver) < nicCount {
      nics[Int(receiver)].packetsIn += 1
      nics[Int(receiver)].bytesIn += UInt64(delivered)
    }
  }

  private func countDrop(_ outcome: Outcome) {
    let reason = Int(outcome.reason.rawValue)
    reasons[reason] += 1
    guard Int(outcome.nic) < nicCount else { return }
    let nic = Int(outcome.nic)
    nicReasons[nic * Self.reasonCount + reason] += 1
    switch outcome.reason {
    case .limitBandwidth:
      if outcome.direction == .ingress {
        nics[nic].bandwidthInExceeded += 1
      } else {
        nics[nic].bandwidthOutExceeded += 1
      }
    case .limitPackets: nics[nic].packetsExceeded += 1
    case .limitConnections, .limitConnectionRate: nics[nic].connectionsExceeded += 1
    case .limitLinkLocal: nics[nic].linkLocalExceeded += 1
    default: break
    }
  }

  subscript(_ verdict: Verdict) -> UInt64 { verdicts[Int(verdict.rawValue)] }

  func drops(_ reason: DropReason) -> UInt64 { reasons[Int(reason.rawValue)] }

  func hits(_ rule: Int) -> UInt64 { rules[rule] }

  func nic(_ index: Int) -> NICCounters { nics[index] }

  func drops(_ reason: DropReason, nic: Int) -> UInt64 {
    nicReasons[nic * Self.reasonCount + Int(reason.rawValue)]
  }
}

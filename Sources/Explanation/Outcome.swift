import Datapath
import Tables
import Wire

/// What became of a packet, as verdict lines, counters, records and traces say it.
@frozen public struct Outcome: BitwiseCopyable, Sendable {
  public var verdict: Verdict
  public var reason = DropReason.none
  public var state = FlowState.none
  public var direction = PacketDirection.none
  public var nic = TableIndex.none
  public var rule: UInt32 = 0
  public var output = OutputPlace.nowhere

  @inlinable public static var ignored: Outcome { Outcome(verdict: .ignore, reason: .eniNone) }

  @inlinable public init(
    verdict: Verdict, reason: DropReason = .none, state: FlowState = .none,
    direction: PacketDirection = .none, nic: TableIndex = .none, rule: UInt32 = 0,
    output: OutputPlace = .nowhere
  ) {
    self.verdict = verdict
    self.reason = reason
    self.state = state
    self.direction = direction
    self.nic = nic
    self.rule = rule
    self.output = output
  }

  /// The engine's verdict on a packet. State and output go with `forward` only.
  @inlinable @inline(__always)
  public init(_ packet: borrowing Packet) {
    let isForwarded = packet.verdict == .forward
    verdict = packet.verdict
    reason = packet.reason
    state = isForwarded ? packet.state : .none
    direction = packet.direction
    nic = packet.nic
    rule = packet.rule
    output = isForwarded ? packet.output : .nowhere
  }
}

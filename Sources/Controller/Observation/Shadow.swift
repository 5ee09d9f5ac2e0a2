/// A candidate state that is to judge live packets beside the state in force.
public struct ShadowRequest: Sendable {
  /// The candidate, and what its promotion expects and does; never a dry run.
  public var change: ChangeRequest
  /// Interface, protocol and ends; always both ways.
  public var filter: PacketFilter
  /// One connection in so many; 1 is all.
  public var oneIn: Int
  public var seconds: Int

  public init(
    _ change: ChangeRequest, filter: PacketFilter = PacketFilter(), oneIn: Int = 1, seconds: Int
  ) {
    self.change = change
    self.filter = filter
    self.oneIn = oneIn
    self.seconds = seconds
  }

  /// What is asked, for the audit log.
  var text: String {
    let share = oneIn == 1 ? "all connections" : "one connection in \(oneIn)"
    return "\(share), \(filter.text), at most \(seconds) s"
  }

  /// What is wrong with the filter: it would let half of a connection through.
  var fault: String? {
    let fields = [
      ("direction", filter.direction != nil), ("vni", filter.vni != nil),
      ("dropped", filter.isDropped), ("reason", filter.reason != nil),
    ]
    return fields.first { $0.1 }.map {
      "filter.\($0.0): a shadow needs whole connections (filter by interface, protocol and ends)"
    }
  }
}

/// Packets that a shadow counted, since its begin.
public struct ShadowCounts: Sendable, Equatable {
  /// Compared: the same becomes of them.
  public var same: UInt64 = 0
  /// Compared: another verdict, or forwarded elsewhere.
  public var different: UInt64 = 0
  /// Among the same: dropped by both, for different reasons.
  public var otherReasons: UInt64 = 0
  /// Among the different: of groups beyond those that are listed.
  public var unlisted: UInt64 = 0
  /// Not compared: of connections that are older than the shadow, or that it has no room for.
  public var older: UInt64 = 0
  /// Not compared: an allowance decided, or the shadow had no room for the connection.
  public var limited: UInt64 = 0
  /// Not compared: judged again by the rules in force they are not what the worker said.
  public var unlike: UInt64 = 0

  public init() {}

  /// Packets were compared, and none differs.
  public var areSame: Bool { same > 0 && different == 0 }
}

/// Packets that the state in force judges alike, and the candidate too.
public struct ShadowDifference: Sendable, Equatable {
  /// A packet of them; it has neither verdict nor steps.
  public typealias Example = TracedPacket

  public static let exampleLimit = 3

  public var live: PacketVerdict
  public var candidate: PacketVerdict
  public var packets: UInt64 = 0
  /// Of guests' frames.
  public var bytes: UInt64 = 0
  /// The first ones.
  public var examples: [Example] = []

  public init(live: PacketVerdict, candidate: PacketVerdict) {
    self.live = live
    self.candidate = candidate
  }
}

/// Why a shadow judges no more.
public enum ShadowEnd: Sendable, Equatable {
  case duration
  /// Its caller wants no more of it.
  case caller
  /// The rules that it compares with are no longer in force.
  case rules
  /// The daemon ends.
  case daemon
  /// The candidate is the state in force.
  case promoted
  /// Not promoted: a packet differed, or none was compared.
  case notSame
}

/// What a shadow found since its begin; the first report has no packets.
public struct ShadowReport: Sendable {
  public var counts = ShadowCounts()
  /// Most packets first; of a bounded number of kinds.
  public var differences: [ShadowDifference] = []
  /// Packets that matched and were not taken fast enough.
  public var overrun: UInt64 = 0
  /// Packets that looking at would have taken too much of the workers' time.
  public var unaffordable: UInt64 = 0
  /// In the last report.
  public var end: ShadowEnd?
  /// What the promotion changed.
  public var outcome: ChangeOutcome?

  public init() {}
}

/// A candidate state that judges live packets, as its caller has it; letting go of it drops the
/// candidate.
public protocol Shadow: Sendable {
  /// Of the state in force when it began.
  var generation: UInt64 { get }
  /// What promotion would change, as a dry run tells.
  var preview: ChangeOutcome { get }

  /// The next report, about a second after the one before; the first comes at once. nil after the
  /// last one, and once `promote` or `drop` was called.
  func next() async -> ShadowReport?

  /// Makes the candidate the state in force, unless that is no longer the one that it was begun on.
  ///
  /// - Parameter ifSame: only if packets were compared and none differed.
  /// - Returns: the last report.
  func promote(ifSame: Bool) async throws(ControlError) -> ShadowReport

  /// Drops the candidate.
  ///
  /// - Returns: the last report.
  func drop() async -> ShadowReport
}

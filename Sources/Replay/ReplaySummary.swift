import Datapath
import Explanation
import Wire

/// The counts of a whole replay.
public struct ReplaySummary: Sendable {
  /// A name and how often it came up; only what came up at all is listed.
  public struct Count: Sendable, Equatable {
    public var name: String
    public var count: UInt64
  }

  public struct Interface: Sendable {
    public var id: String
    /// Counter names of Linux's ENA driver, then packets and bytes each way. Nil is a gauge
    /// without a limit to count down from.
    public var counters: [(name: String, value: UInt64?)]
    /// Packets that this NIC dropped, as sender or as receiver.
    public var dropsByReason: [Count]
  }

  public var packets: UInt64 = 0
  /// Original bytes of the recorded frames.
  public var bytes: UInt64 = 0
  public var forwarded: UInt64 = 0
  public var dropped: UInt64 = 0
  public var replied: UInt64 = 0
  public var consumed: UInt64 = 0
  public var ignored: UInt64 = 0
  /// In the order of the enumeration.
  public var dropsByReason: [Count] = []
  /// In the order of rule numbers.
  public var ruleHits: [Count] = []
  /// Packets that created a connection.
  public var connections: UInt64 = 0
  /// Wall-clock time of the replay.
  public var seconds: Double = 0
  public var interfaces: [Interface] = []

  public var packetsPerSecond: Double { seconds > 0 ? Double(packets) / seconds : 0 }

  /// Whether every packet has exactly one verdict.
  public var isConserved: Bool {
    packets == forwarded + dropped + replied + consumed + ignored
      && dropped == dropsByReason.reduce(0) { $0 + $1.count }
  }

  init() {}

  /// The counts of a replay without its interfaces.
  init(_ counters: borrowing Counters, _ names: VerdictNames) {
    packets = counters.packets
    bytes = counters.bytes
    forwarded = counters[.forward]
    dropped = counters[.drop]
    replied = counters[.reply]
    consumed = counters[.consume]
    ignored = counters[.ignore]
    connections = counters.newConnections
    for reason in DropReason.allCases where counters.drops(reason) > 0 {
      dropsByReason.append(Count(name: reason.name, count: counters.drops(reason)))
    }
    for rule in 1..<max(2, counters.ruleCount)
    where rule < counters.ruleCount && counters.hits(rule) > 0 {
      ruleHits.append(Count(name: names.rule(UInt32(rule)), count: counters.hits(rule)))
    }
  }
}

extension ReplaySummary.Interface {
  /// - Parameters:
  ///   - available: connections that the NIC may still open; nil without a limit.
  ///   - drops: how often the NIC dropped for a reason.
  init(
    id: String, counters: NICCounters, available: UInt32?, drops: (DropReason) -> UInt64
  ) {
    self.id = id
    self.counters = [
      ("bw_in_allowance_exceeded", counters.bandwidthInExceeded),
      ("bw_out_allowance_exceeded", counters.bandwidthOutExceeded),
      ("pps_allowance_exceeded", counters.packetsExceeded),
      ("conntrack_allowance_exceeded", counters.connectionsExceeded),
      ("linklocal_allowance_exceeded", counters.linkLocalExceeded),
      ("conntrack_allowance_available", available.map { UInt64($0) }),
      ("packetsIn", counters.packetsIn),
      ("packetsOut", counters.packetsOut),
      ("bytesIn", counters.bytesIn),
      ("bytesOut", counters.bytesOut),
    ]
    dropsByReason = []
    for reason in DropReason.allCases where drops(reason) > 0 {
      dropsByReason.append(ReplaySummary.Count(name: reason.name, count: drops(reason)))
    }
  }
}

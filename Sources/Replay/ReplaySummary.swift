import Datapath
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

  /// - Parameter available: connections that a NIC may still open, by index; nil without limit.
  init(_ counters: borrowing Counters, _ names: VerdictNames, available: [UInt64?]) {
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
    for rule in 1..<max(1, counters.ruleCount) where counters.hits(rule) > 0 {
      ruleHits.append(Count(name: names.rule(UInt32(rule)), count: counters.hits(rule)))
    }
    for index in 0..<counters.nicCount {
      let nic = counters.nic(index)
      var interface = Interface(
        id: names.nicIDs[index],
        counters: [
          ("bw_in_allowance_exceeded", nic.bandwidthInExceeded),
          ("bw_out_allowance_exceeded", nic.bandwidthOutExceeded),
          ("pps_allowance_exceeded", nic.packetsExceeded),
          ("conntrack_allowance_exceeded", nic.connectionsExceeded),
          ("linklocal_allowance_exceeded", nic.linkLocalExceeded),
          ("conntrack_allowance_available", index < available.count ? available[index] : nil),
          ("packetsIn", nic.packetsIn),
          ("packetsOut", nic.packetsOut),
          ("bytesIn", nic.bytesIn),
          ("bytesOut", nic.bytesOut),
        ], dropsByReason: [])
      for reason in DropReason.allCases where counters.drops(reason, nic: index) > 0 {
        interface.dropsByReason.append(
          Count(name: reason.name, count: counters.drops(reason, nic: index)))
      }
      interfaces.append(interface)
    }
  }
}

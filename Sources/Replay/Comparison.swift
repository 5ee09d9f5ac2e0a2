import Wire

/// What a second rule set says differently of the same packets.
///
/// Both rule sets judge all packets from the first one on, each with connections of its own, so a
/// connection that only one of them let begin differs to its last packet.
public struct Comparison: Sendable {
  /// The judgement of one rule set.
  public struct Side: Hashable, Sendable {
    public var verdict: String
    /// Empty unless dropped or ignored.
    public var reason: String
    /// Empty when no rule matched.
    public var rule: String
    /// The NIC that judged; empty for none.
    public var eni: String
    public var direction: String
    /// `underlay` or the id of a NIC; empty unless forwarded.
    public var output: String
  }

  /// A packet of a group.
  public struct Example: Hashable, Sendable {
    public var file: String
    /// Frame number in its file, from 1.
    public var packet: UInt64
    /// Nanoseconds since 1970.
    public var time: UInt64
    /// Such as `tcp 198.51.100.7:40000 > 10.0.1.10:443`; empty when the packet is not IP.
    public var flow: String
  }

  /// Packets that both rule sets judge alike.
  public struct Group: Sendable {
    public var today: Side
    public var tomorrow: Side
    public var packets: UInt64 = 0
    public var bytes: UInt64 = 0
    public var flows: UInt64 = 0
    /// The first packets of the first flows.
    public var examples: [Example] = []
  }

  /// Both directions of one five-tuple at a NIC.
  public struct Flow: Sendable {
    /// Its first packet that differs.
    public var first: Example
    public var today: Side
    public var tomorrow: Side
    public var packets: UInt64 = 0
    public var bytes: UInt64 = 0
  }

  public static let exampleLimit = 3

  /// Packets whose verdict, or the place that they are forwarded to, differs.
  public internal(set) var packets: UInt64 = 0
  /// Original bytes of their frames.
  public internal(set) var bytes: UInt64 = 0
  /// Most packets first.
  public internal(set) var groups: [Group] = []
  /// In the order of their first packets that differ.
  public internal(set) var flows: [Flow] = []
  /// Packets that differ and are not IP, so of no flow.
  public internal(set) var packetsWithoutFlow: UInt64 = 0
  /// Packets that both rule sets drop, for different reasons; they are not among `packets`.
  public internal(set) var otherReasons: UInt64 = 0
  /// The counts of the whole replay by the second rule set.
  public internal(set) var summary = ReplaySummary()

  public var differs: Bool { packets > 0 }
}

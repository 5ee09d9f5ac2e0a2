import Tables
import Wire

/// What a worker keeps of one NIC: allowances in use and counters, all of this worker alone.
public struct NICState: BitwiseCopyable, Sendable {
  var bandwidthIn: TokenBucket
  var bandwidthOut: TokenBucket
  var packets: TokenBucket
  var connectionRate: TokenBucket
  var linkLocal: TokenBucket
  /// Tracked connections now.
  public internal(set) var connections: UInt32
  var fragments: FragmentShare
  /// When the next ICMP "too big" answer may be sent, in nanoseconds.
  var nextTooBig: UInt64
  /// The generation that the allowances' settings are of.
  var allowancesSince: UInt32
  public internal(set) var counters: NICCounters

  /// Of a NIC that nothing has come of yet.
  init() {
    bandwidthIn = TokenBucket()
    bandwidthOut = TokenBucket()
    packets = TokenBucket()
    connectionRate = TokenBucket()
    linkLocal = TokenBucket()
    connections = 0
    fragments = FragmentShare()
    nextTooBig = 0
    allowancesSince = 0
    counters = .zero
  }
}

/// The counters of a NIC, with the meanings of Linux's ENA driver where it has them.
public struct NICCounters: BitwiseCopyable, Sendable {
  /// Frames to the guest, and from it, that were forwarded.
  public var packetsIn: UInt64 = 0
  public var packetsOut: UInt64 = 0
  public var bytesIn: UInt64 = 0
  public var bytesOut: UInt64 = 0
  /// `bw_in_allowance_exceeded` and so on: packets dropped by that allowance.
  public var bandwidthInExceeded: UInt64 = 0
  public var bandwidthOutExceeded: UInt64 = 0
  public var packetsExceeded: UInt64 = 0
  public var connectionsExceeded: UInt64 = 0
  public var linkLocalExceeded: UInt64 = 0
}

/// Sizes of a worker's memory, fixed from start.
public struct WorkerConfiguration: Sendable {
  /// Connections of all NICs together.
  public var flowCapacity: Int
  /// Fragmented datagrams of all NICs together.
  public var fragmentCapacity: Int
  /// Keys the hashes; secret where flows of strangers meet.
  public var seed: UInt64
  /// Connections whose time is over that one packet clears away at most.
  ///
  /// An ended connection is never taken for a live one, cleared or not; until then it holds its
  /// place in the table and counts towards its NIC's. A replay clears all (the default), so that
  /// its counts are exact; where packets wait for each other, a million that end together must not
  /// stop them.
  public var expiryPerPacket = Int.max

  /// Workers that share the NICs; connections are divided among them by the symmetric hash.
  public var workerCount = 1
  /// Which of them this is.
  public var workerIndex = 0
  /// The NICs' allowances, needed when there are several workers.
  public var shared: SharedAllowances?
  /// Where this worker counts the packets of each rule, for others to read meanwhile; its maker's.
  /// nil for memory of the worker's own.
  public var hits: WorkerMemory<UInt64>?

  public init(
    flowCapacity: Int = 1 << 20, fragmentCapacity: Int = 1 << 14,
    seed: UInt64 = 0x9E37_79B9_7F4A_7C15
  ) {
    self.flowCapacity = flowCapacity
    self.fragmentCapacity = fragmentCapacity
    self.seed = seed
  }
}

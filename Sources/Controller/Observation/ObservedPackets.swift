/// What a caller wants to know of packets as they are judged.
public struct TraceRequest: Sendable, Equatable {
  public var filter: PacketFilter
  public var limits: ObservationLimits

  public init(_ filter: PacketFilter, _ limits: ObservationLimits) {
    self.filter = filter
    self.limits = limits
  }
}

/// Which packets a caller wants to have.
public struct CaptureRequest: Sendable, Equatable {
  public enum Point: String, Sendable {
    /// As the packet came from the guest or the underlay.
    case before
    /// As it leaves.
    case after
  }

  public var filter: PacketFilter
  public var limits: ObservationLimits
  /// Only what comes from the underlay or goes there.
  public var isOfUplink = false
  public var point = Point.before
  /// Whole packets; otherwise everything behind the headers is cut off.
  public var hasPayload = false

  public init(_ filter: PacketFilter, _ limits: ObservationLimits) {
    self.filter = filter
    self.limits = limits
  }
}

/// What became of a packet, in the words of docs/model.md.
public struct PacketVerdict: Sendable, Equatable {
  /// Of the sender or receiver on this host; empty when there is none.
  public var networkInterface = ""
  public var direction = ""
  public var verdict = ""
  public var reason = ""
  public var rule = ""
  public var state = ""
  /// `underlay`, a network interface, or empty.
  public var output = ""
  /// All of it in a sentence.
  public var text = ""

  public init() {}
}

/// A packet and every step of its judgement; nothing of its payload.
public struct TracedPacket: Sendable, Equatable {
  /// Nanoseconds since 1970.
  public var time: UInt64 = 0
  /// Bytes of the guest's frame.
  public var bytes = 0
  /// nil when it is no IP packet; then there are no addresses either.
  public var protocolNumber: UInt8?
  public var source = ""
  public var destination = ""
  /// Of TCP, UDP and SCTP; else 0.
  public var sourcePort: UInt16 = 0
  public var destinationPort: UInt16 = 0
  /// Of the tunnel that it came by.
  public var vni: UInt32?
  public var verdict = PacketVerdict()
  public var steps: [String] = []

  public init() {}
}

/// A frame, whole or up to the end of its headers, and what became of it.
public struct CapturedPacket: Sendable, Equatable {
  /// Nanoseconds since 1970.
  public var time: UInt64 = 0
  /// Where it was seen: `uplink`, or a network interface.
  public var place = ""
  public var frame: [UInt8] = []
  public var originalLength = 0
  public var verdict = PacketVerdict()

  public init() {}
}

/// Why no more packets come.
public enum ObservationEnd: Sendable, Equatable {
  /// So many packets or bytes were asked for.
  case count
  case duration
  /// The network interface is there no more.
  case networkInterface
  /// The daemon ends.
  case daemon
}

/// Some packets that matched; the first batch is empty and tells that packets are looked at.
public struct ObservationBatch<Packet: Sendable>: Sendable {
  public var packets: [Packet]
  /// Since the begin: packets that matched and were not taken fast enough.
  public var overrun: UInt64
  /// Since the begin: packets that looking at would have taken too much of the workers' time.
  public var unaffordable: UInt64
  /// In the last batch.
  public var end: ObservationEnd?

  public init(
    packets: [Packet] = [], overrun: UInt64 = 0, unaffordable: UInt64 = 0,
    end: ObservationEnd? = nil
  ) {
    self.packets = packets
    self.overrun = overrun
    self.unaffordable = unaffordable
    self.end = end
  }
}

/// Why packets cannot be looked at.
public enum ObservationError: Error, Sendable, Equatable {
  case unknownInterface(String)
  /// What is wrong with the filter.
  case wrong(String)
  /// So many traces, captures and shadows are under way, which is all there may be.
  case busy(limit: Int)
  /// The data plane ends.
  case ending

  /// What callers of the API are told.
  var refusal: ControlError {
    switch self {
    case .unknownInterface(let id): .notFound(ObjectReference(.networkInterfaces, id))
    case .wrong(let line): .invalid([line])
    case .busy(let limit):
      .unavailable(
        why: "\(limit) trace, capture or shadow is under way, and a host has no more than \(limit) "
          + "at once",
        advice: "wait until it ends; 'apus audit read' tells whose it is")
    case .ending:
      .unavailable(why: "the data plane ends", advice: "ask the one that follows it")
    }
  }
}

import Datapath
import Tables
import Wire

/// What a worker asks of the service thread.
@frozen public enum PuntKind: UInt8, BitwiseCopyable, Sendable {
  /// A guest's message to `Punt.service`.
  case service
  /// An ICMP "too big" answer is due; the packet itself was dropped and counted.
  case tooBig
  /// To be cut to `Punt.mtu`; each piece comes back as `AnswerKind.encapsulate`.
  case fragment
  /// An ARP or neighbour discovery frame from the underlay.
  case underlayNeighbor
  /// A packet was dropped for want of the next hop of `Punt.endpoint`; there is no frame.
  case unresolvedNextHop
}

/// A message from a worker to the service thread, before the frame it is about.
@frozen public struct Punt: BitwiseCopyable, Sendable {
  public var kind: PuntKind
  public var service = Service.none
  /// The guest's, `.none` for frames from the underlay.
  public var nic: TableIndex = .none
  /// Bytes an inner IP packet may have.
  public var mtu: UInt32 = 0
  public var endpoint: TableIndex = .none
  public var vni: UInt32 = 0
  public var entropyPort: UInt16 = 0
  /// Bytes of the frame behind this message; of a frame for `tooBig` the first ones.
  public var length: UInt32 = 0
  /// Bytes that the frame had.
  public var originalLength: UInt32 = 0
  /// Of the tables that `nic` and `endpoint` number in; an answer repeats it.
  public var generation: UInt64 = 0
  /// Whose share of the ring this message is in.
  @usableFromInline var share: UInt32 = 0

  @inlinable public init(_ kind: PuntKind) { self.kind = kind }
}

/// What the service thread has a worker do.
@frozen public enum AnswerKind: UInt8, BitwiseCopyable, Sendable {
  /// A service's answer to the guest `Answer.nic`: charged to its link-local allowance, then sent.
  case reply
  /// A service took the message without an answer: charged.
  case consume
  /// The punted packet is dropped with `Answer.reason`.
  case drop
  /// A frame to the guest `Answer.nic`, not charged, such as ICMP "too big".
  case frame
  /// A frame to the underlay as it is, such as ARP.
  case underlay
  /// A frame of the guest `Answer.nic` to be encapsulated for `Answer.endpoint` and sent.
  case encapsulate
}

/// A message from the service thread to a worker, before its frame.
@frozen public struct Answer: BitwiseCopyable, Sendable {
  public var kind: AnswerKind
  public var reason = DropReason.none
  public var nic: TableIndex = .none
  public var endpoint: TableIndex = .none
  public var vni: UInt32 = 0
  public var entropyPort: UInt16 = 0
  /// Set by `SlowPathChannel.answer`.
  public internal(set) var length: UInt32 = 0
  /// Of the tables that `nic` and `endpoint` number in. An answer whose numbers may mean something
  /// else by now is counted and forgotten.
  public var generation: UInt64 = 0

  @inlinable public init(_ kind: AnswerKind) { self.kind = kind }

  /// An answer about a punted packet, with its NIC, endpoint and generation.
  @inlinable public init(_ kind: AnswerKind, to punt: Punt, _ reason: DropReason = .none) {
    self.kind = kind
    self.reason = reason
    nic = punt.nic
    endpoint = punt.endpoint
    vni = punt.vni
    entropyPort = punt.entropyPort
    generation = punt.generation
  }
}

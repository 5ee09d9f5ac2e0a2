import Tables
import Wire

/// What became of a packet.
@frozen public enum Verdict: UInt8, BitwiseCopyable, Sendable {
  /// Not judged yet.
  case pending
  case forward
  case drop
  /// Answered from tables; the answer is composed outside the fast path.
  case reply
  /// Taken by a service without an answer.
  case consume
  /// Not ours to judge.
  case ignore
  /// Left to the slow path, which turns it into `reply`, `consume` or `drop`.
  case punt
  /// Not judged: the connection belongs to the worker that `Packet.output` names. The packet is as
  /// it came.
  case handOver
}

/// What connection tracking says of a forwarded packet.
@frozen public enum FlowState: UInt8, BitwiseCopyable, Sendable {
  case none, new, established, related, untracked
}

/// Where a packet came from, which decides the steps that apply to it.
@frozen public enum Origin: UInt8, BitwiseCopyable, Sendable {
  /// Sent by the NIC `Packet.nic`: judged from egress step 1.
  case guest
  /// Received from the underlay for this host's tunnel address: judged from ingress step 1.
  case underlay
  /// A plain captured packet to the NIC `Packet.nic`: judged from ingress step 2, no tunnel.
  case captured
}

/// The slow-path service that a punted packet is for.
@frozen public enum Service: UInt8, BitwiseCopyable, Sendable {
  case none, arp, neighborDiscovery, dhcp4, dhcp6
}

/// Facts about how a packet came here, and what its owner must still do.
@frozen public struct PacketFlags: OptionSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Taken at the NIC (live, or `--at nic`): MAC addresses are checked, VLAN tags are refused.
  @inlinable public static var atNIC: PacketFlags { PacketFlags(rawValue: 1) }
  /// The recorded frame had no Ethernet header; the one here was made up and is not charged.
  @inlinable public static var rawIP: PacketFlags { PacketFlags(rawValue: 2) }
  /// From a capture file: IPv4 checksum zero and total length zero are completed, not faults.
  @inlinable public static var offloaded: PacketFlags { PacketFlags(rawValue: 4) }
  /// Record every step of the judgement in the worker's trace.
  @inlinable public static var traced: PacketFlags { PacketFlags(rawValue: 8) }
  /// Set by the engine: forwarded to the underlay, but larger than `Packet.mtu` and without DF. The
  /// frame is not encapsulated yet; the owner fragments it and encapsulates each piece.
  @inlinable public static var needsFragmentation: PacketFlags { PacketFlags(rawValue: 16) }
  /// Set by the engine: dropped with `mtu.exceeded`, and an ICMP answer with `Packet.mtu` is due.
  @inlinable public static var answerTooBig: PacketFlags { PacketFlags(rawValue: 32) }
  /// The TCP or UDP checksum field holds the sum of the pseudo-header only, not inverted: the
  /// sender left the rest to its device (virtio 1.2 section 5.1.6.2, VIRTIO_NET_HDR_F_NEEDS_CSUM).
  @inlinable public static var partialChecksum: PacketFlags { PacketFlags(rawValue: 64) }
  /// Another worker found out that this one owns the packet's connection, and handed it over.
  @inlinable public static var handedOver: PacketFlags { PacketFlags(rawValue: 128) }
  /// Of a fragment that was handed over: its datagram's way is known, this worker judges it.
  @inlinable static var ownerKnown: PacketFlags { PacketFlags(rawValue: 256) }
}

/// A packet and its verdict: the plain descriptor that ports fill and the engine judges.
///
/// The frame stands at `base`, with `headroom` writable bytes before it and `tailroom` not assumed.
/// The engine moves `base` and changes `length` when it adds or removes an outer header; where the
/// buffer begins, `base` less `headroom`, never changes, so that a port knows its buffer again.
///
/// One cache line. Of a frame in several buffers, `length` bytes are in the first one, which is
/// this, and `originalLength` in all.
@safe
public struct Packet: ~Copyable {
  /// First byte of the Ethernet header.
  public var base: UnsafeMutableRawPointer
  /// Nanoseconds, never less than the packet before.
  public var time: UInt64 = 0
  /// Bytes present at `base`.
  public var length: UInt32 = 0
  /// Bytes the frame had on the wire; at least `length` unless a capture lies.
  public var originalLength: UInt32 = 0
  public var headroom: UInt32 = 0
  public var flags = PacketFlags()
  public var origin = Origin.guest

  public var verdict = Verdict.pending
  public var reason = DropReason.none
  public var state = FlowState.none
  public var service = Service.none
  /// 0 egress, 1 ingress, 2 local, 3 none.
  public var direction = PacketDirection.none
  /// Sender or receiver on this host: set by the caller for `guest` and `captured`, by the engine
  /// for `underlay`. `none` when there is no NIC.
  public var nic: TableIndex = .none
  /// The rule that allowed or denied, 0 for none.
  public var rule: UInt32 = 0
  /// `OutputPlace`: where the frame at `base` goes.
  public var output = OutputPlace.nowhere
  /// With `needsFragmentation` or `answerTooBig`: bytes an inner IP packet may have.
  public var mtu: UInt32 = 0
  /// Of a packet to the underlay: the tunnel endpoint, `none` in a model without `host`.
  public var endpoint: TableIndex = .none
  /// With `needsFragmentation`: what to encapsulate the pieces with.
  public var vni: UInt32 = 0
  /// The outer UDP source port of the flow, for `needsFragmentation`.
  public var entropyPort: UInt16 = 0
  /// Bytes of TCP payload that each segment may have, of a packet that its sender left to be
  /// segmented (TSO); 0 for any other.
  public var segmentSize: UInt16 = 0

  /// A packet of `length` bytes at `base`, behind `headroom` writable ones.
  @inlinable @_noLocks
  public init(base: UnsafeMutableRawPointer, length: UInt32, headroom: UInt32) {
    // SAFETY: the owner vouches for the bytes until the packet is settled.
    unsafe self.base = unsafe base
    self.length = length
    self.originalLength = length
    self.headroom = headroom
  }
}

/// Which way a packet went, as verdict files say it.
@frozen public enum PacketDirection: UInt8, BitwiseCopyable, Sendable {
  case egress, ingress, local, none
}

/// Where a forwarded frame goes: nowhere, the underlay, or a NIC of this host.
@frozen public struct OutputPlace: BitwiseCopyable, Sendable, Equatable {
  @usableFromInline var bits: UInt32
  @inlinable init(bits: UInt32) { self.bits = bits }
  @inlinable public static var nowhere: OutputPlace { OutputPlace(bits: .max) }
  @inlinable public static var underlay: OutputPlace { OutputPlace(bits: .max - 1) }
  @inlinable public static func nic(_ index: TableIndex) -> OutputPlace { OutputPlace(bits: index) }
  /// With `Verdict.handOver`.
  @inlinable public static func worker(_ index: Int) -> OutputPlace {
    OutputPlace(bits: 0x8000_0000 | UInt32(truncatingIfNeeded: index))
  }
  /// The NIC's index, or nil for the underlay, a worker and nowhere.
  @inlinable public var nicIndex: TableIndex? { bits < 0x8000_0000 ? bits : nil }
  /// The worker's index, or nil for any other place.
  @inlinable public var workerIndex: Int? {
    bits >= 0x8000_0000 && bits < .max - 1 ? Int(bits & 0x7FFF_FFFF) : nil
  }
}

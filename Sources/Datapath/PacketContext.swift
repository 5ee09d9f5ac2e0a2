import Tables
import Wire

/// What the stages of one packet hand to each other; worker memory, one per slot of a burst.
struct PacketContext: ~Copyable {
  var headers: Headers
  /// The connection's key at the NIC that judges first, and its hash.
  var key: FlowKey
  var hash: UInt64
  /// Bytes that limiters and counters charge: the frame, without padding.
  var cost: UInt32
  /// Record that probably holds `key`; `none` when unknown.
  var candidate: UInt32
  /// The rule of its first group that allows the packet at the NIC that judges first, 0 for none;
  /// `none` when it was not asked yet.
  var firstGroupRule: UInt32
  /// Packets on the wire: the segments of a frame that is to be segmented, else 1.
  var packets: UInt32
  /// The network interface that judges first; `none` when there is none.
  var nic: TableIndex
  var hasKey: Bool
  /// Of a tunnel packet: bytes before the inner frame, which decapsulation stepped over.
  var tunnelLength: UInt16
  /// A tunnel packet from an internet gateway: its destination is a public address.
  var publicAddress: TableIndex
  /// The datagram whose first fragment this is, until the sender's verdict on it is remembered.
  var firstFragment: UInt32
  /// The same at the receiver.
  var receivedFragment: UInt32
  /// Of a TCP packet: the connection as it will be when the packet is accepted.
  var tracker: TCPTracker
}

/// What connection tracking decided of a packet, to be committed when every later step agrees.
///
/// Small enough to live in registers: rare paths fill in a copy of their own, whose address they
/// take.
struct FlowDecision {
  enum Action { case none, update, create }

  var action = Action.none
  var kind = FlowKind.free
  var state = FlowState.none
  /// The known connection, or the one that a `reopen` replaces.
  var record: UInt32 = .none
  var rule: UInt32 = 0
  /// When the connection ends now; zero leaves it.
  var deadline: UInt64 = 0
  /// 0 when the packet is of the side that began the connection.
  var side: UInt8 = 0
  var udpCounts: UInt8 = 0
  /// The groups have to allow the packet: it is not part of a connection.
  var needsGroups = false

  init() {}
}

/// Where a packet goes by the sender's routes: the kind in the upper two bits, an index below.
struct Destination: BitwiseCopyable, Equatable {
  enum Kind: UInt8 { case nic, mapping, gateway }

  var bits: UInt32

  init(bits: UInt32) { self.bits = bits }

  init(_ kind: Kind, _ index: TableIndex) {
    bits = UInt32(kind.rawValue) << 30 | index & 0x3FFF_FFFF
  }

  init(_ location: Location) {
    self.init(location.isMapping ? .mapping : .nic, location.index)
  }

  var kind: Kind {
    switch bits >> 30 {
    case 0: .nic
    case 1: .mapping
    default: .gateway
    }
  }

  var index: TableIndex { bits & 0x3FFF_FFFF }
}

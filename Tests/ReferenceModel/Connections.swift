import VPCModel
import Wire

/// What a connection is found by, from the network interface's point of view.
struct ConnectionKey: Hashable {
  var local: IPAddress
  var remote: IPAddress
  var protocolNumber: UInt8
  /// Zero for protocols that are tracked by address; of an ICMP echo, the identifier.
  var localPort: UInt16 = 0
  var remotePort: UInt16 = 0
  /// Of an ICMP echo, whether the request was sent by the network interface.
  var askedByLocal = false
}

struct Connection {
  enum Tracking {
    case tcp(TCPTracker)
    /// Packets of the side that began, and of the other.
    case udp(original: Int, reply: Int)
    case echo
    /// By addresses and protocol.
    case other
  }

  /// What rules ask of the packet that began a connection.
  struct Begin {
    var destinationPort: UInt16?
    var icmp: ParsedPacket.ICMPHeader?

    init() {}

    init(_ packet: ParsedPacket) {
      destinationPort = packet.ports?.destination
      icmp = packet.icmp
    }
  }

  /// The rule that allowed its first packet.
  var rule: String
  /// Whether the network interface sent its first packet.
  var beganByLocal: Bool
  var tracking: Tracking
  /// The change of the model after which the groups were asked last.
  var judgedAt = 0
  var begin = Begin()
  /// The connection is gone when this time, in nanoseconds, is reached.
  var deadline: UInt64
}

enum Flow: Equatable { case egress, ingress }

/// What the connection step says of a packet.
enum ConnectionJudgement {
  case drop(DropReason)
  /// Part of a live connection; `updated` is what becomes of it, nil when it ends with the packet.
  case part(ConnectionKey, rule: String, updated: Connection?)
  case related(rule: String)
  case untracked
  /// May begin a connection, in place of what `key` finds.
  case new(ConnectionKey, Connection.Tracking)
  /// Judged by rules and not tracked: ICMP other than echo.
  case rulesOnly
}

enum Seconds {
  static func nanoseconds(_ seconds: UInt64) -> UInt64 { seconds * 1_000_000_000 }
}

extension Connection.Tracking {
  /// How long the connection lives without another packet, in nanoseconds.
  func timeout(_ settings: ConnectionTracking) -> UInt64 {
    switch self {
    case .tcp(let tracker):
      if tracker.lastWasRST { return Seconds.nanoseconds(10) }
      switch tracker.state {
      case .none, .synSent, .synReceived, .synSent2: return Seconds.nanoseconds(30)
      case .established: return settings.tcpEstablished
      case .finWait, .closeWait, .lastAck: return Seconds.nanoseconds(60)
      case .timeWait: return Seconds.nanoseconds(45)
      case .closed: return Seconds.nanoseconds(10)
      }
    case .udp(let original, let reply):
      return original >= 2 && reply >= 2 ? settings.udpStream : settings.udp
    case .echo: return Seconds.nanoseconds(30)
    case .other: return Seconds.nanoseconds(600)
    }
  }
}

enum ICMPKind { case echoRequest, echoReply, error, other }

extension ParsedPacket.ICMPHeader {
  func kind(_ family: IPFamily) -> ICMPKind {
    switch (family, type) {
    case (.v4, 8), (.v6, 128): .echoRequest
    case (.v4, 0), (.v6, 129): .echoReply
    case (.v4, 3), (.v4, 4), (.v4, 5), (.v4, 11), (.v4, 12), (.v6, 1...127): .error
    default: .other
    }
  }
}

extension ParsedPacket {
  /// The key of the packet's connection at a network interface that sends or receives it.
  func connectionKey(_ flow: Flow) -> ConnectionKey {
    var key = ConnectionKey(
      local: flow == .egress ? source : destination,
      remote: flow == .egress ? destination : source, protocolNumber: protocolNumber)
    if let icmp {
      key.localPort = icmp.identifier
      key.askedByLocal = (icmp.kind(family) == .echoRequest) == (flow == .egress)
    } else if let ports, protocolNumber != ProtocolNumber.sctp {
      key.localPort = flow == .egress ? ports.source : ports.destination
      key.remotePort = flow == .egress ? ports.destination : ports.source
    }
    return key
  }

  /// The packet that an ICMP error quotes, if it can serve to find a connection.
  func quotedPacket() -> ParsedPacket? {
    let quote = transport(from: 8)
    var inner = ParsedPacket(family: family, octets: quote)
    guard inner.readQuote() else { return nil }
    if let publicDestination, inner.source == publicDestination { inner.source = destination }
    return inner
  }

  /// Reads what RFC 792 and RFC 4443 guarantee of a quoted packet; false if that is not there.
  private mutating func readQuote() -> Bool {
    let minimum = family == .v4 ? 20 : 40
    guard octets.holds(0, minimum), octets.u8(0) >> 4 == family.rawValue else { return false }
    source = octets.address(family, family == .v4 ? 12 : 8)
    destination = octets.address(family, family == .v4 ? 16 : 24)
    if family == .v4 {
      transportOffset = Int(octets.u8(0) & 15) * 4
      protocolNumber = octets.u8(9)
      guard transportOffset >= 20, octets.u16(6) & 0x1FFF == 0 else { return false }
    } else {
      guard walkQuotedExtensions() else { return false }
    }
    guard octets.holds(transportOffset, 8) else { return false }
    switch (protocolNumber, family) {
    case (ProtocolNumber.tcp, _), (ProtocolNumber.udp, _), (ProtocolNumber.sctp, _):
      ports = (octets.u16(transportOffset), octets.u16(transportOffset + 2))
    case (ProtocolNumber.icmp, .v4), (ProtocolNumber.icmpv6, .v6):
      icmp = ICMPHeader(
        type: octets.u8(transportOffset), code: octets.u8(transportOffset + 1),
        identifier: octets.u16(transportOffset + 4))
    default: break
    }
    return true
  }

  private mutating func walkQuotedExtensions() -> Bool {
    protocolNumber = octets.u8(6)
    transportOffset = 40
    for _ in 0..<8 {
      guard [0, 43, 44, 51, 60].contains(protocolNumber) else { return true }
      guard octets.holds(transportOffset, 8) else { return false }
      let lengthField = Int(octets.u8(transportOffset + 1))
      var size = (lengthField + 1) * 8
      if protocolNumber == 51 { size = (lengthField + 2) * 4 }
      if protocolNumber == 44 {
        guard octets.u16(transportOffset + 2) & 0xFFF8 == 0 else { return false }
        size = 8
      }
      protocolNumber = octets.u8(transportOffset)
      transportOffset += size
    }
    return ![0, 43, 44, 51, 60].contains(protocolNumber)
  }
}

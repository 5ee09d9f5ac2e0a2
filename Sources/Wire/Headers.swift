/// What a frame carries above Ethernet.
@frozen public enum LinkPayload: UInt8, BitwiseCopyable, Sendable {
  case ipv4, ipv6, arp, vlan, other
  /// The frame ends before its ethertype.
  case truncated
}

/// IP protocol numbers that the engine knows (IANA "Protocol Numbers").
@frozen public struct IPProtocol: BitwiseCopyable, Sendable {
  @inlinable public static var icmp: UInt8 { 1 }
  @inlinable public static var tcp: UInt8 { 6 }
  @inlinable public static var udp: UInt8 { 17 }
  @inlinable public static var icmpV6: UInt8 { 58 }
  @inlinable public static var sctp: UInt8 { 132 }
}

/// Faults of a frame, a bit each; the lowest set bit is the reason that is reported.
@frozen public struct ParseFaults: OptionSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  @inlinable public static var truncated: ParseFaults { ParseFaults(rawValue: 1) }
  @inlinable public static var header: ParseFaults { ParseFaults(rawValue: 2) }
  @inlinable public static var checksum: ParseFaults { ParseFaults(rawValue: 4) }
  @inlinable public static var length: ParseFaults { ParseFaults(rawValue: 8) }
  @inlinable public static var extensionHeader: ParseFaults { ParseFaults(rawValue: 16) }
  @inlinable public static var option: ParseFaults { ParseFaults(rawValue: 32) }

  /// The first fault in the order of the contract, `none` when there is none.
  @inlinable public var reason: DropReason {
    if rawValue == 0 { return .none }
    switch rawValue.trailingZeroBitCount {
    case 0: return .parseTruncated
    case 1: return .parseHeader
    case 2: return .parseChecksum
    case 3: return .parseLength
    case 4: return .parseExtension
    default: return .parseOption
    }
  }
}

/// TCP flags (RFC 9293 section 3.1).
@frozen public struct TCPFlags: OptionSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  @inlinable public static var fin: TCPFlags { TCPFlags(rawValue: 1) }
  @inlinable public static var syn: TCPFlags { TCPFlags(rawValue: 2) }
  @inlinable public static var rst: TCPFlags { TCPFlags(rawValue: 4) }
  @inlinable public static var psh: TCPFlags { TCPFlags(rawValue: 8) }
  @inlinable public static var ack: TCPFlags { TCPFlags(rawValue: 16) }
}

/// What the parser learnt of a frame: everything that later steps ask, read once.
///
/// Addresses are in host byte order, an IPv4 address in the low 32 bits of `…Low`. Offsets count
/// from the first byte of the frame.
///
/// Not copyable, so that it is filled in and read in place: copying what was just written in pieces
/// stalls the processor. For the same reason hot code asks its fields and inlined properties, and
/// hands it only to functions that are off the common path.
@frozen public struct Headers: ~Copyable, Sendable {
  public var sourceHigh: UInt64 = 0
  public var sourceLow: UInt64 = 0
  public var destinationHigh: UInt64 = 0
  public var destinationLow: UInt64 = 0
  public var family = IPFamily.v4
  public var link = LinkPayload.truncated
  public var faults = ParseFaults()
  /// The upper-layer protocol, behind IPv6 extension headers.
  public var transport: UInt8 = 0
  public var tcpFlags = TCPFlags()
  public var icmpType: UInt8 = 0
  public var icmpCode: UInt8 = 0
  /// Next header of the IPv6 fragment header, protocol of IPv4: part of a fragment's key.
  public var fragmentProtocol: UInt8 = 0
  public var sourcePort: UInt16 = 0
  public var destinationPort: UInt16 = 0
  public var networkOffset: UInt16 = 0
  /// Of the transport header, or of the payload of a later fragment.
  public var transportOffset: UInt16 = 0
  /// Bytes of the IP packet, its header included.
  public var datagramLength: UInt32 = 0
  /// Bytes behind `transportOffset` that belong to the packet.
  public var segmentLength: UInt32 = 0
  public var fragmentID: UInt32 = 0
  /// In bytes.
  public var fragmentOffset: UInt16 = 0
  /// Where a fragment's piece of the datagram begins in the frame.
  public var fragmentPayloadOffset: UInt16 = 0
  /// Bytes of that piece.
  public var fragmentLength: UInt32 = 0
  public var moreFragments = false
  /// Don't fragment: IPv4's DF bit; always true for IPv6.
  public var dontFragment = false
  /// The transport header was read: ports, flags or ICMP type are valid.
  public var hasTransport = false
  /// A first fragment that ends before its transport header does.
  public var isTiny = false
  /// The IP version is right, and the source and destination addresses were read.
  public var hasAddresses = false

  @inlinable public init() {}

  @inlinable @inline(__always) public var source: IPAddress {
    IPAddress(family: family, high: sourceHigh, low: sourceLow)
  }
  @inlinable @inline(__always) public var destination: IPAddress {
    IPAddress(family: family, high: destinationHigh, low: destinationLow)
  }
  /// Whether the destination is a multicast group or 255.255.255.255.
  @inlinable @inline(__always) public var isToGroup: Bool {
    if family == .v6 { return destinationHigh >> 56 == 0xFF }
    return destinationLow >> 28 == 0xE || destinationLow == 0xFFFF_FFFF
  }
  @inlinable @inline(__always) public var isIP: Bool { link == .ipv4 || link == .ipv6 }
  @inlinable @inline(__always) public var isFragment: Bool { moreFragments || fragmentOffset != 0 }
  @inlinable @inline(__always) public var isLaterFragment: Bool { fragmentOffset != 0 }

  /// The key that rules match: protocol, and destination port or ICMP type and code.
  @inlinable @inline(__always) public var ruleKey: UInt32 {
    let base = UInt32(transport) << 16
    if isICMP { return base | UInt32(icmpType) << 8 | UInt32(icmpCode) }
    return hasPorts ? base | UInt32(destinationPort) : base
  }

  /// The rule key of the packet that goes the other way.
  @inlinable @inline(__always) public var reversedRuleKey: UInt32 {
    UInt32(transport) << 16 | (hasPorts ? UInt32(sourcePort) : 0)
  }

  /// ICMP in IPv4 or ICMPv6 in IPv6; the one in the other family is just a protocol number.
  @inlinable @inline(__always) public var isICMP: Bool {
    transport == (family == .v4 ? IPProtocol.icmp : IPProtocol.icmpV6)
  }

  @inlinable @inline(__always) public var hasPorts: Bool {
    transport == IPProtocol.tcp || transport == IPProtocol.udp || transport == IPProtocol.sctp
  }
}

import Wire

/// What is known of an IP packet after its headers were read.
struct ParsedPacket {
  /// The packet from its IP header on, without what follows its end in the frame.
  var octets: Octets
  var family: IPFamily
  /// Came from a port, not from a capture.
  var isLive = false
  private(set) var faults: [DropReason] = []
  /// Whether `source` and `destination` could be read, even if something else is wrong.
  var addressesKnown = false
  var source: IPAddress
  var destination: IPAddress
  var protocolNumber: UInt8 = 0
  var hopLimit: UInt8 = 0
  var dontFragment = false
  /// The IP packet's length in bytes, headers included.
  var length = 0
  /// Set on fragments; an IPv6 atomic fragment has none.
  var fragment: Fragment?
  /// Where the transport header begins.
  var transportOffset = 0
  /// Bytes from the transport header to the end of the packet.
  var transportLength = 0
  /// A first fragment that ends inside its transport header.
  var isTiny = false
  /// TCP, UDP and SCTP; nil where there are none or they could not be read.
  var ports: (source: UInt16, destination: UInt16)?
  var tcp: TCPSegment?
  var icmp: ICMPHeader?
  /// The address that an internet gateway's traffic had before it was rewritten to `destination`.
  var publicDestination: IPAddress?

  struct Fragment {
    var identifier: UInt32
    /// In bytes.
    var offset: Int
    /// Bytes of payload.
    var length: Int
    var more: Bool
    /// The protocol field of the IPv4 header, or the next header of the fragment header.
    var protocolNumber: UInt8
    /// The captured payload.
    var payload: ArraySlice<UInt8>

    var isFirst: Bool { offset == 0 }
  }

  struct ICMPHeader {
    var type: UInt8
    var code: UInt8
    var identifier: UInt16
  }

  init(family: IPFamily, octets: Octets) {
    self.family = family
    self.octets = octets
    let zero = family == .v4 ? IPAddress(v4: 0) : IPAddress(v6: 0, 0)
    source = zero
    destination = zero
  }

  mutating func fail(_ fault: DropReason) { faults.append(fault) }

  /// The fault that comes first in the contract's order.
  var fault: DropReason? {
    let order: [DropReason] = [
      .parseTruncated, .parseHeader, .parseChecksum, .parseLength, .parseExtension, .parseOption,
    ]
    return order.first(where: faults.contains)
  }

  var isLaterFragment: Bool { fragment.map { !$0.isFirst } ?? false }

  /// The bytes of the transport payload at `offset`, up to the end of the packet.
  func transport(from offset: Int) -> Octets {
    octets.prefix(transportOffset + transportLength).dropFirst(transportOffset + offset)
  }
}

/// The fields of a TCP header that connection tracking reads.
struct TCPSegment {
  var sequence: UInt32
  var acknowledgement: UInt32
  var window: UInt16
  /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
  var flags: UInt8
  var options: [UInt8]
  var payloadLength: Int

  var fin: Bool { flags & 1 != 0 }
  var syn: Bool { flags & 2 != 0 }
  var rst: Bool { flags & 4 != 0 }
  var ack: Bool { flags & 16 != 0 }

  /// The combinations that can be; PSH, ECE and CWR may stand in each.
  var flagsAreValid: Bool {
    let fin: UInt8 = 1
    let syn: UInt8 = 2
    let rst: UInt8 = 4
    let ack: UInt8 = 16
    let urg: UInt8 = 32
    let valid: [UInt8] = [
      syn, syn | urg, syn | ack, rst, rst | ack, fin | ack, fin | ack | urg, ack, ack | urg,
    ]
    return valid.contains(flags & (fin | syn | rst | ack | urg))
  }

  /// The sequence number after the segment; SYN and FIN count one each.
  var end: UInt32 {
    sequence &+ UInt32(truncatingIfNeeded: payloadLength) &+ (syn ? 1 : 0) &+ (fin ? 1 : 0)
  }
}

enum ProtocolNumber {
  static let icmp: UInt8 = 1
  static let tcp: UInt8 = 6
  static let udp: UInt8 = 17
  static let icmpv6: UInt8 = 58
  static let sctp: UInt8 = 132
}

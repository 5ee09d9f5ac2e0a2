import SlowPath
import Wire

/// What the first packet of a conversation carries above IP.
public struct ProbeTraffic: Sendable, Equatable {
  public var protocolNumber: UInt8
  /// Of an ICMP echo the identifier.
  public var sourcePort: UInt16 = 49_152
  public var destinationPort: UInt16 = 0
  public var icmpType: UInt8 = 0
  public var icmpCode: UInt8 = 0
  /// A TCP packet of a connection that nobody saw begin: ACK instead of SYN.
  public var isMidstream = false

  public init(protocolNumber: UInt8) { self.protocolNumber = protocolNumber }

  /// Whether the protocol has ports.
  public static func hasPorts(_ protocolNumber: UInt8) -> Bool {
    protocolNumber == IPProtocol.tcp || protocolNumber == IPProtocol.udp
      || protocolNumber == IPProtocol.sctp
  }

  /// ICMP of IPv4, ICMPv6 of IPv6.
  static func icmp(of family: IPFamily) -> UInt8 {
    family == .v4 ? IPProtocol.icmp : IPProtocol.icmpV6
  }

  /// Whether the packet is ICMP of its own family; in the other it is just a protocol.
  public func isICMP(_ family: IPFamily) -> Bool { protocolNumber == Self.icmp(of: family) }

  /// Types of echo request and echo reply.
  static func echo(_ family: IPFamily) -> (request: UInt8, reply: UInt8) {
    family == .v4 ? (8, 0) : (128, 129)
  }

  /// The packet that answers; nil for ICMP other than echo requests, which has no answer.
  public func answer(_ family: IPFamily) -> ProbeTraffic? {
    var answer = self
    if isICMP(family) {
      let types = Self.echo(family)
      guard icmpType == types.request else { return nil }
      answer.icmpType = types.reply
      answer.icmpCode = 0
      return answer
    }
    (answer.sourcePort, answer.destinationPort) = (destinationPort, sourcePort)
    return answer
  }

  /// IPv6 extension headers, which are no upper-layer protocols of IPv6 (RFC 8200 section 4).
  public static let extensionHeaders: [UInt8] = [0, 43, 44, 51, 60]

  /// `TCP from port 49152 to port 443`, `ICMP type 8 code 0`, `protocol 47`.
  func text(_ family: IPFamily) -> String {
    if isICMP(family) {
      return "\(family == .v4 ? "ICMP" : "ICMPv6") type \(icmpType) code \(icmpCode)"
    }
    guard Self.hasPorts(protocolNumber) else { return "protocol \(protocolNumber)" }
    let name = ProtocolText.name(protocolNumber).uppercased()
    return "\(name) from port \(sourcePort) to port \(destinationPort)"
  }
}

/// Names of protocols as models have them.
package enum ProtocolText {
  package static func name(_ number: UInt8) -> String {
    switch number {
    case IPProtocol.icmp: "icmp"
    case IPProtocol.tcp: "tcp"
    case IPProtocol.udp: "udp"
    case IPProtocol.icmpV6: "icmpv6"
    case IPProtocol.sctp: "sctp"
    default: "\(number)"
    }
  }
}

/// An IP packet of a conversation: the first one, or its answer.
struct ProbePacket: Sendable, Equatable {
  var source: IPAddress
  var destination: IPAddress
  var traffic: ProbeTraffic
  var isAnswer = false

  /// The packet's bytes, from the IP header on.
  var bytes: [UInt8] {
    let payload = payload
    var packet: [UInt8] = []
    if source.family == .v4 {
      IPv4Header(
        protocolNumber: traffic.protocolNumber, source: source, destination: destination
      ).emit(payloadLength: payload.count, into: &packet)
    } else {
      IPv6Header(
        nextHeader: traffic.protocolNumber, hopLimit: 64, source: source, destination: destination
      ).emit(payloadLength: payload.count, into: &packet)
    }
    return packet + payload
  }

  private var payload: [UInt8] {
    var bytes: [UInt8] = []
    switch traffic.protocolNumber {
    case IPProtocol.tcp: bytes = tcp
    case IPProtocol.udp:
      UDPHeader(sourcePort: traffic.sourcePort, destinationPort: traffic.destinationPort)
        .emit(payload: [0], source: source, destination: destination, into: &bytes)
    case IPProtocol.sctp:
      // Common header, and an INIT or INIT ACK chunk of its smallest size (RFC 9260).
      bytes.appendBig16(traffic.sourcePort)
      bytes.appendBig16(traffic.destinationPort)
      bytes.appendZeros(8)
      bytes += [isAnswer ? 2 : 1, 0, 0, 20]
      bytes.appendZeros(16)
    case _ where traffic.isICMP(source.family):
      bytes = [traffic.icmpType, traffic.icmpCode, 0, 0]
      bytes.appendBig16(traffic.sourcePort)
      bytes.appendBig16(1)
      setChecksum(&bytes, at: 2)
    default: bytes.appendZeros(8)
    }
    return bytes
  }

  /// SYN and SYN with ACK; of a connection's middle an ACK either way.
  private var tcp: [UInt8] {
    let ack: UInt8 = 16
    let syn: UInt8 = 2
    let (near, far): (UInt32, UInt32) = (1_000, 2_000)
    var bytes: [UInt8] = []
    bytes.appendBig16(traffic.sourcePort)
    bytes.appendBig16(traffic.destinationPort)
    bytes.appendBig32(isAnswer ? far : near)
    if traffic.isMidstream {
      bytes.appendBig32(isAnswer ? near : far)
    } else {
      bytes.appendBig32(isAnswer ? near + 1 : 0)
    }
    bytes += [5 << 4, traffic.isMidstream ? ack : isAnswer ? syn | ack : syn]
    bytes.appendBig16(65_535)
    bytes.appendZeros(4)
    setChecksum(&bytes, at: 16)
    return bytes
  }

  private func setChecksum(_ bytes: inout [UInt8], at offset: Int) {
    var checksum = InternetChecksum()
    if traffic.protocolNumber != IPProtocol.icmp {
      checksum = InternetChecksum(
        source: source, destination: destination, protocolNumber: traffic.protocolNumber,
        length: bytes.count)
    }
    checksum.add(bytes)
    bytes.storeBig16(checksum.value, at: offset)
  }
}

import Wire

/// Composes frames for tests, field by field and without the code that is under test.
public enum Compose {
  public static let tcpFIN: UInt8 = 1
  public static let tcpSYN: UInt8 = 2
  public static let tcpRST: UInt8 = 4
  public static let tcpACK: UInt8 = 16

  /// The low `count` bytes of a number in network byte order.
  public static func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
  }

  /// An address from its text, which a test wrote and has to be one.
  public static func address(_ text: String) -> IPAddress {
    guard let address = IPAddress(text) else { preconditionFailure("not an address: \(text)") }
    return address
  }

  public static func prefix(_ text: String) -> IPPrefix {
    guard let prefix = IPPrefix(text) else { preconditionFailure("not a prefix: \(text)") }
    return prefix
  }

  /// The bytes of an address: 4 or 16.
  public static func bytes(_ address: IPAddress) -> [UInt8] {
    address.family == .v4
      ? bytes(address.low, 4) : bytes(address.high, 8) + bytes(address.low, 8)
  }

  // MARK: Link layer

  /// An Ethernet frame; its type follows from the version of the packet unless given.
  public static func ethernet(
    to destination: MACAddress, from source: MACAddress, type: UInt16? = nil, _ payload: [UInt8]
  ) -> [UInt8] {
    let isV6 = payload.first.map { $0 >> 4 == 6 } ?? false
    return bytes(destination.bits, 6) + bytes(source.bits, 6)
      + bytes(UInt64(type ?? (isV6 ? 0x86DD : 0x0800)), 2) + payload
  }

  // MARK: Network layer

  /// An IPv4 packet with its header checksum.
  ///
  /// - Parameter fragment: the word of flags and offset (in units of 8 bytes).
  public static func ipv4(
    _ source: String, _ destination: String, protocol number: UInt8, _ payload: [UInt8],
    options: [UInt8] = [], identifier: UInt16 = 1, fragment: UInt16 = 0
  ) -> [UInt8] {
    let length = 20 + options.count + payload.count
    let header =
      [UInt8(0x40 | (20 + options.count) / 4), 0] + bytes(UInt64(length), 2)
      + bytes(UInt64(identifier), 2) + bytes(UInt64(fragment), 2) + [64, number, 0, 0]
      + bytes(address(source)) + bytes(address(destination)) + options
    return withHeaderChecksum(header + payload)
  }

  /// The packet with its IPv4 header checksum computed anew.
  public static func withHeaderChecksum(_ packet: [UInt8]) -> [UInt8] {
    var packet = packet
    packet[10] = 0
    packet[11] = 0
    let sum = Checksums.sum(packet[..<(Int(packet[0] & 15) * 4)])
    packet.replaceSubrange(10..<12, with: bytes(UInt64(~sum), 2))
    return packet
  }

  public static func ipv6(
    _ source: String, _ destination: String, next: UInt8, _ payload: [UInt8]
  ) -> [UInt8] {
    [0x60, 0, 0, 0] + bytes(UInt64(payload.count), 2) + [next, 64]
      + bytes(address(source)) + bytes(address(destination)) + payload
  }

  /// An IPv6 fragment header (RFC 8200 section 4.5); `offset` is in bytes.
  public static func fragmentHeader(
    next: UInt8, offset: Int, more: Bool, identifier: UInt32
  ) -> [UInt8] {
    [next, 0] + bytes(UInt64(offset | (more ? 1 : 0)), 2) + bytes(UInt64(identifier), 4)
  }

  // MARK: Transport layer

  public static func tcp(
    _ source: UInt16, _ destination: UInt16, sequence: UInt32 = 1, acknowledgement: UInt32 = 0,
    flags: UInt8, window: UInt16 = 65535, options: [UInt8] = [], _ payload: [UInt8] = []
  ) -> [UInt8] {
    bytes(UInt64(source), 2) + bytes(UInt64(destination), 2) + bytes(UInt64(sequence), 4)
      + bytes(UInt64(acknowledgement), 4) + [UInt8(5 + options.count / 4) << 4, flags]
      + bytes(UInt64(window), 2) + [0, 0, 0, 0] + options + payload
  }

  public static func udp(
    _ source: UInt16, _ destination: UInt16, _ payload: [UInt8] = [1, 2, 3, 4]
  ) -> [UInt8] {
    bytes(UInt64(source), 2) + bytes(UInt64(destination), 2) + bytes(UInt64(8 + payload.count), 2)
      + [0, 0] + payload
  }

  public static func icmp(
    _ type: UInt8, _ code: UInt8 = 0, rest: [UInt8] = [0, 7, 0, 1], _ payload: [UInt8] = [9, 9]
  ) -> [UInt8] {
    [type, code, 0, 0] + rest + payload
  }

  /// The packet with the checksum of its TCP, UDP, ICMP or ICMPv6 message computed.
  public static func withTransportChecksum(_ packet: [UInt8]) -> [UInt8] {
    guard let transport = Transport(packet) else { return packet }
    var packet = packet
    packet[transport.checksumOffset] = 0
    packet[transport.checksumOffset + 1] = 0
    var sum = ~transport.sum(packet)
    if sum == 0 && transport.number == 17 { sum = 0xFFFF }
    packet.replaceSubrange(
      transport.checksumOffset..<transport.checksumOffset + 2, with: bytes(UInt64(sum), 2))
    return packet
  }
}

/// Checksums, computed the long way.
public enum Checksums {
  /// The one's complement sum of big-endian 16-bit words (RFC 1071), an odd byte padded with zero.
  public static func sum(_ bytes: some Sequence<UInt8>, initial: UInt16 = 0) -> UInt16 {
    var total = Int(initial)
    var isHigh = true
    for byte in bytes {
      total += isHigh ? Int(byte) << 8 : Int(byte)
      if total > 0xFFFF { total -= 0xFFFF }
      isHigh.toggle()
    }
    return UInt16(total)
  }

  /// Whether the IPv4 header checksum of a packet is right.
  public static func isHeaderValid(_ packet: [UInt8]) -> Bool {
    sum(packet[..<(Int(packet[0] & 15) * 4)]) == 0xFFFF
  }

  /// Whether the TCP, UDP or ICMP checksum of a packet is right; false for other protocols.
  public static func isTransportValid(_ packet: [UInt8]) -> Bool {
    guard let transport = Transport(packet) else { return false }
    return transport.sum(packet) == 0xFFFF
  }
}

/// Where the transport header of a packet without extension headers is.
struct Transport {
  var number: UInt8
  var offset: Int
  var pseudoHeader: [UInt8]

  init?(_ packet: [UInt8]) {
    let isV6 = packet[0] >> 4 == 6
    number = isV6 ? packet[6] : packet[9]
    offset = isV6 ? 40 : Int(packet[0] & 15) * 4
    guard [1, 6, 17, 58].contains(number) else { return nil }
    let addresses = isV6 ? packet[8..<40] : packet[12..<20]
    pseudoHeader =
      number == 1
      ? [] : addresses + Compose.bytes(UInt64(packet.count - offset), 4) + [0, 0, 0, number]
  }

  var checksumOffset: Int { offset + (number == 6 ? 16 : number == 17 ? 6 : 2) }

  func sum(_ packet: [UInt8]) -> UInt16 {
    Checksums.sum(packet[offset...], initial: Checksums.sum(pseudoHeader))
  }
}

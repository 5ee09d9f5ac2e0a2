import Live
import TestPackets
import Wire

/// A TCP connection's packet, plain or in a tunnel, that can be composed whole or in segments: what
/// segmentation has to make of it, without the code under test.
struct TCPFrame {
  enum Underlay: CaseIterable { case none, v4, v6 }

  var isIPv6 = false
  var underlay = Underlay.none
  var isVXLAN = false
  /// Bytes of options, a multiple of 4, of the IPv4 header.
  var ipOptions = 0
  /// Of the TCP header.
  var tcpOptions = 0
  /// Bytes of an IPv6 destination options header, a multiple of 8.
  var extensionLength = 0
  var sequence: UInt32 = 0xFFFF_F000
  var identification: UInt16 = 0xFFFE
  var outerIdentification: UInt16 = 0
  var flags: UInt8 = 0x18
  var payload: [UInt8] = []

  init() {}

  /// A frame that a seed decides, with `payload` bytes.
  init(seed: UInt64, payload count: Int) {
    var random = SplitMix64(seed: seed)
    isIPv6 = Bool.random(using: &random)
    underlay = Underlay.allCases[Int(seed % 3)]
    isVXLAN = Bool.random(using: &random)
    ipOptions = isIPv6 ? 0 : Int.random(in: 0...2, using: &random) * 4
    tcpOptions = Int.random(in: 0...10, using: &random) * 4
    extensionLength = isIPv6 ? Int.random(in: 0...2, using: &random) * 8 : 0
    sequence = UInt32.random(in: 0...UInt32.max, using: &random)
    identification = UInt16.random(in: 0...UInt16.max, using: &random)
    flags = UInt8.random(in: 0...UInt8.max, using: &random)
    payload = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
  }

  var outerLength: Int { underlay == .none ? 0 : underlay == .v4 ? 50 : 70 }
  var transport: Int { outerLength + 14 + (isIPv6 ? 40 + extensionLength : 20 + ipOptions) }
  var headerLength: Int { transport + 20 + tcpOptions }
  var headers: HeaderOffsets {
    HeaderOffsets(
      network: UInt16(outerLength + 14), transport: UInt16(transport),
      payload: UInt16(headerLength), isIPv6: isIPv6, isTCP: true, outer: UInt16(outerLength))
  }

  /// The packet as the engine hands it over.
  ///
  /// - Parameter checksum: in the TCP header; the guest may write what it likes.
  func whole(checksum: UInt16) -> [UInt8] {
    var bytes = compose(payload, index: 0, flags: flags)
    bytes.replaceSubrange(
      transport + 16..<transport + 18, with: Compose.bytes(UInt64(checksum), 2))
    return bytes
  }

  /// The packets that a device has to make of it (as Linux's tcp_gso_segment and inet_gso_segment).
  func segments(of size: Int) -> [[UInt8]] {
    stride(from: 0, to: max(1, payload.count), by: size).enumerated().map { index, start in
      let end = min(payload.count, start + size)
      var flags = flags
      if index > 0 { flags &= 0x7F }
      if end < payload.count { flags &= 0xF6 }
      var segment = self
      segment.sequence &+= UInt32(start)
      return segment.compose(Array(payload[start..<end]), index: index, flags: flags)
    }
  }

  private var source: String { isIPv6 ? "fd00::a" : "10.0.1.10" }
  private var destination: String { isIPv6 ? "fd00::14" : "10.0.1.20" }

  /// What an honest guest leaves in the checksum field.
  var pseudoHeaderSum: UInt16 {
    Checksums.sum(pseudoHeader(length: 20 + tcpOptions + payload.count))
  }

  private func pseudoHeader(length: Int) -> [UInt8] {
    Compose.bytes(Compose.address(source)) + Compose.bytes(Compose.address(destination))
      + Compose.bytes(UInt64(length), 4) + [0, 0, 0, 6]
  }

  private func compose(_ payload: [UInt8], index: Int, flags: UInt8) -> [UInt8] {
    let options = [UInt8](repeating: 1, count: tcpOptions)
    var tcp = Compose.tcp(
      443, 50_000, sequence: sequence, acknowledgement: 77, flags: flags, options: options, payload)
    let sum = ~Checksums.sum(tcp, initial: Checksums.sum(pseudoHeader(length: tcp.count)))
    tcp.replaceSubrange(16..<18, with: Compose.bytes(UInt64(sum), 2))
    let packet: [UInt8]
    if isIPv6 {
      let filler = [UInt8](repeating: 0, count: max(0, extensionLength - 4))
      let header =
        extensionLength == 0
        ? [] : [6, UInt8(extensionLength / 8 - 1), 1, UInt8(extensionLength - 4)] + filler
      packet = Compose.ipv6(source, destination, next: header.isEmpty ? 6 : 60, header + tcp)
    } else {
      packet = Compose.ipv4(
        source, destination, protocol: 6, tcp, options: [UInt8](repeating: 1, count: ipOptions),
        identifier: identification &+ UInt16(index), fragment: 0x4000)
    }
    return encapsulate(
      Compose.ethernet(
        to: MACAddress(0x02_0000_0000_02), from: MACAddress(0x02_0000_0000_01), packet),
      index: index)
  }

  /// Puts the outer headers before a frame, if there is an underlay.
  func encapsulate(_ inner: [UInt8], index: Int) -> [UInt8] {
    if underlay == .none { return inner }
    let tunnel: [UInt8] = (isVXLAN ? [8, 0, 0, 0] : [0, 0, 0x65, 0x58]) + [0, 0, 100, 0]
    var packet = Compose.udp(50_000, isVXLAN ? 4789 : 6081, tunnel + inner)
    if underlay == .v4 {
      packet = Compose.ipv4(
        "192.0.2.1", "192.0.2.2", protocol: 17, packet,
        identifier: outerIdentification &+ UInt16(index), fragment: 0x4000)
    } else {
      packet = Compose.withTransportChecksum(
        Compose.ipv6("2001:db8::1", "2001:db8::2", next: 17, packet))
    }
    return Compose.ethernet(
      to: MACAddress(0x02_0000_0000_22), from: MACAddress(0x02_0000_0000_21), packet)
  }
}

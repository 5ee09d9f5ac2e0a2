import Datapath
import Live
import TestPackets
import Testing
import Wire

/// Checksums that guests left to their device are completed, whatever the guest wrote there.
@Suite struct ChecksumCompletionTests {
  static let underlays = TCPFrame.Underlay.allCases

  /// The frame that leaves, after completion.
  static func complete(
    _ bytes: [UInt8], _ headers: HeaderOffsets, first: Int? = nil
  ) -> (bytes: [UInt8], flags: PacketFlags) {
    var io = SegmentIO()
    var packet = io.packet(bytes, first: first ?? bytes.count)
    packet.flags.insert(.partialChecksum)
    ChecksumCompletion.complete(&packet, headers: headers, io: &io)
    io.send(&packet, port: 0, headers: headers)
    return (io.sent[0].bytes, io.sent[0].flags)
  }

  @Test(arguments: 0..<60 as Range<UInt64>) func tcpIsCompleted(seed: UInt64) {
    var random = SplitMix64(seed: seed &+ 77)
    let frame = TCPFrame(seed: seed, payload: Int.random(in: 0...3000, using: &random))
    // The sum of the pseudo-header, or what a hostile guest likes: the result is the same.
    let bytes = frame.whole(checksum: UInt16.random(in: 0...UInt16.max, using: &random))
    let first = Int.random(in: frame.transport + 20...bytes.count, using: &random)
    let outcome = Self.complete(bytes, frame.headers, first: first)
    #expect(outcome.bytes == frame.segments(of: 65_535)[0])
    #expect(outcome.flags.isEmpty)
  }

  /// A UDP datagram in a tunnel or not, its checksum field as given, and padding behind it.
  struct Datagram {
    var isIPv6: Bool
    var underlay: TCPFrame.Underlay
    var payload: [UInt8]
    var padding = 0

    func whole(checksum: UInt16?) -> [UInt8] {
      var udp = Compose.udp(1000, 53, payload)
      var packet =
        isIPv6
        ? Compose.ipv6("fd00::a", "fd00::14", next: 17, udp)
        : Compose.ipv4("10.0.1.10", "10.0.1.20", protocol: 17, udp)
      if let checksum {
        udp.replaceSubrange(6..<8, with: Compose.bytes(UInt64(checksum), 2))
        packet = packet.dropLast(udp.count) + udp
      } else {
        packet = Compose.withTransportChecksum(packet)
      }
      var tunnel = TCPFrame()
      tunnel.underlay = underlay
      let inner = Compose.ethernet(to: MACAddress(1 << 41), from: MACAddress(1 << 41 | 1), packet)
      return tunnel.encapsulate(inner + [UInt8](repeating: 0xA5, count: padding), index: 0)
    }

    var headers: HeaderOffsets {
      let outer = underlay == .none ? 0 : underlay == .v4 ? 50 : 70
      let transport = outer + 14 + (isIPv6 ? 40 : 20)
      return HeaderOffsets(
        network: UInt16(outer + 14), transport: UInt16(transport), payload: UInt16(transport + 8),
        isIPv6: isIPv6, outer: UInt16(outer))
    }
  }

  @Test(arguments: underlays, [false, true]) func udpIsCompleted(
    underlay: TCPFrame.Underlay, isIPv6: Bool
  ) {
    var random = SplitMix64(seed: 4)
    for length in [0, 1, 2, 7, 64, 511, 1471, 8000] {
      for padding in [0, 1, 18] {
        let datagram = Datagram(
          isIPv6: isIPv6, underlay: underlay,
          payload: (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) },
          padding: padding)
        let bytes = datagram.whole(checksum: UInt16.random(in: 0...UInt16.max, using: &random))
        let first = Int.random(in: Int(datagram.headers.payload)...bytes.count, using: &random)
        let outcome = Self.complete(bytes, datagram.headers, first: first)
        #expect(outcome.bytes == datagram.whole(checksum: nil), "\(length) + \(padding)")
      }
    }
  }

  /// A datagram whose checksum is computed as zero says 0xFFFF (RFC 768).
  @Test(arguments: underlays) func zeroIsWrittenAsAllOnes(underlay: TCPFrame.Underlay) {
    var datagram = Datagram(isIPv6: true, underlay: underlay, payload: [0, 0])
    let bytes = datagram.whole(checksum: nil)
    let field = Int(datagram.headers.transport) + 6
    // What the checksum was becomes payload: the new sum is zero.
    datagram.payload = Array(bytes[field..<field + 2])
    let outcome = Self.complete(datagram.whole(checksum: 0), datagram.headers)
    #expect(Array(outcome.bytes[field..<field + 2]) == [0xFF, 0xFF])
    #expect(outcome.bytes == datagram.whole(checksum: nil))
  }

  /// The sum of a complete inner packet does not depend on its payload.
  @Test func outerChecksumOfTwoInnerPacketsDiffersByHeadersOnly() {
    var fields: [[UInt8]] = []
    for byte in [UInt8(1), 200] {
      let datagram = Datagram(
        isIPv6: true, underlay: .v6, payload: [UInt8](repeating: byte, count: 100))
      fields.append(
        Array(Self.complete(datagram.whole(checksum: 9), datagram.headers).bytes[60..<62]))
    }
    #expect(fields[0] == fields[1])
  }

  @Test(arguments: underlays) func bytesOfOtherPacketsAreKept(underlay: TCPFrame.Underlay) {
    let datagram = Datagram(isIPv6: false, underlay: underlay, payload: [1, 2, 3, 4])
    let good = datagram.whole(checksum: 0x1234)
    let network = Int(datagram.headers.network)
    // Another protocol; a first and a later fragment; a length beyond the packet, one below 8.
    for (offset, value) in [(9, 1), (6, 0x20), (7, 8), (24, 1), (25, 7)] as [(Int, UInt8)] {
      var bytes = good
      bytes[network + offset] = value
      let outcome = Self.complete(bytes, datagram.headers)
      let outer = Int(datagram.headers.outer)
      #expect(outcome.bytes.dropFirst(outer) == bytes.dropFirst(outer))
      #expect(outcome.flags.isEmpty)
      if underlay == .v6 { #expect(Checksums.isTransportValid(Array(outcome.bytes.dropFirst(14)))) }
    }
  }

  /// The engine sums up what is in the first buffer only.
  @Test func outerChecksumIsCompletedOverAllBuffers() {
    let frame = TCPFrame(seed: 2, payload: 3001)
    let good = frame.segments(of: 65_535)[0]
    #expect(frame.underlay == .v6)
    for first in [62, 200, 1501, good.count] {
      var bytes = good
      bytes[60] ^= 0x55
      var io = SegmentIO()
      var packet = io.packet(bytes, first: first)
      ChecksumCompletion.completeOuter(&packet, io: &io)
      io.send(&packet, port: 0, headers: frame.headers)
      #expect(io.sent[0].bytes == good)
    }
  }

  @Test(arguments: 0..<200 as Range<UInt64>) func garbageNeitherTrapsNorReadsBeyond(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var bytes = TCPFrame(seed: seed, payload: Int(seed)).whole(checksum: 0)
    for _ in 0..<Int.random(in: 0...8, using: &random) {
      bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8(
        truncatingIfNeeded: random.next())
    }
    let limit = Bool.random(using: &random) ? UInt16(bytes.count) + 40 : .max
    let headers = HeaderOffsets(
      network: UInt16.random(in: 0...limit, using: &random),
      transport: UInt16.random(in: 0...limit, using: &random),
      payload: UInt16.random(in: 0...limit, using: &random),
      isIPv6: Bool.random(using: &random), isTCP: Bool.random(using: &random),
      outer: UInt16.random(in: 0...100, using: &random))
    let outcome = Self.complete(
      bytes, headers, first: Int.random(in: 0...bytes.count, using: &random))
    #expect(outcome.bytes.count == bytes.count && outcome.flags.isEmpty)
  }
}

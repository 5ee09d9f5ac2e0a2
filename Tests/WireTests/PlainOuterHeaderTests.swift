import TestPackets
import Testing
import Wire

/// The short way through a tunnel packet's outer headers says what the parser says.
@Suite struct PlainOuterHeaderTests {
  private static let tunnel = Compose.ethernet(
    to: .router, from: MACAddress(0x02_00_00_00_00_0A),
    Compose.ipv4(
      "192.0.2.2", "192.0.2.1", protocol: 17,
      Compose.udp(50_000, 6081, [0, 0, 0x65, 0x58, 0, 0, 9, 0] + [UInt8](repeating: 7, count: 60))))

  private static func matches(_ frame: [UInt8], _ originalLength: Int) -> Bool {
    let guarded = GuardedBytes(frame)
    return PlainOuterHeader.matches(
      guarded.start, length: guarded.count, originalLength: originalLength)
  }

  /// What the parser says of the same bytes.
  private static func isPlain(_ frame: [UInt8], _ originalLength: Int) -> Bool {
    var isPlain = false
    FrameParserTests.parse(frame, originalLength: originalLength) { headers in
      isPlain =
        frame.count >= 50 && headers.faults.isEmpty && headers.link == .ipv4
        && headers.transport == IPProtocol.udp && headers.hasTransport && !headers.isFragment
        && Int(headers.transportOffset) == PlainOuterHeader.transportOffset
        && UInt16(frame[38]) << 8 | UInt16(frame[39]) >= 16
    }
    return isPlain
  }

  @Test func `what tunnels send is plain, up to the byte where it is cut`() {
    #expect(Self.matches(Self.tunnel, Self.tunnel.count))
    for length in 0..<Self.tunnel.count {
      let cut = Array(Self.tunnel.prefix(length))
      #expect(Self.matches(cut, Self.tunnel.count) == (length >= 50), "\(length)")
      #expect(!Self.matches(cut, length), "\(length)")
    }
  }

  /// Bytes of the headers are changed, mostly with the checksum put right.
  @Test func `the parser says the same of 60,000 frames`() {
    var random = SplitMix64(seed: 14)
    var plain = 0
    for number in 0..<60_000 {
      var frame = Self.tunnel
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        let offset = Int.random(in: 12..<42, using: &random)
        let other = UInt8.random(in: 0...255, using: &random)
        let bit = UInt8(1) << UInt8.random(in: 0..<8, using: &random)
        frame[offset] = number % 2 == 0 ? other : frame[offset] ^ bit
      }
      if number % 4 != 0 {
        frame = Array(frame.prefix(14)) + Compose.withHeaderChecksum(Array(frame.dropFirst(14)))
      }
      let original = frame.count + (number % 8 == 0 ? 30 : 0)
      if number % 16 == 0 { frame.removeLast(Int.random(in: 0..<90, using: &random)) }
      let expected = Self.isPlain(frame, max(original, frame.count))
      #expect(Self.matches(frame, original) == expected, "\(frame)")
      if expected { plain += 1 }
    }
    #expect(plain > 10_000 && plain < 50_000, "\(plain)")
  }
}

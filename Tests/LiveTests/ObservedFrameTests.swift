import TestPackets
import Testing
import Wire

@testable import Live

/// Where the headers of a frame end: no byte of payload is in what a capture without the right to
/// it has.
@Suite struct ObservedFrameTests {
  private static let payload = [UInt8](repeating: 0xEE, count: 64)

  /// Bytes up to the payload.
  private static func length(_ frame: [UInt8], isOuter: Bool = false) -> Int {
    frame.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return 0 }
      let observed = unsafe ObservedFrame(
        base, length: bytes.count, originalLength: bytes.count, isOuter: isOuter)
      return unsafe observed.headerLength(base, length: bytes.count)
    }
  }

  private static func frame(_ packet: [UInt8]) -> [UInt8] {
    Compose.ethernet(to: .router, from: LiveHost.web, packet)
  }

  private static let cases: [(frame: [UInt8], length: Int)] = [
    (
      LiveHost.frame(
        LiveHost.web,
        Compose.ipv4("10.0.0.1", "10.0.0.2", protocol: 17, Compose.udp(1, 2, payload))), 42
    ),
    (
      LiveHost.frame(
        LiveHost.web,
        Compose.ipv4(
          "10.0.0.1", "10.0.0.2", protocol: 6,
          Compose.tcp(1, 2, flags: Compose.tcpSYN, options: [2, 4, 5, 0xB4], payload))), 58
    ),
    // The rest of a fragmented datagram is payload from its first byte.
    (
      LiveHost.frame(
        LiveHost.web,
        Compose.ipv4("10.0.0.1", "10.0.0.2", protocol: 17, payload, fragment: 8)), 34
    ),
    (
      LiveHost.frame(
        LiveHost.web, Compose.ipv4("10.0.0.1", "10.0.0.2", protocol: 50, payload)), 34
    ),
    (
      frame(Compose.ipv6("fd00::1", "fd00::2", next: 17, Compose.udp(1, 2, payload))), 62
    ),
    // An ICMP error quotes somebody's packet.
    (
      LiveHost.frame(
        LiveHost.web,
        Compose.ipv4("10.0.0.1", "10.0.0.2", protocol: 1, [3, 4, 0, 0, 0, 0, 5, 0] + payload)), 42
    ),
    (Compose.ethernet(to: .router, from: LiveHost.web, type: 0x88B5, payload), 14),
    (LiveHost.arp() + payload, 42),
  ]

  @Test(arguments: cases.indices)
  func headersEnd(_ index: Int) {
    let (frame, length) = Self.cases[index]
    #expect(Self.length(frame) == length)
    // The same inside of a tunnel: Ethernet, IPv4, UDP, Geneve.
    #expect(Self.length(LiveHost.tunnel(frame), isOuter: true) == 50 + length)
    #expect(Self.length(LiveHost.tunnel(frame, port: 4_789), isOuter: true) == 50 + length)
  }

  /// Frames that were cut or changed: never a byte beyond the frame, and where the headers are
  /// whole never one of the payload.
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func hostileFrames(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    for _ in 0..<20_000 {
      let (whole, length) = Self.cases[Int(random.next() % UInt64(Self.cases.count))]
      let isOuter = random.next() % 2 == 0
      var frame = isOuter ? LiveHost.tunnel(whole) : whole
      let end = isOuter ? 50 + length : length
      let cut = Int(random.next() % UInt64(frame.count + 1))
      if random.next() % 2 == 0 {
        #expect(Self.length(Array(frame.prefix(cut)), isOuter: isOuter) <= min(cut, end))
        continue
      }
      for _ in 0..<1 + Int(random.next() % 3) {
        frame[Int(random.next() % UInt64(frame.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      #expect(Self.length(frame, isOuter: isOuter) <= frame.count)
    }
  }
}

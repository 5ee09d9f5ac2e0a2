import Datapath
import Live
import TestPackets
import Testing
import Wire

/// TCP super-packets are cut into the packets that Linux would make of them.
@Suite struct SegmentationTests {
  struct Outcome {
    var count: Int
    var sent: [SegmentIO.Sent]
    var buffersInUse: Int
    var payers: [Int]
  }

  /// Cuts a frame whose first `first` bytes are in the first buffer.
  static func cut(
    _ bytes: [UInt8], _ headers: HeaderOffsets, size: Int, first: Int, allocations: Int = .max
  ) -> Outcome {
    var io = SegmentIO()
    io.allocationsLeft = allocations
    var packet = io.packet(bytes, first: first)
    packet.segmentSize = UInt16(size)
    packet.flags.insert(.partialChecksum)
    let count = Segmentation.segment(&packet, headers: headers, port: 0, poolPort: 1, io: &io)
    return Outcome(
      count: count, sent: io.sent, buffersInUse: io.buffersInUse, payers: io.payers)
  }

  @Test(arguments: 0..<90 as Range<UInt64>)
  func segmentsAreThoseOfLinux(seed: UInt64) {
    var random = SplitMix64(seed: seed &+ 1000)
    let size = Int.random(in: 8...1500, using: &random)
    let length = Int.random(in: size...min(size * 40, 20_000), using: &random)
    let frame = TCPFrame(seed: seed, payload: length)
    let bytes = frame.whole(checksum: UInt16.random(in: 0...UInt16.max, using: &random))
    let first = Int.random(in: frame.headerLength...bytes.count, using: &random)
    let outcome = Self.cut(bytes, frame.headers, size: size, first: first)
    let expected = frame.segments(of: size)
    #expect(outcome.count == expected.count)
    #expect(outcome.sent.map(\.bytes) == expected)
    #expect(outcome.sent.allSatisfy { $0.port == 0 && $0.flags.isEmpty && $0.segmentSize == 0 })
    #expect(outcome.payers.allSatisfy { $0 == 1 })
    #expect(outcome.buffersInUse == 0)
  }

  @Test(arguments: 0..<12 as Range<UInt64>)
  func everySegmentParsesAndPayloadIsWhole(seed: UInt64) {
    let frame = TCPFrame(seed: seed, payload: 5001)
    let bytes = frame.whole(checksum: 0)
    let outcome = Self.cut(bytes, frame.headers, size: 1000, first: bytes.count)
    var payload: [UInt8] = []
    for segment in outcome.sent {
      var headers = Headers()
      let inner = Array(segment.bytes.dropFirst(frame.outerLength))
      inner.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress else { return }
        FrameParser.parse(
          start, length: bytes.count, originalLength: bytes.count, offloaded: false, into: &headers)
      }
      #expect(headers.faults.isEmpty && headers.hasTransport && headers.transport == 6)
      #expect(Int(headers.datagramLength) == inner.count - 14)
      payload += segment.bytes.dropFirst(frame.headerLength)
    }
    #expect(outcome.sent.count == 6)
    #expect(payload == frame.payload)
  }

  /// 64 KB, as large as a guest's packet can be.
  @Test(arguments: TCPFrame.Underlay.allCases, [false, true])
  func largestPacketIsCut(underlay: TCPFrame.Underlay, isIPv6: Bool) {
    var frame = TCPFrame(seed: 5, payload: 65_535 - 60)
    frame.isIPv6 = isIPv6
    frame.underlay = underlay
    (frame.ipOptions, frame.tcpOptions, frame.extensionLength) = (0, 0, 0)
    let outcome = Self.cut(
      frame.whole(checksum: 1), frame.headers, size: 1398, first: frame.headerLength)
    #expect(outcome.sent.map(\.bytes) == frame.segments(of: 1398))
    #expect(outcome.count == 47)
  }

  @Test func flagsBelongToFirstAndLast() {
    var frame = TCPFrame(seed: 0, payload: 3000)
    frame.flags = 0xF9  // CWR, ECE, URG, ACK, PSH, FIN
    let outcome = Self.cut(frame.whole(checksum: 0), frame.headers, size: 1000, first: 3000)
    #expect(outcome.sent.map { $0.bytes[frame.transport + 13] } == [0xF0, 0x70, 0x79])
  }

  @Test(arguments: [(3000, 3), (3001, 4), (2999, 3), (1001, 2)])
  func sizeThatFitsMakesNoEmptySegment(length: Int, count: Int) {
    let frame = TCPFrame(seed: 3, payload: length)
    let bytes = frame.whole(checksum: 0)
    let outcome = Self.cut(bytes, frame.headers, size: 1000, first: bytes.count)
    #expect(outcome.count == count)
    #expect(outcome.sent.last?.bytes.count == frame.headerLength + (length - 1) % 1000 + 1)
  }

  /// Nothing is allocated for what is one segment already; its checksum is completed.
  @Test(arguments: [0, 1, 999, 1000], [0, 1000, 65_535])
  func oneSegmentIsSentAsItIs(length: Int, size: Int) {
    for seed in 0..<6 as Range<UInt64> {
      let frame = TCPFrame(seed: seed, payload: length)
      let bytes = frame.whole(checksum: 0xABCD)
      let outcome = Self.cut(
        bytes, frame.headers, size: size, first: bytes.count, allocations: 0)
      #expect(outcome.count == 1)
      #expect(outcome.sent.map(\.bytes) == frame.segments(of: 1000))
      #expect(outcome.sent.allSatisfy { $0.flags.isEmpty && $0.segmentSize == 0 })
      #expect(outcome.buffersInUse == 0)
    }
  }

  @Test(arguments: 0..<5) func emptyPoolLosesTheRestOnly(allocations: Int) {
    let frame = TCPFrame(seed: 8, payload: 5000)
    let bytes = frame.whole(checksum: 0)
    let outcome = Self.cut(
      bytes, frame.headers, size: 1000, first: 300, allocations: allocations)
    #expect(outcome.count == allocations)
    #expect(outcome.sent.map(\.bytes) == Array(frame.segments(of: 1000).prefix(allocations)))
    #expect(outcome.buffersInUse == 0)
  }

  // MARK: Hostile

  @Test(arguments: [1, 2, 7])
  func segmentsBelowTheMinimumAreRefused(size: Int) {
    let frame = TCPFrame(seed: 1, payload: 100)
    expectRefused(frame.whole(checksum: 0), frame.headers, size: size)
  }

  @Test func numberOfSegmentsIsBounded() {
    let most = Segmentation.maximumCount
    let allowed = TCPFrame(seed: 2, payload: 8 * most)
    let outcome = Self.cut(allowed.whole(checksum: 0), allowed.headers, size: 8, first: 400)
    #expect(outcome.count == most)
    let refused = TCPFrame(seed: 2, payload: 8 * most + 1)
    expectRefused(refused.whole(checksum: 0), refused.headers, size: 8)
  }

  @Test func segmentLongerThanIPAllowsIsRefused() {
    let frame = TCPFrame(seed: 3, payload: 70_000)
    expectRefused(frame.whole(checksum: 0), frame.headers, size: 65_535)
  }

  /// Offsets that cannot be, and packets that are not whole TCP.
  @Test(arguments: 0..<3 as Range<UInt64>) func headersThatLieAreRefused(seed: UInt64) {
    var frame = TCPFrame(seed: seed, payload: 3000)
    (frame.isIPv6, frame.extensionLength) = (false, 0)
    let bytes = frame.whole(checksum: 0)
    var lies: [HeaderOffsets] = []
    for change in [
      { $0.isTCP = false }, { $0.isIPv6 = true }, { $0.transport += 4 }, { $0.transport = 0 },
      { $0.payload += 64 }, { $0.payload = $0.transport }, { $0.payload = .max },
      { $0.network = .max }, { $0.transport = .max }, { $0.outer = 20 }, { $0.outer = 1000 },
    ] as [(inout HeaderOffsets) -> Void] {
      var headers = frame.headers
      change(&headers)
      lies.append(headers)
    }
    for headers in lies { expectRefused(bytes, headers, size: 1000) }

    let network = Int(frame.headers.network)
    for (offset, value) in [(9, 17), (6, 0x20), (7, 1)] as [(Int, UInt8)] {
      var other = bytes
      other[network + offset] = value
      expectRefused(other, frame.headers, size: 1000)
    }
  }

  @Test func headersBeyondTheFirstBufferAreRefused() {
    let frame = TCPFrame(seed: 6, payload: 3000)
    for first in 0..<frame.headerLength {
      expectRefused(frame.whole(checksum: 0), frame.headers, size: 1000, first: first)
    }
  }

  @Test(arguments: 0..<200 as Range<UInt64>) func garbageNeitherLeaksNorTraps(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    let frame = TCPFrame(seed: seed, payload: Int.random(in: 0...600, using: &random))
    var bytes = frame.whole(checksum: 0)
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      let index = Int.random(in: 0..<min(bytes.count, frame.headerLength), using: &random)
      bytes[index] = UInt8(truncatingIfNeeded: random.next())
    }
    var headers = frame.headers
    if Bool.random(using: &random) { headers.network = UInt16.random(in: 0...200, using: &random) }
    if Bool.random(using: &random) { headers.payload = UInt16.random(in: 0...300, using: &random) }
    if Bool.random(using: &random) { headers.outer = UInt16.random(in: 0...100, using: &random) }
    headers.isIPv6 = Bool.random(using: &random)
    let outcome = Self.cut(
      bytes, headers, size: Int.random(in: 0...700, using: &random),
      first: Int.random(in: 0...bytes.count, using: &random))
    #expect(outcome.buffersInUse == 0)
    #expect(outcome.count == outcome.sent.count)
  }

  private func expectRefused(
    _ bytes: [UInt8], _ headers: HeaderOffsets, size: Int, first: Int? = nil
  ) {
    let outcome = Self.cut(bytes, headers, size: size, first: first ?? bytes.count)
    #expect(outcome.count == 0 && outcome.sent.isEmpty, "\(headers)")
    #expect(outcome.buffersInUse == 0)
  }
}

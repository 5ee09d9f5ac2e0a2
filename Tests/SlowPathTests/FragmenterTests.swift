import SlowPath
import Testing
import Wire

@Suite struct FragmenterTests {
  private func packet(
    payload: Int, options: [UInt8] = [], offset: UInt16 = 0, more: Bool = false,
    dontFragment: Bool = false
  ) -> [UInt8] {
    var packet: [UInt8] = [UInt8(0x45 + options.count / 4), 0x20]
    packet.appendBig16(UInt16(20 + options.count + payload))
    packet.appendBig16(0xBEEF)
    packet.appendBig16(offset / 8 | (more ? 0x2000 : 0) | (dontFragment ? 0x4000 : 0))
    packet += [33, 17, 0, 0]
    packet.append(IPAddress.of("10.0.1.10"))
    packet.append(IPAddress.of("10.0.2.20"))
    packet += options
    packet += (0..<payload).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    return Guest.ethernet(EtherType.ipv4, packet)
  }

  private struct Piece: Equatable {
    var offset: Int
    var more: Bool
    var options: [UInt8]
    var payload: [UInt8]
  }

  /// The pieces, each checked for what all have in common; nil when refused.
  private func pieces(_ frame: [UInt8], mtu: Int) -> [Piece]? {
    var pieces = [Piece]()
    let isDone = frame.withUnsafeBytes { frame in
      Fragmenter.fragment(frame, mtu: mtu) { bytes in
        guard let ethernet = EthernetView(FrameBytes(bytes)),
          let view = IPv4View(ethernet.payload)
        else {
          Issue.record("a piece is no IPv4 packet")
          return
        }
        var checksum = InternetChecksum()
        checksum.add(view.header)
        #expect(checksum.value == 0)
        #expect(ethernet.source == Fixture.web)
        #expect(ethernet.destination == .router)
        #expect(view.totalLength == bytes.count - 14)
        #expect(view.totalLength <= mtu)
        #expect(view.identification == 0xBEEF)
        #expect(view.typeOfService == 0x20)
        #expect(view.timeToLive == 33)
        #expect(view.protocolNumber == 17)
        #expect(view.source == .of("10.0.1.10"))
        #expect(view.destination == .of("10.0.2.20"))
        pieces.append(
          Piece(
            offset: view.fragmentOffset, more: view.moreFragments,
            options: view.options.array, payload: view.payload.array))
      }
    }
    #expect(isDone == !pieces.isEmpty)
    return isDone ? pieces : nil
  }

  private func whole(_ pieces: [Piece]?) -> [UInt8] { pieces?.flatMap(\.payload) ?? [] }

  @Test func boundaries() {
    let frame = packet(payload: 100)
    // 60 - 20 = 40 bytes a piece; 67 - 20 = 47 is rounded down to 40.
    for mtu in 60...67 {
      let pieces = pieces(frame, mtu: mtu)
      #expect(pieces?.map(\.offset) == [0, 40, 80])
      #expect(pieces?.map(\.more) == [true, true, false])
      #expect(pieces?.map(\.payload.count) == [40, 40, 20])
      #expect(whole(pieces) == Array(frame[34...]))
    }
  }

  /// The last piece may use the room that is no multiple of 8.
  @Test func lastPieceFills() {
    #expect(pieces(packet(payload: 87), mtu: 67)?.map(\.payload.count) == [40, 47])
    #expect(pieces(packet(payload: 88), mtu: 67)?.map(\.payload.count) == [40, 40, 8])
  }

  @Test func alreadyFits() {
    let frame = packet(payload: 40)
    #expect(pieces(frame, mtu: 60)?.map(\.payload) == [Array(frame[34...])])
    #expect(pieces(frame, mtu: 60)?.map(\.more) == [false])
    #expect(pieces(packet(payload: 0), mtu: 60)?.count == 1)
    #expect(pieces(frame + [1, 2, 3, 4], mtu: 60)?.count == 1)
  }

  @Test func fragmentOfFragment() {
    let middle = pieces(packet(payload: 96, offset: 800, more: true), mtu: 60)
    #expect(middle?.map(\.offset) == [800, 840, 880])
    #expect(middle?.map(\.more) == [true, true, true])
    let last = pieces(packet(payload: 96, offset: 800), mtu: 60)
    #expect(last?.map(\.more) == [true, true, false])
  }

  /// Record route stays in the first piece; router alert goes along, padded to a word.
  @Test func options() {
    let recordRoute: [UInt8] = [7, 7, 4, 0, 0, 0, 0]
    let alert: [UInt8] = [0x94, 4, 0, 0]
    let odd: [UInt8] = [0x88, 3, 9]
    let all = recordRoute + [1] + alert + odd + [0]
    let pieces = pieces(packet(payload: 100, options: all), mtu: 76)
    #expect(pieces?.map(\.options) == [all, alert + odd + [0], alert + odd + [0]])
    #expect(pieces?.map(\.payload.count) == [40, 48, 12])
    #expect(pieces?.map(\.offset) == [0, 40, 88])
  }

  @Test(
    arguments: [[0x94, 0, 0, 0], [0x94, 9, 0, 0], [1, 1, 1, 0x94], [0x94, 1, 0, 0]] as [[UInt8]])
  func brokenOptions(options: [UInt8]) {
    #expect(
      pieces(packet(payload: 100, options: options), mtu: 64)?.map(\.options) == [options, [], []])
  }

  @Test func refused() {
    #expect(pieces(packet(payload: 100, dontFragment: true), mtu: 60) == nil)
    #expect(pieces(packet(payload: 100), mtu: 27) == nil)
    #expect(pieces(packet(payload: 100), mtu: -1) == nil)
    #expect(pieces(packet(payload: 100), mtu: 28)?.count == 13)
    #expect(pieces(packet(payload: 100, options: [0x94, 4, 0, 0]), mtu: 31) == nil)
    #expect(pieces(packet(payload: 100, offset: 65_520), mtu: 60) == nil)
    #expect(pieces(Guest.arp("10.0.1.1"), mtu: 60) == nil)
    for length in 0..<38 {
      let cut = Array(packet(payload: 100, options: [0x94, 4, 0, 0]).prefix(length))
      #expect(pieces(cut, mtu: 60) == nil)
    }
  }

  /// What a capture cut off is not made up.
  @Test func cutCapture() {
    let frame = packet(payload: 100)
    let cut = pieces(Array(frame.prefix(34 + 50)), mtu: 60)
    #expect(cut?.map(\.payload.count) == [40, 10])
    #expect(cut?.map(\.more) == [true, false])
    let fragment = packet(payload: 96, offset: 800, more: true)
    let cutFragment = pieces(Array(fragment.prefix(34 + 50)), mtu: 60)
    #expect(cutFragment?.map(\.payload.count) == [40, 8])
    #expect(cutFragment?.map(\.more) == [true, true])
  }

  /// Segmentation offload leaves a total length of zero: the frame's length counts.
  @Test func offloadedLength() {
    var frame = packet(payload: 100)
    frame[16] = 0
    frame[17] = 0
    #expect(pieces(frame, mtu: 60)?.map(\.payload.count) == [40, 40, 20])
  }
}

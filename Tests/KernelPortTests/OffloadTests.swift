import CXDP
import Datapath
import Testing

@testable import KernelPort

/// Headers that a hostile guest may write.
@Suite struct OffloadHeaderTests {
  /// An IPv4 TCP packet of `length` bytes, and what becomes of it with a header.
  static func apply(
    length: Int = 2000, next: UInt8 = 6, words: UInt8 = 5, _ header: cxdp_header
  ) -> (accepted: Bool, isPartial: Bool, segmentSize: UInt16, bytes: [UInt8]) {
    var bytes = [UInt8](repeating: 0, count: max(length, 54))
    bytes.replaceSubrange(12..<15, with: [0x08, 0x00, 0x45])
    bytes[23] = next
    bytes[46] = words << 4
    return bytes.withUnsafeMutableBytes { memory in
      guard let base = memory.baseAddress else { return (false, false, 0, []) }
      var packet = Packet(base: base, length: UInt32(length), headroom: 0)
      let accepted = OffloadHeader.apply(header, to: &packet)
      return (accepted, packet.flags.contains(.partialChecksum), packet.segmentSize, Array(memory))
    }
  }

  static func header(
    flags: UInt8 = 1, gso: UInt8 = 0, size: UInt16 = 0, start: UInt16 = 34, offset: UInt16 = 16
  ) -> cxdp_header {
    cxdp_header(
      flags: flags, gso_type: gso, header_length: 54, gso_size: size, checksum_start: start,
      checksum_offset: offset)
  }

  @Test func honestHeadersAreTaken() {
    let segments = Self.apply(Self.header(gso: 1, size: 1448))
    #expect(segments.accepted && segments.isPartial && segments.segmentSize == 1448)
    let marked = Self.apply(Self.header(gso: 0x81, size: 1448))
    #expect(marked.accepted && marked.segmentSize == 1448)
    let one = Self.apply(length: 1000, Self.header(gso: 1, size: 1448))
    #expect(one.accepted && one.segmentSize == 0)
    let plain = Self.apply(Self.header(flags: 0))
    #expect(plain.accepted && !plain.isPartial)
  }

  @Test func liesAreRefused() {
    #expect(!Self.apply(Self.header(start: 1999)).accepted)
    #expect(!Self.apply(Self.header(start: 65_535, offset: 65_535)).accepted)
    #expect(!Self.apply(Self.header(gso: 4, size: 1448)).accepted, "TCPV6 of an IPv4 packet")
    #expect(!Self.apply(Self.header(gso: 3, size: 1448)).accepted, "UDP fragments")
    #expect(!Self.apply(Self.header(gso: 5, size: 1448)).accepted, "UDP segments")
    #expect(!Self.apply(Self.header(gso: 1, size: 0)).accepted)
    #expect(!Self.apply(Self.header(gso: 1, size: 1)).accepted)
    #expect(!Self.apply(Self.header(flags: 0, gso: 1, size: 1448)).accepted)
    #expect(!Self.apply(Self.header(gso: 1, size: 1448, start: 54)).accepted)
    #expect(!Self.apply(next: 17, Self.header(gso: 1, size: 1448, offset: 6)).accepted)
    #expect(!Self.apply(Self.header(start: 0, offset: 2)).accepted, "in the Ethernet header")
  }

  /// Found by fuzzing: fewer bytes than one segment and a whole header were taken for two segments.
  @Test func nothingIsCutBehindAShortHeader() {
    for words in UInt8(0)..<5 {
      let short = Self.apply(length: 105, words: words, Self.header(gso: 1, size: 64))
      #expect(short.accepted && short.segmentSize == 0)
    }
    #expect(Self.apply(length: 119, Self.header(gso: 1, size: 64)).segmentSize == 64)
  }

  /// A TCP packet of IPv6 with destination options, which Linux segments as any other.
  @Test func extensionHeadersArePassed() {
    func apply(
      _ header: cxdp_header, headers: [UInt8], length: Int = 2000
    ) -> (accepted: Bool, isPartial: Bool, segmentSize: UInt16) {
      var bytes = [UInt8](repeating: 0, count: length)
      bytes.replaceSubrange(12..<15, with: [0x86, 0xDD, 0x60])
      bytes[20] = headers[0]
      for index in headers.indices where 54 + 8 * index < length {
        bytes[54 + 8 * index] = index + 1 < headers.count ? headers[index + 1] : 6
      }
      // Their lengths are 0: 8 bytes each.
      let place = 54 + 8 * headers.count
      if place + 12 < length { bytes[place + 12] = 0x50 }
      return bytes.withUnsafeMutableBytes { memory in
        guard let base = memory.baseAddress else { return (false, false, 0) }
        var packet = Packet(base: base, length: UInt32(length), headroom: 0)
        let accepted = OffloadHeader.apply(header, to: &packet)
        return (accepted, packet.flags.contains(.partialChecksum), packet.segmentSize)
      }
    }
    let whole = apply(Self.header(gso: 4, size: 1400, start: 62), headers: [60])
    #expect(whole.accepted && whole.isPartial && whole.segmentSize == 1400)
    let two = apply(Self.header(start: 70), headers: [0, 60])
    #expect(two.accepted && two.isPartial && two.segmentSize == 0)
    // Past the end, too many, one that covers what is behind it, and another place.
    #expect(!apply(Self.header(gso: 4, size: 1400, start: 62), headers: [60], length: 60).accepted)
    let many = [UInt8](repeating: 60, count: 10)
    #expect(!apply(Self.header(gso: 4, size: 1400, start: 134), headers: many).accepted)
    #expect(!apply(Self.header(gso: 4, size: 1400, start: 62), headers: [51]).accepted)
    #expect(!apply(Self.header(gso: 4, size: 1400, start: 54), headers: [60]).accepted)
  }

  @Test func checksumElsewhereIsCompletedHere() {
    let done = Self.apply(length: 64, Self.header(start: 54, offset: 4))
    #expect(done.accepted && !done.isPartial)
    #expect(Array(done.bytes[58..<60]) == [0xFF, 0xFF])
  }
}

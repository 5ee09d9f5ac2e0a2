import TestPackets
import Testing
import Wire

@Suite struct ChecksumTests {
  private func sum(_ bytes: [UInt8]) -> UInt64 {
    let guarded = GuardedBytes(bytes)
    return InternetChecksum.sum(guarded.start, count: guarded.count)
  }

  @Test func `the example of RFC 1071 section 3`() {
    let bytes: [UInt8] = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]
    #expect(InternetChecksum.fold(sum(bytes)) == 0xDDF2)
    #expect(InternetChecksum.finish(sum(bytes)) == 0x220D)
  }

  @Test func `the example of RFC 1624 section 4`() {
    // A header with checksum 0xDD2F in which 0x5555 became 0x3285: the naive update gives 0xFFFF.
    #expect(InternetChecksum.update(0xDD2F, old: 0x5555, new: 0x3285) == 0x0000)
  }

  @Test func `every length agrees with the long way`() {
    var random = SplitMix64(seed: 3)
    for length in 0...130 {
      for fill in 0..<4 {
        let bytes = (0..<length).map { _ -> UInt8 in
          fill == 0 ? 0xFF : fill == 1 ? 0 : UInt8(truncatingIfNeeded: random.next())
        }
        #expect(InternetChecksum.fold(sum(bytes)) == Checksums.sum(bytes))
      }
    }
  }

  @Test func `large sums fold`() {
    let bytes = [UInt8](repeating: 0xFF, count: 1 << 17)
    #expect(InternetChecksum.fold(sum(bytes)) == 0xFFFF)
    #expect(InternetChecksum.fold(.max) == 0xFFFF)
    #expect(InternetChecksum.fold(0x1_0000_0000) == 1)
    #expect(InternetChecksum.fold(0xFFFF_0001) == 1)
  }

  @Test func `an updated checksum is the one computed anew`() {
    var random = SplitMix64(seed: 4)
    for _ in 0..<20_000 {
      var header = (0..<20).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      header[0] = 0x45
      // Words of zeros and ones, where one's complement has two zeros.
      if random.next() & 3 == 0 { header.replaceSubrange(12..<16, with: [0, 0, 0, 0]) }
      if random.next() & 3 == 0 { header.replaceSubrange(12..<16, with: [255, 255, 255, 255]) }
      header = Compose.withHeaderChecksum(header)
      let checksum = UInt16(header[10]) << 8 | UInt16(header[11])
      var new = (0..<4).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      if random.next() & 3 == 0 { new = [255, 255, 255, 255] }
      if random.next() & 3 == 0 { new = [0, 0, 0, 0] }
      let updated = InternetChecksum.update(
        checksum, old: UInt64(Checksums.sum(header[12..<16])), new: UInt64(Checksums.sum(new)))
      header.replaceSubrange(12..<16, with: new)
      header = Compose.withHeaderChecksum(header)
      #expect(updated == UInt16(header[10]) << 8 | UInt16(header[11]))
    }
  }
}

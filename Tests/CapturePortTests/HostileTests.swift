import CapturePort
import Testing

/// Damaged captures must end reading, and nothing else.
@Suite struct HostileTests {
  static let samples: [(name: String, bytes: [UInt8])] = [
    ("pcap", sampleClassic()), ("pcap, big-endian", sampleClassic(bigEndian: true)),
    ("pcapng", samplePcapng()), ("pcap in gzip", gzipMember(sampleClassic(), blockLength: 90)),
    ("pcapng in gzip", gzipMember(samplePcapng(), blockLength: 90)),
  ]

  @Test(arguments: samples.indices)
  func truncationAtEveryByte(index: Int) throws {
    let (_, bytes) = Self.samples[index]
    let whole = try readAll(bytes)
    #expect(whole.records.count == sampleCount)
    let file = TemporaryFile()
    var most = 0
    for length in 0..<bytes.count {
      file.contents = Array(bytes.prefix(length))
      do {
        let all = try readAll(file)
        // What is there is what was recorded, and more bytes never give fewer packets.
        #expect(all.records == Array(whole.records.prefix(all.records.count)))
        #expect(all.records.count >= most)
        most = all.records.count
        if bytes[0] == 0x1f { #expect(all.warning != nil) }
      } catch CaptureError.notACapture {
        #expect(most == 0)
      }
    }
    // The last byte belongs to the last packet, but for gzip's own end.
    #expect(most == (bytes[0] == 0x1f ? sampleCount : sampleCount - 1))
  }

  @Test func truncationBetweenPacketsIsTheOnlySilentOne() throws {
    let bytes = sampleClassic()
    var boundaries: Set<Int> = [24]
    var end = 24
    for index in 0..<sampleCount {
      end += 16 + sampleFrame(index).count
      boundaries.insert(end)
    }
    for length in 24...bytes.count {
      let all = try readAll(Array(bytes.prefix(length)))
      #expect((all.warning == nil) == boundaries.contains(length))
    }
  }

  /// The record's bytes are all touched, so that a view outside the file would crash.
  @Test(arguments: samples.indices)
  func bitFlips(index: Int) throws {
    let (_, bytes) = Self.samples[index]
    var random = SplitMix(state: 0x5eed + UInt64(index))
    let file = TemporaryFile()
    var read = 0
    for _ in 0..<1000 {
      var damaged = bytes
      for _ in 0...Int(random.next() % 4) {
        let bit = Int(random.next() % UInt64(bytes.count * 8))
        damaged[bit / 8] ^= 1 << (bit % 8)
      }
      file.contents = damaged
      guard let all = try? readAll(file, filter: "udp or not udp") else { continue }
      // No block of the samples is smaller than a record header.
      #expect(all.records.count <= bytes.count / 16)
      for record in all.records { #expect(record.originalLength >= record.bytes.count) }
      read += all.records.count
    }
    #expect(read > 1000)
  }

  @Test func noiseAfterAHeaderEndsQuietly() throws {
    var random = SplitMix(state: 7)
    for _ in 0..<300 {
      let noise = (0..<400).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      let gzip: [UInt8] = [0x1f, 0x8b, 8, 0]
      for header in [sampleClassic().prefix(24), samplePcapng().prefix(28), gzip[...]] {
        _ = try? readAll(header + noise)
      }
    }
  }
}

/// A seeded generator (Steele, Lea and Flood, 2014).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }
}

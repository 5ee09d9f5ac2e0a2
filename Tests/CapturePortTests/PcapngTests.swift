import CapturePort
import Testing

@Suite struct PcapngTests {
  @Test func sectionsInterfacesAndBlocks() throws {
    let all = try readAll(samplePcapng())
    #expect(all.warning == nil)
    #expect(
      all.interfaces == [
        CaptureInterface(name: "one", linkType: 1), CaptureInterface(name: "two", linkType: 101),
        CaptureInterface(name: "three", linkType: 276),
      ])
    #expect(all.records.map(\.bytes) == (0..<sampleCount).map(sampleFrame))
    #expect(all.records.map(\.interface) == [0, 1, 0, 1] + Array(repeating: 2, count: 8))
    #expect(all.records.map(\.linkType).prefix(5) == [1, 101, 1, 101, 276])
    #expect(
      all.records.map(\.time).prefix(7) == [
        0, 5_000_001_000, 2, 5_000_003_000, 4000, 0, 6000,
      ])
  }

  @Test(
    arguments: [
      (nil, 5, 5000), (0, 5, 5_000_000_000), (6, 5, 5000), (9, 5, 5),
      (12, 5999, 5), (28, UInt64.max, 1), (29, .max, 0), (127, .max, 0),
      (0x80, 3, 3_000_000_000), (0x80 | 1, 3, 1_500_000_000), (0x80 | 32, 1 << 31, 500_000_000),
      (0x80 | 63, 1 << 63, 1_000_000_000), (0x80 | 64, 1 << 63, 500_000_000),
      (0x80 | 70, .max, 15_624_999), (0xff, .max, 0),
      // Modulo 2^64, as counters are.
      (0, .max, UInt64.max &* 1_000_000_000),
    ] as [(UInt8?, UInt64, UInt64)])
  func resolutions(resolution: UInt8?, ticks: UInt64, nanoseconds: UInt64) throws {
    var capture = CaptureBytes()
    capture.section()
    capture.interface(resolution: resolution)
    capture.enhancedPacket(ticks: ticks, [1])
    #expect(try readAll(capture.bytes).records.map(\.time) == [nanoseconds])
  }

  @Test func offsetsMayBeNegativeAndAbsurd() throws {
    var capture = CaptureBytes()
    capture.section()
    capture.interface(resolution: 9, offset: -1)
    capture.interface(resolution: 9, offset: .min)
    capture.enhancedPacket(ticks: 1_500_000_000, [1])
    capture.enhancedPacket(interface: 1, ticks: 7, [1])
    #expect(
      try readAll(capture.bytes).records.map(\.time) == [
        500_000_000, UInt64(bitPattern: .min) &* 1_000_000_000 &+ 7,
      ])
  }

  @Test(arguments: [false, true])
  func obsoletePacketBlock(bigEndian: Bool) throws {
    var capture = CaptureBytes(bigEndian: bigEndian)
    capture.section()
    capture.interface()
    capture.interface(linkType: 113)
    capture.block(2) {
      $0.put16(1)
      $0.put16(9)  // Drops.
      $0.put32(1)
      $0.put32(2)
      $0.put32(3)
      $0.put32(60)
      $0.bytes += [1, 2, 3]
    }
    let all = try readAll(capture.bytes)
    #expect(all.records.map(\.bytes) == [[1, 2, 3]])
    #expect(all.records.map(\.linkType) == [113])
    #expect(all.records.map(\.time) == [(1 << 32 + 2) * 1000])
    #expect(all.records.map(\.originalLength) == [60])
  }

  @Test func simplePacketIsCutAtTheSnapshotLength() throws {
    var capture = CaptureBytes()
    capture.section()
    capture.interface(snapshotLength: 2)
    capture.interface(snapshotLength: 7)
    capture.block(3) {
      $0.put32(60)
      $0.bytes += [1, 2]
    }
    let all = try readAll(capture.bytes)
    #expect(all.records == [Copied([1, 2], time: 0, originalLength: 60)])
  }

  /// What follows the first packet, and a part of the warning that it must cause.
  static let damages: [(what: String, make: @Sendable (inout CaptureBytes) -> Void)] = [
    ("block of 8 bytes", { $0.block(6, length: 8) { $0.put32(0) } }),
    (
      "block of 33 bytes",
      { $0.block(77, length: 33) { $0.bytes += [UInt8](repeating: 0, count: 24) } }
    ),
    ("block of 4294967292 bytes", { $0.block(6, length: 0xffff_fffc) { $0.put32(0) } }),
    ("cut short", { $0.block(77, length: 0xffff_fffc) { $0.put32(0) } }),
    (
      "length fields differ",
      { $0.block(6, trailing: 40) { $0.bytes += [UInt8](repeating: 0, count: 24) } }
    ),
    ("length fields differ", { $0.block(77, trailing: 16) { _ in } }),
    ("packet block of 28 bytes", { $0.block(6) { $0.bytes += [UInt8](repeating: 0, count: 16) } }),
    ("packet block of 28 bytes", { $0.block(2) { $0.bytes += [UInt8](repeating: 0, count: 16) } }),
    ("packet block of 12 bytes", { $0.block(3) { _ in } }),
    ("interface 1,", { $0.enhancedPacket(interface: 1, ticks: 0, [1]) }),
    ("interface 4294967295,", { $0.enhancedPacket(interface: -1, ticks: 0, [1]) }),
    ("captured length of 5 ", { $0.enhancedPacket(ticks: 0, [1], captured: 5) }),
    ("captured length of 4294967295 ", { $0.enhancedPacket(ticks: 0, [1], captured: -1) }),
    ("captured length of 9 ", { $0.block(3) { $0.put32(9) } }),
    ("interface block of 16 bytes", { $0.block(1) { $0.put32(1) } }),
    (
      "byte-order magic", { $0.block(0x0a0d_0d0a) { $0.bytes += [UInt8](repeating: 7, count: 16) } }
    ),
    ("version 2.0", { $0.section(major: 2) }),
    (
      "interface 0,",
      {
        $0.section()
        $0.enhancedPacket(ticks: 0, [1])
      }
    ),
    (
      "interface 0,",
      {
        $0.section()
        $0.block(3) { $0.put32(0) }
      }
    ),
  ]

  @Test(arguments: damages.indices)
  func damageEndsReadingWithAWarning(index: Int) throws {
    let damage = Self.damages[index]
    var capture = CaptureBytes()
    capture.section()
    capture.interface()
    capture.enhancedPacket(ticks: 1, [1, 2, 3])
    damage.make(&capture)
    capture.enhancedPacket(ticks: 1, [4])
    let all = try readAll(capture.bytes)
    #expect(all.records.map(\.bytes) == [[1, 2, 3]])
    let warning = try #require(all.warning)
    #expect(warning.contains(damage.what))
    #expect(warning.contains("at byte "))
  }

  @Test func damagedOptionsLeaveThePackets() throws {
    var capture = CaptureBytes()
    capture.section()
    capture.block(1) {
      $0.put16(1)
      $0.put16(0)
      $0.put32(0)
      $0.option(2, Array("eth".utf8))
      $0.option(9, length: 2, [9, 9])
      $0.option(9, length: 60, [9])
    }
    capture.enhancedPacket(ticks: 1, [1])
    let all = try readAll(capture.bytes)
    #expect(all.records == [Copied([1], time: 1000)])
    #expect(all.interfaces.map(\.name) == ["eth"])
    #expect(all.warning?.contains("option reaches past") == true)
    #expect(all.warning?.contains("option 9 of 2 bytes") == true)
  }

  @Test func unknownBlocksLargerThanTheBufferAreSkipped() throws {
    var capture = CaptureBytes()
    capture.section()
    capture.interface()
    capture.block(0x8000_0001) { $0.bytes += [UInt8](repeating: 6, count: 2 << 20) }
    capture.enhancedPacket(ticks: 1, [1])
    #expect(try readAll(capture.bytes).records.count == 1)
    let all = try readAll(gzipMember(capture.bytes))
    #expect(all.records.count == 1)
    #expect(all.warning == nil)
  }
}

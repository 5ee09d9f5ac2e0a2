import CapturePort
import Testing

@Suite struct ClassicTests {
  static let magics: [(magic: UInt32, bigEndian: Bool, unit: UInt64)] = [
    (0xa1b2_c3d4, false, 1000), (0xa1b2_c3d4, true, 1000),
    (0xa1b2_3c4d, false, 1), (0xa1b2_3c4d, true, 1),
  ]

  @Test(arguments: magics)
  func byteOrdersAndResolutions(magic: UInt32, bigEndian: Bool, unit: UInt64) throws {
    var capture = CaptureBytes(bigEndian: bigEndian)
    capture.classicHeader(magic: magic, linkType: 101)
    capture.classicRecord(seconds: 0xffff_ffff, fraction: 999_999, [1, 2, 3], original: 1500)
    capture.classicRecord(seconds: 0, fraction: 0, [])
    // A fraction of more than a second counts as what it says.
    capture.classicRecord(seconds: 7, fraction: 0xffff_ffff, [9])
    let all = try readAll(capture.bytes)
    #expect(all.warning == nil)
    #expect(all.records.map(\.bytes) == [[1, 2, 3], [], [9]])
    #expect(all.records.map(\.originalLength) == [1500, 0, 1])
    #expect(all.records.map(\.linkType) == [101, 101, 101])
    #expect(
      all.records.map(\.time) == [
        0xffff_ffff * 1_000_000_000 + 999_999 * unit, 0, 7_000_000_000 + 0xffff_ffff * unit,
      ])
    #expect(all.interfaces == [CaptureInterface(name: "", linkType: 101)])
    #expect(all.byteCount == UInt64(capture.bytes.count))
    #expect(all.bytesRead == all.byteCount)
  }

  @Test(arguments: [false, true])
  func modifiedFormatHasLongerRecordHeaders(bigEndian: Bool) throws {
    var capture = CaptureBytes(bigEndian: bigEndian)
    capture.classicHeader(magic: 0xa1b2_cd34)
    let extra: [UInt8] = [1, 0, 0, 0, 8, 0, 4, 0]
    capture.classicRecord(seconds: 1, fraction: 2, [5, 6], extra: extra)
    capture.classicRecord(seconds: 2, fraction: 2, [7], extra: extra)
    #expect(try readAll(capture.bytes).records.map(\.bytes) == [[5, 6], [7]])
  }

  @Test func oldVersionsReverseTheLengths() throws {
    for (major, minor) in [(2, 2), (2, 0), (543, 0)] {
      var capture = CaptureBytes()
      capture.classicHeader(major: major, minor: minor)
      capture.classicRecord(seconds: 1, fraction: 0, [5, 6], captured: 60, original: 2)
      let all = try readAll(capture.bytes)
      #expect(all.records.map(\.bytes) == [[5, 6]])
      #expect(all.records.map(\.originalLength) == [60])
    }
  }

  @Test func version23HasEitherOrder() throws {
    var capture = CaptureBytes()
    capture.classicHeader(minor: 3)
    capture.classicRecord(seconds: 1, fraction: 0, [5, 6], captured: 60, original: 2)
    capture.classicRecord(seconds: 1, fraction: 0, [5, 6, 7], captured: 3, original: 60)
    #expect(try readAll(capture.bytes).records.map(\.bytes) == [[5, 6], [5, 6, 7]])
  }

  @Test func capturedMoreThanOriginalIsKept() throws {
    var capture = CaptureBytes()
    capture.classicHeader()
    capture.classicRecord(seconds: 1, fraction: 0, [5, 6, 7], original: 1)
    let all = try readAll(capture.bytes)
    #expect(all.records == [Copied([5, 6, 7], time: 1_000_000_000)])
    #expect(all.warning == nil)
  }

  @Test(arguments: [101, 262145, 1 << 28, 0x7fff_ffff, 0xffff_ffff])
  func excessiveLengthEndsReading(captured: Int) throws {
    var capture = CaptureBytes()
    capture.classicHeader(snapshotLength: captured == 101 ? 100 : 262144)
    capture.classicRecord(seconds: 1, fraction: 0, [1])
    let offset = capture.bytes.count
    capture.classicRecord(
      seconds: 1, fraction: 0, [UInt8](repeating: 0, count: 101), captured: captured)
    let all = try readAll(capture.bytes)
    #expect(all.records.count == 1)
    #expect(all.warning?.contains("at byte \(offset): ") == true)
    #expect(all.warning?.contains("\(captured) bytes") == true)
  }

  @Test func snapshotLengthZeroIsNoLimit() throws {
    var capture = CaptureBytes()
    capture.classicHeader(snapshotLength: 0)
    capture.classicRecord(seconds: 1, fraction: 0, [UInt8](repeating: 3, count: 300_000))
    #expect(try readAll(capture.bytes).records.first?.bytes.count == 300_000)
  }

  @Test func unknownVersionIsNoCapture() {
    var capture = CaptureBytes()
    capture.classicHeader(major: 3)
    #expect {
      try readAll(capture.bytes)
    } throws: { error in
      guard case .notACapture(_, let why) = error as? CaptureError else { return false }
      return why.contains("3.4")
    }
  }
}

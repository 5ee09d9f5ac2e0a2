/// What the file header of a classic pcap file says about its records
/// (draft-ietf-opsawg-pcap; the older variants as libpcap reads them).
struct ClassicLayout {
  /// Which of the two length fields comes first.
  enum LengthOrder {
    /// Captured length, then original length.
    case standard
    /// The other way round: versions before 2.3, and 543.0 of DG/UX.
    case reversed
    /// Version 2.3, where either order was written: the smaller one is the captured length.
    case either
  }

  /// The fields are not little-endian.
  var swapped = false
  /// Nanoseconds in a unit of the second timestamp field: 1 or 1,000.
  var fractionUnit: UInt64 = 1000
  /// Bytes before the packet's own.
  var recordHeaderLength = 16
  var lengthOrder = LengthOrder.standard
  /// A captured length above this is damage.
  var longestPacket = 0
  var linkType: UInt16 = 0

  init() {}

  /// Nil if the first four bytes, loaded as little-endian, are no magic number of classic pcap.
  init?(magic: UInt32) {
    switch magic {
    case 0xa1b2_c3d4: break
    case 0xd4c3_b2a1: swapped = true
    case 0xa1b2_3c4d: fractionUnit = 1
    case 0x4d3c_b2a1: (fractionUnit, swapped) = (1, true)
    // The variant of an old Linux patch, with 8 more bytes in each record header.
    case 0xa1b2_cd34: recordHeaderLength = 24
    case 0x34cd_b2a1: (recordHeaderLength, swapped) = (24, true)
    default: return nil
    }
  }
}

extension CaptureReader {
  private static var fileHeaderLength: Int { 24 }

  /// Reads the rest of the file header. Returns why it is not one.
  mutating func readClassicHeader() -> String? {
    guard window.fill(Self.fileHeaderLength) else {
      return window.failure ?? "the file ends inside its header"
    }
    let header = window.cursor
    let major = load16(header, 4, swapped: classic.swapped)
    let minor = load16(header, 6, swapped: classic.swapped)
    switch (major, minor) {
    case (2, 0...2), (543, 0): classic.lengthOrder = .reversed
    case (2, 3): classic.lengthOrder = .either
    case (2, _): classic.lengthOrder = .standard
    default: return "pcap version \(major).\(minor) is unknown"
    }
    // Zero was written for "no limit".
    let snapshotLength = Int(load32(header, 16, swapped: classic.swapped))
    classic.longestPacket =
      snapshotLength == 0 ? Self.longestPacket : min(snapshotLength, Self.longestPacket)
    // The upper half says whether and how long frame check sequences are.
    classic.linkType = UInt16(
      truncatingIfNeeded: load32(header, 20, swapped: classic.swapped))
    interfaces.append(CaptureInterface(name: "", linkType: classic.linkType))
    window.advance(Self.fileHeaderLength)
    format = .classic
    return nil
  }

  /// The hot loop's body for classic pcap.
  @inline(__always)
  mutating func nextClassic(_ record: inout CaptureRecord) -> Bool {
    let headerLength = classic.recordHeaderLength
    guard window.available >= headerLength || window.fill(headerLength) else { return finish() }
    let swapped = classic.swapped
    var captured = Int(load32(window.cursor, 8, swapped: swapped))
    var original = Int(load32(window.cursor, 12, swapped: swapped))
    if classic.lengthOrder != .standard, classic.lengthOrder == .reversed || captured > original {
      (captured, original) = (original, captured)
    }
    guard captured <= classic.longestPacket else { return stopAtLongPacket(captured) }
    let length = headerLength &+ captured
    guard window.available >= length || window.fill(length) else { return finish() }

    let header = window.cursor
    record.bytes = header + headerLength
    record.capturedLength = captured
    record.originalLength = max(captured, original)
    record.time =
      UInt64(load32(header, 0, swapped: swapped)) &* 1_000_000_000
      &+ UInt64(load32(header, 4, swapped: swapped)) &* classic.fractionUnit
    record.linkType = classic.linkType
    record.interface = 0
    window.advance(length)
    return true
  }

  @inline(never)
  private mutating func stopAtLongPacket(_ captured: Int) -> Bool {
    stop("a captured length of \(captured) bytes, the capture's limit is \(classic.longestPacket)")
  }
}

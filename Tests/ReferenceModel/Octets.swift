import Wire

/// A stretch of a frame: which of its bytes were captured, and how long it was on the wire.
struct Octets {
  let bytes: [UInt8]
  let start: Int
  /// Index after the last captured byte.
  let capturedEnd: Int
  /// Index after the last byte that was on the wire; never before `capturedEnd`.
  let originalEnd: Int

  init(bytes: [UInt8], originalLength: Int) {
    self.init(
      bytes: bytes, start: 0, capturedEnd: bytes.count,
      originalEnd: max(originalLength, bytes.count))
  }

  private init(bytes: [UInt8], start: Int, capturedEnd: Int, originalEnd: Int) {
    self.bytes = bytes
    self.start = start
    self.capturedEnd = capturedEnd
    self.originalEnd = originalEnd
  }

  /// The length on the wire.
  var originalLength: Int { originalEnd - start }

  /// Whether `count` bytes at `offset` were captured.
  func holds(_ offset: Int, _ count: Int) -> Bool { start + offset + count <= capturedEnd }

  /// The rest after `count` bytes, which need not have been captured.
  func dropFirst(_ count: Int) -> Octets {
    Octets(
      bytes: bytes, start: start + count, capturedEnd: capturedEnd, originalEnd: originalEnd)
  }

  /// The first `count` bytes on the wire.
  func prefix(_ count: Int) -> Octets {
    Octets(
      bytes: bytes, start: start, capturedEnd: min(capturedEnd, start + count),
      originalEnd: min(originalEnd, start + count))
  }

  /// The captured part of `count` bytes at `offset`.
  func captured(_ offset: Int, _ count: Int) -> ArraySlice<UInt8> {
    let from = min(start + offset, capturedEnd)
    return bytes[from..<min(max(from, start + offset + count), capturedEnd)]
  }

  func u8(_ offset: Int) -> UInt8 { bytes[start + offset] }

  func u16(_ offset: Int) -> UInt16 { UInt16(u8(offset)) << 8 | UInt16(u8(offset + 1)) }

  func u32(_ offset: Int) -> UInt32 { UInt32(u16(offset)) << 16 | UInt32(u16(offset + 2)) }

  func u64(_ offset: Int) -> UInt64 { UInt64(u32(offset)) << 32 | UInt64(u32(offset + 4)) }

  func mac(_ offset: Int) -> MACAddress {
    MACAddress(UInt64(u16(offset)) << 32 | UInt64(u32(offset + 2)))
  }

  func address(_ family: IPFamily, _ offset: Int) -> IPAddress {
    family == .v4
      ? IPAddress(v4: u32(offset)) : IPAddress(v6: u64(offset), u64(offset + 8))
  }
}

import Wire

/// Bytes of a frame with reads that are checked in every build, release too.
///
/// Guests write these bytes. A view that forgets a check stops the process instead of reading what
/// lies beyond the frame. The bytes must outlive the value.
package struct FrameBytes {
  private let bytes: UnsafeRawBufferPointer

  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  package var count: Int { bytes.count }
  package var array: [UInt8] { Array(bytes) }

  package func byte(_ offset: Int) -> UInt8 { load(offset, as: UInt8.self) }

  /// 16 bits in network byte order.
  package func big16(_ offset: Int) -> UInt16 {
    UInt16(bigEndian: load(offset, as: UInt16.self))
  }

  /// 32 bits in network byte order.
  package func big32(_ offset: Int) -> UInt32 {
    UInt32(bigEndian: load(offset, as: UInt32.self))
  }

  /// 64 bits in network byte order.
  package func big64(_ offset: Int) -> UInt64 {
    UInt64(bigEndian: load(offset, as: UInt64.self))
  }

  package func mac(_ offset: Int) -> MACAddress {
    MACAddress(UInt64(big16(offset)) << 32 | UInt64(big32(offset + 2)))
  }

  package func ipv4(_ offset: Int) -> IPAddress { IPAddress(v4: big32(offset)) }

  package func ipv6(_ offset: Int) -> IPAddress {
    IPAddress(v6: big64(offset), big64(offset + 8))
  }

  /// The bytes of a range, which must lie inside.
  package subscript(range: Range<Int>) -> FrameBytes {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return FrameBytes(UnsafeRawBufferPointer(rebasing: bytes[range]))
  }

  /// What is left after `length` bytes; empty when there are fewer.
  package func dropFirst(_ length: Int) -> FrameBytes { self[min(length, count)..<count] }

  /// At most `length` bytes from the beginning.
  package func prefix(_ length: Int) -> FrameBytes { self[0..<min(length, count)] }

  private func load<Number: FixedWidthInteger & BitwiseCopyable>(
    _ offset: Int, as type: Number.Type
  ) -> Number {
    precondition(offset >= 0 && offset <= count - MemoryLayout<Number>.size)
    return bytes.loadUnaligned(fromByteOffset: offset, as: type)
  }
}

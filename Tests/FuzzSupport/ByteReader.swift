/// Reads an input piece by piece; zero behind its end, so that every input means something.
public struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  public var isAtEnd: Bool { position >= bytes.count }

  public mutating func byte() -> UInt8 {
    guard position < bytes.count else { return 0 }
    defer { position += 1 }
    return bytes[position]
  }

  /// Two bytes, the more significant first.
  public mutating func word() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }

  /// Up to `count` bytes, fewer at the end.
  public mutating func take(_ count: Int) -> UnsafeRawBufferPointer {
    let end = min(bytes.count, position + max(0, count))
    defer { position = end }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<end])
  }

  public mutating func rest() -> UnsafeRawBufferPointer { take(bytes.count - position) }
}

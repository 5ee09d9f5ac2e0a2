/// Bytes in heap memory of exactly their length, with writable room before them: a sanitizer sees
/// the first access beyond either end.
public final class ExactBytes {
  public let base: UnsafeMutableRawPointer
  public let count: Int
  private let memory: UnsafeMutableRawPointer

  public init(_ bytes: UnsafeRawBufferPointer, headroom: Int = 0) {
    memory = .allocate(byteCount: max(1, headroom + bytes.count), alignment: 1)
    base = memory + headroom
    count = bytes.count
    if let start = bytes.baseAddress { base.copyMemory(from: start, byteCount: bytes.count) }
  }

  deinit { memory.deallocate() }

  public var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }
}

import CDeflate

/// Compresses what is written as one gzip member (RFC 1952).
package final class GzipOutput {
  private static let capacity = 1 << 16

  private let deflater: OpaquePointer
  private let room: UnsafeMutableRawBufferPointer

  /// Nil when there is no memory for the encoder's state, about 300 KB.
  package init?() {
    guard let deflater = apus_deflater_create() else { return nil }
    self.deflater = deflater
    room = .allocate(byteCount: Self.capacity, alignment: 16)
  }

  deinit {
    apus_deflater_free(deflater)
    room.deallocate()
  }

  /// Compresses bytes, and calls with each piece of what came of them and of those before.
  ///
  /// - Parameter isLast: nothing follows: what is left comes out, and the member's trailer.
  package func compress(
    _ bytes: UnsafeRawBufferPointer, isLast: Bool, _ write: (UnsafeRawBufferPointer) -> Void
  ) {
    var rest = bytes
    var isDone = rest.isEmpty && !isLast
    while !isDone, let base = room.baseAddress {
      let result = apus_deflater_run(
        deflater, rest.baseAddress ?? UnsafeRawPointer(base), rest.count, isLast ? 1 : 0, base,
        room.count)
      rest = UnsafeRawBufferPointer(rebasing: rest[result.consumed...])
      if result.produced > 0 { write(UnsafeRawBufferPointer(rebasing: room[..<result.produced])) }
      // Room that is left over says that the encoder has nothing more to give.
      isDone = isLast ? result.is_whole != 0 : rest.isEmpty && result.produced < room.count
    }
  }
}

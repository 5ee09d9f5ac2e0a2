import NIOCore

/// Finds out how long gRPC's messages are from their prefixes, without keeping any of them.
///
/// Each message is preceded by a byte that says whether it is compressed and four of length (gRPC
/// over HTTP/2, "Length-Prefixed-Message").
struct MessageFraming {
  private var prefix: UInt64 = 0
  private var prefixBytes = 0
  private var left = 0

  /// Goes over the next bytes of a request.
  ///
  /// - Returns: the length of the longest message that begins in them.
  mutating func read(_ bytes: ByteBuffer) -> Int {
    var longest = 0
    var index = bytes.readerIndex
    while index < bytes.writerIndex {
      if left > 0 {
        let step = min(left, bytes.writerIndex - index)
        left -= step
        index += step
        continue
      }
      prefix = prefix << 8 | UInt64(bytes.getInteger(at: index, as: UInt8.self) ?? 0)
      prefixBytes += 1
      index += 1
      if prefixBytes == 5 {
        left = Int(prefix & 0xFFFF_FFFF)
        longest = max(longest, left)
        (prefix, prefixBytes) = (0, 0)
      }
    }
    return longest
  }
}

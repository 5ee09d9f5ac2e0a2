/// The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
public enum InternetChecksum {
  /// Adds up 16-bit words in network byte order; an odd last byte counts as the high half.
  ///
  /// - Parameter bytes: `count` readable bytes.
  /// - Complexity: O(`count`).
  @unsafe @inlinable
  @_noLocks
  public static func sum(_ bytes: UnsafeRawPointer, count: Int, initial: UInt64 = 0) -> UInt64 {
    var total = initial
    var offset = 0
    // 32-bit words added in 64 bits cannot overflow below 16 GB, and fold to the same 16-bit sum.
    while offset &+ 4 <= count {
      total &+= UInt64(unsafe bytes.big32(offset))
      offset &+= 4
    }
    if offset &+ 2 <= count {
      total &+= UInt64(unsafe bytes.big16(offset))
      offset &+= 2
    }
    if offset < count { total &+= UInt64(unsafe bytes.byte(offset)) << 8 }
    return total
  }

  /// Whether the 20 bytes of an IPv4 header without options sum up to "right".
  ///
  /// Byte order does not matter to a sum that is only compared with all ones (RFC 1071 section 2).
  @unsafe @inlinable @inline(__always)
  @_noLocks
  public static func isRight20(_ header: UnsafeRawPointer) -> Bool {
    let first = unsafe header.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
    let second = unsafe header.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    let third = unsafe header.loadUnaligned(fromByteOffset: 16, as: UInt32.self)
    let sum =
      (first & 0xFFFF_FFFF) &+ (first >> 32) &+ (second & 0xFFFF_FFFF) &+ (second >> 32)
      &+ UInt64(third)
    // A sum folds to all ones exactly when it is a multiple of them, and it is never zero here.
    return sum % 0xFFFF == 0
  }

  /// Folds a sum to 16 bits, end-around carry included.
  @inlinable @inline(__always)
  @_noLocks
  public static func fold(_ sum: UInt64) -> UInt16 {
    var value = (sum & 0xFFFF_FFFF) &+ (sum >> 32)
    value = (value & 0xFFFF) &+ (value >> 16)
    value = (value & 0xFFFF) &+ (value >> 16)
    value = (value & 0xFFFF) &+ (value >> 16)
    return UInt16(truncatingIfNeeded: value)
  }

  /// The checksum field for a sum below 2^32, such as of one header: two folds are enough.
  @inlinable @inline(__always)
  public static func finishHeader(_ sum: UInt64) -> UInt16 {
    let once = (sum & 0xFFFF) &+ (sum >> 16)
    return ~UInt16(truncatingIfNeeded: once &+ (once >> 16))
  }

  /// The checksum field for a sum: its one's complement.
  @inlinable @inline(__always)
  @_noLocks
  public static func finish(_ sum: UInt64) -> UInt16 { ~fold(sum) }

  /// The checksum after `old` bytes of the covered data became `new` ones (RFC 1624, equation 3).
  ///
  /// - Parameters:
  ///   - checksum: the field as it stands.
  ///   - old: the sum of the words that went, in network byte order.
  ///   - new: the sum of the words that came.
  @inlinable
  @_noLocks
  public static func update(_ checksum: UInt16, old: UInt64, new: UInt64) -> UInt16 {
    ~fold(UInt64(~checksum) &+ UInt64(~fold(old)) &+ UInt64(fold(new)))
  }
}

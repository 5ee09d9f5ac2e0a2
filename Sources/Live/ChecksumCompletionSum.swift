import Wire

/// A running Internet checksum (RFC 1071) over pieces of any length.
@usableFromInline struct ByteSum {
  /// What is copied at once of a frame in several buffers.
  @usableFromInline typealias Piece = InlineArray<64, UInt64>
  @usableFromInline static var pieceLength: Int { 512 }

  private var total: UInt64 = 0
  /// An odd number of bytes came so far: the next byte is the low half of its word.
  private var isOdd = false

  @usableFromInline @_noLocks init() {}

  /// Adds the next `count` bytes of the data.
  @unsafe @usableFromInline @_noLocks
  mutating func add(_ bytes: UnsafeRawPointer, count: Int) {
    let folded = unsafe Self.sum(bytes, count: count)
    // RFC 1071 section 2, (B): the sum of shifted bytes is the sum with its halves exchanged.
    total &+= UInt64(isOdd ? folded.byteSwapped : folded)
    if count & 1 != 0 { isOdd.toggle() }
  }

  /// The sum of all that was added, in network byte order, not inverted.
  @usableFromInline var folded: UInt16 { InternetChecksum.fold(total) }

  /// The folded sum of `count` bytes, 32 at a step.
  ///
  /// Words are added as this machine reads them, and the sum's halves exchanged at the end (RFC
  /// 1071 section 2, (B)), which the compiler makes vector additions of.
  @unsafe @usableFromInline @_noLocks
  static func sum(_ bytes: UnsafeRawPointer, count: Int) -> UInt16 {
    var low = SIMD4<UInt64>()
    var high = SIMD4<UInt64>()
    let mask = SIMD4<UInt64>(repeating: 0xFFFF_FFFF)
    var offset = 0
    while offset &+ 32 <= count {
      let words = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: SIMD4<UInt64>.self)
      low &+= words & mask
      high &+= words &>> 32
      offset &+= 32
    }
    let sums = low &+ high
    let all = sums[0] &+ sums[1] &+ sums[2] &+ sums[3]
    let wide = UInt64(InternetChecksum.fold(all).bigEndian)
    return unsafe InternetChecksum.fold(
      InternetChecksum.sum(bytes + offset, count: count &- offset, initial: wide))
  }
}

// Big-endian loads and stores, written once. Every load is unaligned: a header stands wherever the
// frame put it.

extension UnsafeRawPointer {
  /// Reads a byte. The caller has checked that `offset` is inside the frame.
  @unsafe @inlinable @inline(__always)
  public func byte(_ offset: Int) -> UInt8 {
    unsafe loadUnaligned(fromByteOffset: offset, as: UInt8.self)
  }

  /// Reads 16 bits in network byte order. The caller has checked the bounds.
  @unsafe @inlinable @inline(__always)
  public func big16(_ offset: Int) -> UInt16 {
    UInt16(bigEndian: unsafe loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  /// Reads 32 bits in network byte order. The caller has checked the bounds.
  @unsafe @inlinable @inline(__always)
  public func big32(_ offset: Int) -> UInt32 {
    UInt32(bigEndian: unsafe loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  /// Reads 64 bits in network byte order. The caller has checked the bounds.
  @unsafe @inlinable @inline(__always)
  public func big64(_ offset: Int) -> UInt64 {
    UInt64(bigEndian: unsafe loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  /// Reads a 48-bit Ethernet address. The caller has checked the bounds.
  @unsafe @inlinable @inline(__always)
  public func mac(_ offset: Int) -> MACAddress {
    MACAddress(UInt64(unsafe big16(offset)) << 32 | UInt64(unsafe big32(offset + 2)))
  }
}

extension UnsafeMutableRawPointer {
  /// Writes 16 bits in network byte order. The caller has checked the bounds.
  @unsafe @inlinable @inline(__always)
  public func storeBig16(_ value: UInt16, at offset: Int) {
    unsafe storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
  }

  /// Writes 32 bits in network byte order. The caller has checked the bounds.
  @unsafe @inlinable @inline(__always)
  public func storeBig32(_ value: UInt32, at offset: Int) {
    unsafe storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
  }

  /// Writes a 48-bit Ethernet address. The caller has checked the bounds.
  @unsafe @inlinable @inline(__always)
  public func storeMAC(_ value: MACAddress, at offset: Int) {
    unsafe storeBig16(UInt16(truncatingIfNeeded: value.bits >> 32), at: offset)
    unsafe storeBig32(UInt32(truncatingIfNeeded: value.bits), at: offset + 2)
  }
}

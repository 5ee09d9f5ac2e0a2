/// Unaligned loads of file fields; `swapped` says that the file's byte order is not little-endian.
@inline(__always)
func load16(_ base: UnsafeRawPointer, _ offset: Int, swapped: Bool) -> UInt16 {
  let value = UInt16(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  return swapped ? value.byteSwapped : value
}

@inline(__always)
func load32(_ base: UnsafeRawPointer, _ offset: Int, swapped: Bool) -> UInt32 {
  let value = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  return swapped ? value.byteSwapped : value
}

@inline(__always)
func load64(_ base: UnsafeRawPointer, _ offset: Int, swapped: Bool) -> UInt64 {
  let value = UInt64(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  return swapped ? value.byteSwapped : value
}

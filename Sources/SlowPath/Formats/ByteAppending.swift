import Wire

// How representations write: numbers in network byte order at the end of a growing frame.
extension [UInt8] {
  package mutating func appendBig16(_ value: UInt16) {
    append(UInt8(truncatingIfNeeded: value >> 8))
    append(UInt8(truncatingIfNeeded: value))
  }

  package mutating func appendBig32(_ value: UInt32) {
    appendBig16(UInt16(truncatingIfNeeded: value >> 16))
    appendBig16(UInt16(truncatingIfNeeded: value))
  }

  package mutating func appendBig64(_ value: UInt64) {
    appendBig32(UInt32(truncatingIfNeeded: value >> 32))
    appendBig32(UInt32(truncatingIfNeeded: value))
  }

  package mutating func append(_ address: MACAddress) {
    appendBig16(UInt16(truncatingIfNeeded: address.bits >> 32))
    appendBig32(UInt32(truncatingIfNeeded: address.bits))
  }

  /// Four bytes of an IPv4 address, sixteen of an IPv6 address.
  package mutating func append(_ address: IPAddress) {
    if address.family == .v4 { return appendBig32(address.v4Bits) }
    appendBig64(address.high)
    appendBig64(address.low)
  }

  package mutating func append(_ bytes: FrameBytes) {
    append(contentsOf: bytes.array)
  }

  package mutating func appendZeros(_ count: Int) {
    append(contentsOf: repeatElement(0, count: Swift.max(0, count)))
  }

  /// Replaces the 16 bits at `offset`, which must lie inside.
  package mutating func storeBig16(_ value: UInt16, at offset: Int) {
    self[offset] = UInt8(truncatingIfNeeded: value >> 8)
    self[offset + 1] = UInt8(truncatingIfNeeded: value)
  }
}

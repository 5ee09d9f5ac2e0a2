import Wire

/// The ones' complement sum of 16-bit words that IPv4, ICMP, UDP and TCP use (RFC 1071).
package struct InternetChecksum {
  private var sum: UInt64 = 0

  package init() {}

  /// The sum begun with the pseudo header of a transport packet (RFC 768, RFC 8200 section 8.1).
  ///
  /// - Parameter length: bytes of the transport header and its payload.
  package init(
    source: IPAddress, destination: IPAddress, protocolNumber: UInt8, length: Int
  ) {
    for address in [source, destination] {
      for half in [address.high, address.low] {
        sum += half >> 32
        sum += half & 0xFFFF_FFFF
      }
    }
    sum += UInt64(length) + UInt64(protocolNumber)
  }

  /// Adds bytes; only the last run added may have an odd length.
  package mutating func add(_ bytes: FrameBytes) {
    var offset = 0
    while offset + 1 < bytes.count {
      sum += UInt64(bytes.big16(offset))
      offset += 2
    }
    if offset < bytes.count { sum += UInt64(bytes.byte(offset)) << 8 }
  }

  /// Adds bytes; only the last run added may have an odd length.
  package mutating func add(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { add(FrameBytes($0)) }
  }

  /// The checksum field: zero for data that already holds its right checksum.
  package var value: UInt16 {
    var folded = sum
    while folded > 0xFFFF { folded = (folded & 0xFFFF) + (folded >> 16) }
    return ~UInt16(truncatingIfNeeded: folded)
  }
}

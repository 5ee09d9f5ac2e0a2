/// The two families of the Internet Protocol; the raw value is the version field of the header.
public enum IPFamily: UInt8, Sendable, Hashable, BitwiseCopyable {
  case v4 = 4
  case v6 = 6

  /// The length of an address in bits: 32 or 128.
  @inlinable public var bitWidth: Int { self == .v4 ? 32 : 128 }
}

/// An IPv4 or IPv6 address as a number in host byte order.
///
/// An IPv4 address stands in the low 32 bits of `low`, with `high` zero.
@frozen
public struct IPAddress: Hashable, Sendable, BitwiseCopyable {
  public var high: UInt64
  public var low: UInt64
  public var family: IPFamily

  @inlinable public init(family: IPFamily, high: UInt64, low: UInt64) {
    self.family = family
    self.high = high
    self.low = low
  }

  /// An IPv4 address from its 32 bits in host byte order.
  @inlinable public init(v4 bits: UInt32) {
    self.init(family: .v4, high: 0, low: UInt64(bits))
  }

  /// An IPv6 address from its two halves in host byte order.
  @inlinable public init(v6 high: UInt64, _ low: UInt64) {
    self.init(family: .v6, high: high, low: low)
  }

  /// The 32 bits of an IPv4 address in host byte order.
  @inlinable public var v4Bits: UInt32 { UInt32(truncatingIfNeeded: low) }

  /// 224.0.0.0/4 or ff00::/8.
  @inlinable public var isMulticast: Bool {
    family == .v4 ? (low >> 28) == 0xE : (high >> 56) == 0xFF
  }

  /// 255.255.255.255.
  @inlinable public var isLimitedBroadcast: Bool { family == .v4 && low == 0xFFFF_FFFF }

  /// 169.254.0.0/16 (RFC 3927) or fe80::/10 (RFC 4291).
  @inlinable public var isLinkLocal: Bool {
    family == .v4 ? (low >> 16) == 0xA9FE : (high >> 54) == 0x3FA
  }

  /// 0.0.0.0 or ::.
  @inlinable public var isUnspecified: Bool { (high | low) == 0 }

  /// The address `count` above this one; wraps at the end of the family's space.
  @inlinable public func advanced(by count: UInt64) -> IPAddress {
    if family == .v4 { return IPAddress(v4: UInt32(truncatingIfNeeded: low &+ count)) }
    let (sum, carry) = low.addingReportingOverflow(count)
    return IPAddress(v6: high &+ (carry ? 1 : 0), sum)
  }
}

extension IPAddress: Comparable {
  /// IPv4 before IPv6, then by number.
  @inlinable public static func < (a: IPAddress, b: IPAddress) -> Bool {
    (a.family.rawValue, a.high, a.low) < (b.family.rawValue, b.high, b.low)
  }
}

/// A CIDR block: an address whose bits beyond `length` are zero, and that length in bits.
@frozen
public struct IPPrefix: Hashable, Sendable, BitwiseCopyable {
  public let address: IPAddress
  public let length: Int

  /// The block of `length` bits that holds `address`; bits beyond the length are cleared.
  ///
  /// - Precondition: `length` is at most the family's bit width.
  @inlinable public init(_ address: IPAddress, length: Int) {
    precondition(length >= 0 && length <= address.family.bitWidth)
    let (highMask, lowMask) = IPPrefix.mask(family: address.family, length: length)
    self.address = IPAddress(
      family: address.family, high: address.high & highMask, low: address.low & lowMask)
    self.length = length
  }

  /// The mask of a prefix as two halves in host byte order; an IPv4 mask is in the low 32 bits.
  @inlinable public static func mask(family: IPFamily, length: Int) -> (high: UInt64, low: UInt64) {
    if family == .v4 {
      return (0, length == 0 ? 0 : (0xFFFF_FFFF << UInt64(32 - length)) & 0xFFFF_FFFF)
    }
    let high: UInt64 = length == 0 ? 0 : length >= 64 ? .max : .max << UInt64(64 - length)
    let low: UInt64 = length <= 64 ? 0 : length >= 128 ? .max : .max << UInt64(128 - length)
    return (high, low)
  }

  @inlinable public var family: IPFamily { address.family }

  /// Whether the block is 0.0.0.0/0 or ::/0.
  @inlinable public var isEverything: Bool { length == 0 }

  /// Whether an address of the same family begins with the prefix.
  @inlinable public func contains(_ other: IPAddress) -> Bool {
    guard other.family == family else { return false }
    let (highMask, lowMask) = IPPrefix.mask(family: family, length: length)
    return other.high & highMask == address.high && other.low & lowMask == address.low
  }

  /// Whether all addresses of another prefix are in this one.
  @inlinable public func contains(_ other: IPPrefix) -> Bool {
    other.length >= length && contains(other.address)
  }

  /// Whether some address is in both prefixes.
  @inlinable public func overlaps(_ other: IPPrefix) -> Bool {
    contains(other) || other.contains(self)
  }
}

/// A 48-bit Ethernet address in the low bits of a number, first byte on the wire most significant.
@frozen
public struct MACAddress: Hashable, Sendable, BitwiseCopyable {
  public var bits: UInt64

  @inlinable public init(_ bits: UInt64) { self.bits = bits & 0xFFFF_FFFF_FFFF }

  /// The group bit of the first byte (IEEE 802): multicast and broadcast.
  @inlinable public var isMulticast: Bool { (bits >> 40) & 1 == 1 }

  /// ff:ff:ff:ff:ff:ff.
  @inlinable public static var broadcast: MACAddress { MACAddress(0xFFFF_FFFF_FFFF) }

  /// The address of every subnet's virtual router, the same on every host, locally administered.
  ///
  /// Guests learn it by ARP, ND or router advertisement. Delivered frames carry it as source.
  @inlinable public static var router: MACAddress { MACAddress(0x02_61_70_75_73_01) }
}

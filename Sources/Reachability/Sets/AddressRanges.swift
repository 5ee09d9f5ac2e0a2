import Wire

extension IPAddress {
  /// The address as a number: 32 bits of IPv4, 128 of IPv6.
  var number: UInt128 { UInt128(high) << 64 | UInt128(low) }

  init(_ family: IPFamily, number: UInt128) {
    self.init(
      family: family, high: UInt64(truncatingIfNeeded: number >> 64),
      low: UInt64(truncatingIfNeeded: number))
  }
}

extension IPPrefix {
  /// The numbers of the addresses.
  var range: ClosedRange<UInt128> {
    let first = address.number
    return first...first | Self.hostBits(family, length: length)
  }

  /// A number whose bits beyond a prefix length are ones.
  private static func hostBits(_ family: IPFamily, length: Int) -> UInt128 {
    let bits = family.bitWidth - length
    return bits == 128 ? .max : (1 << UInt128(bits)) - 1
  }

  /// The fewest prefixes that together are a range of addresses, ascending.
  ///
  /// - Complexity: O(bits of an address).
  static func covering(_ range: ClosedRange<UInt128>, _ family: IPFamily) -> [IPPrefix] {
    var prefixes: [IPPrefix] = []
    var first = range.lowerBound
    while true {
      // The largest block that begins here and does not go beyond the range.
      var length = family.bitWidth - min(family.bitWidth, first.trailingZeroBitCount)
      while first | hostBits(family, length: length) > range.upperBound { length += 1 }
      prefixes.append(IPPrefix(IPAddress(family, number: first), length: length))
      let last = first | hostBits(family, length: length)
      if last >= range.upperBound { return prefixes }
      first = last + 1
    }
  }
}

/// Addresses of one family, exactly.
public struct AddressSet: Hashable, Sendable {
  public var family: IPFamily
  public var numbers: IntervalMap<UInt128, Bool>

  public init(_ family: IPFamily, _ numbers: IntervalMap<UInt128, Bool>) {
    self.family = family
    self.numbers = numbers
  }

  /// The addresses of some prefixes; those of the other family do not count.
  public init(_ family: IPFamily, _ prefixes: some Sequence<IPPrefix>) {
    self.init(
      family, IntervalMap(prefixes.filter { $0.family == family }.map(\.range)))
  }

  public func contains(_ address: IPAddress) -> Bool {
    address.family == family && numbers.value(at: address.number)
  }

  /// First and last address of each range, ascending.
  public var ranges: [(first: IPAddress, last: IPAddress)] {
    numbers.trueRanges.map {
      (IPAddress(family, number: $0.lowerBound), IPAddress(family, number: $0.upperBound))
    }
  }

  /// The fewest prefixes that together are the set, ascending.
  public var prefixes: [IPPrefix] {
    numbers.trueRanges.flatMap { IPPrefix.covering($0, family) }
  }

  /// Every address of the family.
  static func all(_ family: IPFamily) -> AddressSet {
    AddressSet(family, [IPPrefix(IPAddress(family, number: 0), length: 0)])
  }

  /// Prefixes, or all addresses except some prefixes, whichever is shorter to read.
  public var text: String {
    let included = prefixes
    let rest = AddressSet(family, Self.all(family).numbers.subtracting(numbers)).prefixes
    if rest.count + 1 < included.count {
      return "\(IPPrefix(IPAddress(family, number: 0), length: 0)) except " + Self.text(rest)
    }
    return Self.text(included)
  }

  private static func text(_ prefixes: [IPPrefix]) -> String {
    prefixes.map { prefix in
      prefix.length == prefix.family.bitWidth ? "\(prefix.address)" : "\(prefix)"
    }.joined(separator: ", ")
  }
}

import Wire

/// A seeded generator (Steele, Lea and Flood, OOPSLA 2014), so that every failure repeats.
struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  init(seed: Int) { state = UInt64(bitPattern: Int64(seed)) }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// True once in `count` times.
  mutating func once(in count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }

  /// An address that has much in common with others drawn from the same generator.
  mutating func address(_ family: IPFamily) -> IPAddress {
    // Few distinct values of each part make prefixes nest and addresses meet.
    let part = UInt64.random(in: 0...3, using: &self)
    let noise = next()
    switch (family, Int.random(in: 0...3, using: &self)) {
    case (.v4, 0): return IPAddress(v4: UInt32(truncatingIfNeeded: noise))
    case (.v4, 1): return IPAddress(v4: 0x0A00_0000 | UInt32(noise & 0x3_0303))
    case (.v4, _): return IPAddress(v4: 0x0A00_0000 | UInt32(part << 16 | noise & 0xFF))
    case (.v6, 0): return IPAddress(v6: noise, next())
    case (.v6, 1): return IPAddress(v6: 0xFD00_0010_0000_0000 | noise & 0x303, next() & 3)
    case (.v6, _): return IPAddress(v6: 0xFD00_0010_0000_0000 | part << 8, noise & 0xFFF)
    }
  }

  /// A prefix of any length, short and full ones more often than by chance.
  mutating func prefix(_ family: IPFamily) -> IPPrefix {
    let length =
      switch Int.random(in: 0...9, using: &self) {
      case 0: 0
      case 1, 2, 3: family.bitWidth
      case 4: Int.random(in: 0...8, using: &self)
      default: Int.random(in: 0...family.bitWidth, using: &self)
      }
    return IPPrefix(address(family), length: length)
  }

  /// An address in or next to one of some prefixes, or any other.
  mutating func address(near prefixes: [IPPrefix], _ family: IPFamily) -> IPAddress {
    guard !once(in: 4), let prefix = prefixes.randomElement(using: &self),
      prefix.family == family
    else { return address(family) }
    switch Int.random(in: 0...3, using: &self) {
    case 0: return prefix.address
    case 1: return prefix.address.advanced(by: .max)  // one less
    case 2: return lastAddress(of: prefix)
    default:
      let other = address(family)
      let mask = IPPrefix.mask(family: family, length: prefix.length)
      return IPAddress(
        family: family, high: prefix.address.high | other.high & ~mask.high,
        low: prefix.address.low | other.low & ~mask.low & (family == .v4 ? 0xFFFF_FFFF : .max))
    }
  }

  private func lastAddress(of prefix: IPPrefix) -> IPAddress {
    let mask = IPPrefix.mask(family: prefix.family, length: prefix.length)
    let isV4 = prefix.family == .v4
    return IPAddress(
      family: prefix.family, high: isV4 ? 0 : prefix.address.high | ~mask.high,
      low: prefix.address.low | ~mask.low & (isV4 ? 0xFFFF_FFFF : .max))
  }
}

/// How an interface's pcapng timestamps count: if_tsresol and if_tsoffset (pcapng draft, 4.2).
///
/// Every value of if_tsresol has a meaning here, also those finer than a nanosecond, so that no
/// file needs to be refused for it.
struct InterfaceClock: Equatable {
  private enum Unit: Equatable {
    /// A tick is `factor` nanoseconds.
    case multiple(UInt64)
    /// `divisor` ticks are a nanosecond.
    case fraction(UInt64)
    /// 2^`exponent` ticks are a second.
    case binary(exponent: UInt64)
  }

  private var unit: Unit
  /// Nanoseconds added to every timestamp.
  private var offset: UInt64

  /// - Parameters:
  ///   - resolution: if_tsresol; 6 (microseconds) where the option is missing.
  ///   - offsetSeconds: if_tsoffset, signed seconds; 0 where the option is missing.
  init(resolution: UInt8 = 6, offsetSeconds: Int64 = 0) {
    let exponent = resolution & 0x7f
    offset = UInt64(bitPattern: offsetSeconds) &* 1_000_000_000
    if resolution & 0x80 != 0 {
      unit = .binary(exponent: UInt64(exponent))
    } else if exponent <= 9 {
      unit = .multiple(Self.powerOfTen(9 &- exponent))
    } else {
      unit = .fraction(Self.powerOfTen(exponent &- 9))
    }
  }

  /// Nanoseconds since 1970 of a timestamp in the interface's ticks, modulo 2^64.
  @inline(__always)
  func nanoseconds(_ ticks: UInt64) -> UInt64 {
    switch unit {
    case .multiple(let factor):
      return ticks &* factor &+ offset
    case .fraction(let divisor):
      // 0: more ticks a nanosecond than 64 bits can count.
      return (divisor == 0 ? 0 : ticks / divisor) &+ offset
    case .binary(let exponent):
      return Self.scaled(ticks, exponent) &+ offset
    }
  }

  /// 10^exponent, 0 if that does not fit.
  private static func powerOfTen(_ exponent: UInt8) -> UInt64 {
    guard exponent <= 19 else { return 0 }
    var power: UInt64 = 1
    for _ in 0..<exponent { power &*= 10 }
    return power
  }

  /// ticks * 10^9 / 2^exponent, with the product in 128 bits.
  private static func scaled(_ ticks: UInt64, _ exponent: UInt64) -> UInt64 {
    let product = ticks.multipliedFullWidth(by: 1_000_000_000)
    // The smart shifts give 0 for counts of 64 and more.
    if exponent >= 64 { return product.high >> (exponent &- 64) }
    return product.low >> exponent | product.high << (64 &- exponent)
  }
}

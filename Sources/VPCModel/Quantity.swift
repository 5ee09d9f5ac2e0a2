/// Text such as `5Gbps`, `432000s` or `2MB`: a decimal number and a unit.
struct Quantity {
  struct Unit: Sendable {
    let names: [String]
    /// Base units in one of this unit.
    let factor: UInt64
  }

  enum Failure: Error {
    case malformed
    case unknownUnit(String)
    case noUnit
    /// Finer than the base unit, or more than 63 bits of it.
    case notRepresentable
  }

  /// Nanoseconds.
  static let durations = [
    Unit(names: ["ns"], factor: 1), Unit(names: ["us"], factor: 1000),
    Unit(names: ["ms"], factor: 1_000_000), Unit(names: ["s"], factor: 1_000_000_000),
    Unit(names: ["m"], factor: 60_000_000_000), Unit(names: ["h"], factor: 3_600_000_000_000),
    Unit(names: ["d"], factor: 86_400_000_000_000),
  ]

  /// Bits per second, decimal multiples.
  static let bandwidths = [
    Unit(names: ["bps"], factor: 1), Unit(names: ["kbps", "Kbps"], factor: 1000),
    Unit(names: ["Mbps"], factor: 1_000_000), Unit(names: ["Gbps"], factor: 1_000_000_000),
    Unit(names: ["Tbps"], factor: 1_000_000_000_000),
  ]

  /// Bytes; `kB` is 1000 and `KiB` 1024 (IEC 80000-13).
  static let sizes = [
    Unit(names: ["", "B"], factor: 1), Unit(names: ["kB", "KB"], factor: 1000),
    Unit(names: ["MB"], factor: 1_000_000), Unit(names: ["GB"], factor: 1_000_000_000),
    Unit(names: ["KiB", "kiB"], factor: 1 << 10), Unit(names: ["MiB"], factor: 1 << 20),
    Unit(names: ["GiB"], factor: 1 << 30),
  ]

  /// The value of `text` in base units; exact, never rounded.
  static func parse(_ text: String, units: [Unit]) -> Result<UInt64, Failure> {
    let bytes = text.utf8
    let number = bytes.prefix { (0x30...0x39).contains($0) || $0 == 0x2E }
    let unitName = String(text[number.endIndex...])
    let parts = number.split(separator: 0x2E, omittingEmptySubsequences: false)
    guard parts.count <= 2, let whole = parts.first, !whole.isEmpty,
      parts.count == 1 || !parts[1].isEmpty
    else { return .failure(.malformed) }
    guard let unit = units.first(where: { $0.names.contains(unitName) }) else {
      return .failure(unitName.isEmpty ? .noUnit : .unknownUnit(unitName))
    }
    guard let value = exactProduct(whole, parts.count == 2 ? parts[1] : "".utf8[...], unit.factor)
    else { return .failure(.notRepresentable) }
    return .success(value)
  }

  /// `whole.fraction * factor`, or nil when it is no whole number of up to 63 bits.
  private static func exactProduct(
    _ whole: Substring.UTF8View, _ fraction: Substring.UTF8View, _ factor: UInt64
  ) -> UInt64? {
    guard let units = UInt64(Substring(whole)) else { return nil }
    var digits = fraction
    while digits.last == 0x30 { digits.removeLast() }
    guard digits.count <= 18 else { return nil }
    let scale = (0..<digits.count).reduce(UInt64(1)) { scale, _ in scale * 10 }
    let part = UInt64(Substring(digits)) ?? 0
    let (quotient, remainder) = scale.dividingFullWidth(part.multipliedFullWidth(by: factor))
    let (base, tooBig) = units.multipliedReportingOverflow(by: factor)
    let (sum, tooBigSum) = base.addingReportingOverflow(quotient)
    guard remainder == 0, !tooBig, !tooBigSum, sum <= UInt64(Int64.max) else { return nil }
    return sum
  }
}

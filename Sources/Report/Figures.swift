import Glibc

/// Numbers as people read them, whatever the locale.
enum Figures {
  /// With commas between thousands.
  static func grouped(_ value: UInt64) -> String {
    let digits = String(value)
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index) % 3 == 0 { result.append(",") }
      result.append(digit)
    }
    return result
  }

  /// With a given count of decimals.
  static func decimal(_ value: Double, places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = UInt64((max(0, min(value * scale, 1e18))).rounded())
    if places == 0 { return grouped(scaled) }
    let fraction = String(scaled % UInt64(scale))
    return grouped(scaled / UInt64(scale)) + "."
      + String(repeating: "0", count: places - fraction.count) + fraction
  }

  /// Three digits and a decimal prefix, such as `1.5 k`; without zeros at the end.
  static func short(_ value: Double) -> String {
    var (value, prefix) = (max(0, value), "")
    for next in ["k", "M", "G", "T", "P", "E"] where value >= 1000 {
      value /= 1000
      prefix = next
    }
    let places = value >= 100 || value == value.rounded() ? 0 : value >= 10 ? 1 : 2
    var text = decimal(value, places: places)
    if text.contains(".") {
      while text.hasSuffix("0") { text.removeLast() }
      if text.hasSuffix(".") { text.removeLast() }
    }
    return prefix.isEmpty ? text : "\(text) \(prefix)"
  }

  /// Bytes with a decimal prefix, such as `1.5 MB`.
  static func bytes(_ value: UInt64) -> String {
    let text = short(Double(value))
    return text.contains(" ") ? "\(text)B" : "\(text) B"
  }

  static func percent(_ part: UInt64, of whole: UInt64) -> String {
    guard whole > 0 else { return "–" }
    let share = Double(part) * 100 / Double(whole)
    if part > 0 && share < 0.1 { return "<0.1 %" }
    if part < whole && share > 99.9 { return ">99.9 %" }
    return "\(decimal(share, places: 1)) %"
  }

  /// A span of time with a unit that suits it.
  static func duration(_ nanoseconds: UInt64) -> String {
    let seconds = Double(nanoseconds) / 1e9
    switch nanoseconds {
    case 0: return "0 s"
    case ..<1_000_000: return "\(short(seconds * 1e6)) µs"
    case ..<1_000_000_000: return "\(short(seconds * 1e3)) ms"
    case ..<120_000_000_000: return "\(short(seconds)) s"
    default: break
    }
    let whole = nanoseconds / 1_000_000_000
    func two(_ value: UInt64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let clock = "\(two(whole / 3600 % 24)):\(two(whole / 60 % 60)):\(two(whole % 60))"
    return whole >= 86400 ? "\(grouped(whole / 86400)) d \(clock)" : clock
  }

  /// Such as `2026-11-22 14:38:36 UTC`; the number itself when no calendar has it.
  static func date(_ nanoseconds: UInt64) -> String {
    var seconds = time_t(nanoseconds / 1_000_000_000)
    var parts = tm()
    guard gmtime_r(&seconds, &parts) != nil else { return "\(seconds) s" }
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) UTC"
  }

  /// The next of 1, 2, 2.5, 4 and 5 times a power of ten, for the end of an axis.
  static func axisEnd(_ value: Double) -> Double {
    guard value > 0, value < 1e30 else { return 1 }
    var power = 1.0
    while power * 10 <= value { power *= 10 }
    while power > value { power /= 10 }
    return [1, 2, 2.5, 4, 5, 10].map { $0 * power }.first { $0 >= value * 0.999_999 } ?? value
  }
}

/// Text of JSON documents (RFC 8259), written by hand: the order of keys is part of the contract.
public enum JSONText {
  /// A string with quotes and escapes.
  public static func quote(_ text: some StringProtocol) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  /// An object whose values are already JSON, one member a line.
  ///
  /// - Parameter indent: spaces before the closing brace; members stand two further in.
  public static func object(_ members: [(key: String, value: String)], indent: Int = 0) -> String {
    if members.isEmpty { return "{}" }
    let margin = String(repeating: " ", count: indent)
    let lines = members.map { "\(margin)  \(quote($0.key)): \($0.value)" }
    return "{\n" + lines.joined(separator: ",\n") + "\n\(margin)}"
  }

  /// An array of values that are already JSON, one a line.
  public static func array(_ values: [String], indent: Int = 0) -> String {
    if values.isEmpty { return "[]" }
    let margin = String(repeating: " ", count: indent)
    let lines = values.map { "\(margin)  \($0)" }
    return "[\n" + lines.joined(separator: ",\n") + "\n\(margin)]"
  }

  /// A number with a given count of decimals, whatever the locale.
  public static func decimal(_ value: Double, places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    let scaled = UInt64(max(0, min(value * scale, 1e18)).rounded())
    if places == 0 { return String(scaled) }
    let divisor = UInt64(scale)
    let fraction = String(scaled % divisor)
    return "\(scaled / divisor)." + String(repeating: "0", count: places - fraction.count)
      + fraction
  }
}

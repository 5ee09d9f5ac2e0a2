/// A JSON value to print: fields keep their order, numbers are exact.
indirect enum JSON {
  case text(String)
  case number(UInt64)
  case flag(Bool)
  case list([JSON])
  case fields([(String, JSON)])
  /// Text that is JSON already.
  case verbatim(String)

  /// Counters in the order of their names.
  static func counters(_ values: [String: UInt64]) -> JSON {
    .fields(values.sorted { $0.key < $1.key }.map { ($0.key, .number($0.value)) })
  }

  static func texts(_ texts: [String]) -> JSON { .list(texts.map { .text($0) }) }

  /// One line.
  var line: String {
    switch self {
    case .text(let text): Self.quoted(text)
    case .number(let number): "\(number)"
    case .flag(let flag): flag ? "true" : "false"
    case .list(let items): "[" + items.map(\.line).joined(separator: ",") + "]"
    case .fields(let fields):
      "{" + fields.map { Self.quoted($0.0) + ":" + $0.1.line }.joined(separator: ",") + "}"
    case .verbatim(let text): text
    }
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      case "\u{0}"..<"\u{20}":
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}

/// The text of one JSON object, built field by field on one line (RFC 8259).
package struct JSONObject {
  package private(set) var text = "{"

  package init() {}

  /// The object with its closing brace.
  package var closed: String { text + "}" }

  package mutating func add(_ name: String, raw value: String) {
    if text.utf8.count > 1 { text += "," }
    text += "\"\(name)\":"
    text += value
  }

  package mutating func add(_ name: String, _ value: String) { add(name, raw: quoted(value)) }

  package mutating func add(_ name: String, _ value: some CustomStringConvertible & BinaryInteger) {
    add(name, raw: value.description)
  }

  package mutating func add(_ name: String, _ value: Bool) { add(name, raw: "\(value)") }

  package mutating func add(_ name: String, _ values: [String]) {
    add(name, raw: Self.list(values.map(quoted)))
  }

  /// A list of values that are JSON already.
  package static func list(_ values: [String]) -> String {
    "[" + values.joined(separator: ",") + "]"
  }
}

/// A JSON string with its quotes (RFC 8259 section 7).
package func quoted(_ text: String) -> String {
  let needsEscape = text.utf8.contains { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C || $0 == 0x7F }
  guard needsEscape else { return "\"\(text)\"" }
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar.value {
    case 0x22: result += "\\\""
    case 0x5C: result += "\\\\"
    case 0..<0x20, 0x7F:
      let digits = String(scalar.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}

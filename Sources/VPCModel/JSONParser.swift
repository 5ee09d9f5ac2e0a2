/// A node of a JSON document with its place.
package struct JSONNode {
  indirect enum Value {
    case scalar(SourceScalar)
    case array([JSONNode])
    case object([(key: JSONNode, value: JSONNode)])
  }

  var value: Value
  /// Counts from 1.
  var line: Int32
  /// Counts from 1, in Unicode scalars.
  var column: Int32
}

/// Parses JSON (RFC 8259) many times faster than the YAML parser does.
///
/// It only ever says yes or no. What is not JSON, or has a key twice in one object, is left to the
/// YAML parser, of whose language JSON is a part: it reports the error, or finds that the text is
/// YAML.
struct JSONParser: ~Copyable {
  let bytes: UnsafeBufferPointer<UInt8>
  var index = 0
  var line: Int32 = 1
  var lineStart = 0
  /// Bytes of the line so far that continue a character.
  var continuations = 0

  /// Deeper documents are left to the YAML parser, which knows what to say of them.
  static let deepest = 64

  /// The document in a text; nil when it is not JSON.
  ///
  /// - Complexity: O(n) in the size of the text.
  static func parse(_ text: String) -> JSONNode? {
    var text = text
    return text.withUTF8 { bytes in
      guard bytes.count < Int(Int32.max) else { return nil }
      var parser = JSONParser(bytes)
      parser.skipSpace()
      guard parser.peek == UInt8(ascii: "{") || parser.peek == UInt8(ascii: "[") else { return nil }
      guard let root = parser.node(depth: 0) else { return nil }
      parser.skipSpace()
      return parser.index == bytes.count ? root : nil
    }
  }

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
  }

  var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

  mutating func skipSpace() {
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x09, 0x0D: index += 1
      case 0x0A:
        index += 1
        line += 1
        lineStart = index
        continuations = 0
      default: return
      }
    }
  }

  /// Whether the next byte is this one; then it is passed.
  mutating func take(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    index += 1
    return true
  }

  // MARK: Values

  mutating func node(depth: Int) -> JSONNode? {
    guard depth < Self.deepest, let first = peek else { return nil }
    let (line, column) = (line, Int32(index - lineStart - continuations + 1))
    let value: JSONNode.Value?
    switch first {
    case UInt8(ascii: "{"): value = object(depth).map { .object($0) }
    case UInt8(ascii: "["): value = array(depth).map { .array($0) }
    case UInt8(ascii: "\""): value = string().map { .scalar(SourceScalar($0, isPlain: false)) }
    default: value = plain().map { .scalar(SourceScalar($0, isPlain: true)) }
    }
    return value.map { JSONNode(value: $0, line: line, column: column) }
  }

  private mutating func object(_ depth: Int) -> [(key: JSONNode, value: JSONNode)]? {
    index += 1
    var fields: [(key: JSONNode, value: JSONNode)] = []
    var names: Set<String> = []
    skipSpace()
    if take(UInt8(ascii: "}")) { return fields }
    while true {
      skipSpace()
      guard peek == UInt8(ascii: "\""), let key = node(depth: depth + 1) else { return nil }
      guard case .scalar(let name) = key.value, isNew(name.string, fields, &names) else {
        return nil
      }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { return nil }
      skipSpace()
      guard let value = node(depth: depth + 1) else { return nil }
      fields.append((key, value))
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      return take(UInt8(ascii: "}")) ? fields : nil
    }
  }

  /// Whether an object has no field of this name yet; a set is made only for objects of many
  /// fields.
  func isNew(
    _ name: String, _ fields: [(key: JSONNode, value: JSONNode)], _ names: inout Set<String>
  ) -> Bool {
    guard fields.count >= 16 else {
      return !fields.contains { $0.key.value.isScalar(name) }
    }
    if names.isEmpty {
      for field in fields {
        if case .scalar(let scalar) = field.key.value { names.insert(scalar.string) }
      }
    }
    return names.insert(name).inserted
  }

  private mutating func array(_ depth: Int) -> [JSONNode]? {
    index += 1
    var items: [JSONNode] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return items }
    while true {
      skipSpace()
      guard let item = node(depth: depth + 1) else { return nil }
      items.append(item)
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      return take(UInt8(ascii: "]")) ? items : nil
    }
  }

  // MARK: Scalars

  /// A string, without its quotes.
  private mutating func string() -> String? {
    index += 1
    let start = index
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") {
        defer { index += 1 }
        return String(validating: bytes[start..<index], as: UTF8.self)
      }
      if byte == UInt8(ascii: "\\") { return escapedString(from: start) }
      guard byte >= 0x20 else { return nil }
      if byte & 0xC0 == 0x80 { continuations += 1 }
      index += 1
    }
    return nil
  }

  /// The rest of a string that has escapes, after what needs none.
  private mutating func escapedString(from start: Int) -> String? {
    var text = Array(bytes[start..<index])
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      switch byte {
      case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        guard let scalar = escape() else { return nil }
        text += Array(String(Character(scalar)).utf8)
      case 0..<0x20: return nil
      default:
        if byte & 0xC0 == 0x80 { continuations += 1 }
        text.append(byte)
      }
    }
    return nil
  }

  private mutating func escape() -> Unicode.Scalar? {
    guard let byte = peek else { return nil }
    index += 1
    switch byte {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return codeUnits()
    default: return nil
    }
  }

  /// The character of one `\u` escape, or of two that are a surrogate pair (RFC 8259 section 7).
  private mutating func codeUnits() -> Unicode.Scalar? {
    guard let first = hexadecimal() else { return nil }
    guard first & 0xFC00 == 0xD800 else { return Unicode.Scalar(first) }
    guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")), let second = hexadecimal(),
      second & 0xFC00 == 0xDC00
    else { return nil }
    return Unicode.Scalar(0x10000 + (UInt32(first & 0x3FF) << 10 | UInt32(second & 0x3FF)))
  }

  private mutating func hexadecimal() -> UInt16? {
    guard index + 4 <= bytes.count else { return nil }
    var number: UInt16 = 0
    for byte in bytes[index..<index + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        return nil
      }
      number = number << 4 | UInt16(digit)
    }
    index += 4
    return number
  }

  /// `true`, `false`, `null` or a number.
  private mutating func plain() -> String? {
    let start = index
    while let byte = peek, isPlain(byte) { index += 1 }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    switch text {
    case "true", "false", "null": return text
    default: return isNumber(bytes[start..<index]) ? text : nil
    }
  }

  private func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x61...0x7A, 0x2B, 0x2D, 0x2E, 0x45: true
    default: false
    }
  }

  /// RFC 8259 section 6: no sign but minus, no leading zeros, digits on both sides of a point.
  private func isNumber(_ text: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    var rest = text
    if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
    let whole = digits(&rest)
    guard whole.count > 0, whole.count == 1 || whole.first != UInt8(ascii: "0") else {
      return false
    }
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      if digits(&rest).isEmpty { return false }
    }
    if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
      rest = rest.dropFirst()
      if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") {
        rest = rest.dropFirst()
      }
      if digits(&rest).isEmpty { return false }
    }
    return rest.isEmpty
  }

  private func digits(
    _ rest: inout Slice<UnsafeBufferPointer<UInt8>>
  ) -> Slice<UnsafeBufferPointer<UInt8>> {
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    rest = rest.dropFirst(digits.count)
    return digits
  }
}

extension JSONNode.Value {
  fileprivate func isScalar(_ text: String) -> Bool {
    if case .scalar(let scalar) = self { return scalar.string == text }
    return false
  }
}

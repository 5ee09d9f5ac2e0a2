import Wire

/// What a scalar is by the core schema of YAML 1.2 (section 10.3), of which JSON is a part.
package enum ScalarKind {
  case null, boolean, number, text

  package init(_ scalar: SourceScalar) {
    guard scalar.isPlain else {
      self = .text
      return
    }
    switch scalar.string {
    case "", "~", "null", "Null", "NULL": self = .null
    case "true", "True", "TRUE", "false", "False", "FALSE": self = .boolean
    default: self = Self.isNumber(scalar.string) ? .number : .text
    }
  }

  /// Digits, maybe with a sign, a fraction or an exponent; not the words `inf` and `nan`.
  private static func isNumber(_ text: String) -> Bool {
    guard let first = text.utf8.first, text.utf8.count < 40 else { return false }
    return (0x2B...0x39).contains(first) && Double(text) != nil
  }
}

extension Located {
  package var scalar: SourceScalar? { node.scalar }

  package var isNull: Bool { scalar.map { ScalarKind($0) == .null } ?? false }

  package var isEmptyList: Bool {
    if case .sequence(let sequence) = node.content { return sequence.isEmpty }
    return false
  }
}

/// What a node is, for errors.
package func describe(_ node: SourceNode) -> String {
  switch node.content {
  case .mapping: return "an object"
  case .sequence: return "a list"
  case .alias: return "an alias"
  case .scalar(let scalar):
    switch ScalarKind(scalar) {
    case .null: return "empty"
    case .boolean: return "`\(scalar.string)`"
    case .number: return "the number \(scalar.string)"
    case .text: return quote(scalar.string)
    }
  }
}

/// Text of a file in an error: short, on one line.
package func quote(_ text: String) -> String { "`\(oneLine(text))`" }

/// Text of a file as people may be shown it: short, on one line, and nothing in it that a terminal
/// obeys.
///
/// - Parameter limit: characters of it that are shown.
package func oneLine(_ text: String, limit: Int = 60) -> String {
  var shown = ""
  for scalar in text.unicodeScalars.prefix(limit) {
    shown.unicodeScalars.append(isPlain(scalar) ? scalar : "?")
  }
  return text.unicodeScalars.count > limit ? shown + "…" : shown
}

/// Neither a control character nor one that ends a line or shows nothing.
private func isPlain(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.properties.generalCategory {
  case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: false
  default: true
  }
}

extension DocumentReading {
  /// The characters of a scalar of any type; nil, with an error, when the node is none or is empty.
  package mutating func characters(_ value: Located?, _ expected: String) -> String? {
    guard let value else { return nil }
    guard let scalar = value.scalar, ScalarKind(scalar) != .null else {
      fail(value.place, "must be \(expected), not \(describe(value.node))")
      return nil
    }
    return scalar.string
  }

  /// Text that names an object or a rule: printable, without spaces.
  package mutating func name(_ value: Located?, slashes: Bool = false) -> String? {
    guard let value else { return nil }
    guard let scalar = value.scalar, ScalarKind(scalar) == .text else {
      fail(value.place, "must be text, not \(describe(value.node)); quote it if it is an id")
      return nil
    }
    let text = scalar.string
    guard !text.isEmpty, text.utf8.count <= 255,
      text.unicodeScalars.allSatisfy({ isPlain($0) && !$0.properties.isWhitespace })
    else {
      fail(value.place, "\(quote(text)) is not an id: 1 to 255 printable characters, no spaces")
      return nil
    }
    guard slashes || !text.contains("/") else {
      fail(value.place, "\(quote(text)) is not an id: it must not contain a slash")
      return nil
    }
    guard IPAddress(text) == nil else {
      fail(value.place, "\(quote(text)) is an address, not an id")
      return nil
    }
    return text
  }

  package mutating func boolean(_ value: Located?) -> Bool? {
    guard let value else { return nil }
    guard let scalar = value.scalar, ScalarKind(scalar) == .boolean else {
      fail(value.place, "must be true or false, not \(describe(value.node))")
      return nil
    }
    return scalar.string.lowercased() == "true"
  }

  /// A whole number without quotes.
  package mutating func integer(_ value: Located?, in range: ClosedRange<UInt64>) -> UInt64? {
    guard let value else { return nil }
    guard let scalar = value.scalar, ScalarKind(scalar) == .number else {
      fail(value.place, "must be a whole number, not \(describe(value.node))")
      return nil
    }
    guard let number = decimal(scalar.string), range.contains(number) else {
      let limits = "\(range.lowerBound) to \(range.upperBound)"
      fail(value.place, "must be a whole number from \(limits), not \(quote(scalar.string))")
      return nil
    }
    return number
  }

  /// One word of an enumeration.
  package mutating func choice<Choice: RawRepresentable & CaseIterable>(
    _ value: Located?, _ type: Choice.Type
  ) -> Choice? where Choice.RawValue == String {
    let words = Choice.allCases.map { "`\($0.rawValue)`" }.joined(separator: " or ")
    guard let value, let text = characters(value, words) else { return nil }
    guard let choice = Choice(rawValue: text) else {
      fail(value.place, "must be \(words), not \(quote(text))")
      return nil
    }
    return choice
  }

  package mutating func address(_ value: Located?) -> IPAddress? {
    guard let value, let text = characters(value, "an IP address") else { return nil }
    guard isAddressText(text), let address = IPAddress(text) else {
      fail(value.place, "\(quote(text)) is not an IPv4 or IPv6 address")
      return nil
    }
    return address
  }

  package mutating func prefix(_ value: Located?) -> IPPrefix? {
    guard let value, let text = characters(value, "a CIDR block") else { return nil }
    if let prefix = prefix(text) { return prefix }
    fail(value.place, notACIDR(text))
    return nil
  }

  /// A CIDR block whose host bits are cleared, as AWS does.
  package func prefix(_ text: String) -> IPPrefix? { isAddressText(text) ? IPPrefix(text) : nil }

  package func notACIDR(_ text: String) -> String {
    if isAddressText(text), let address = IPAddress(text) {
      return "\(quote(text)) is not a CIDR block; write `\(text)/\(address.family.bitWidth)`"
    }
    return "\(quote(text)) is not a CIDR block"
  }

  /// An address of one station.
  package mutating func stationMAC(_ value: Located?) -> MACAddress? {
    guard let value, let text = characters(value, "a MAC address") else { return nil }
    guard let mac = MACAddress(digits: text) ?? MACAddress(text), isAddressText(text) else {
      fail(value.place, "\(quote(text)) is not a MAC address such as 02:00:00:00:00:0a")
      return nil
    }
    guard !mac.isMulticast else {
      fail(value.place, "\(quote(text)) is a multicast address")
      return nil
    }
    return mac
  }

  /// A duration in nanoseconds, above zero.
  package mutating func duration(_ value: Located?) -> UInt64? {
    quantity(value, Quantity.durations, "a duration such as `30s`, `500ms` or `1h`")
  }

  /// Bits per second, above zero.
  package mutating func bandwidth(_ value: Located?) -> UInt64? {
    quantity(value, Quantity.bandwidths, "a bandwidth such as `5Gbps` or `100Mbps`")
  }

  /// Bytes, above zero.
  package mutating func size(_ value: Located?) -> UInt64? {
    quantity(value, Quantity.sizes, "a size such as `2MB`, `64KiB` or a number of bytes")
  }

  private mutating func quantity(
    _ value: Located?, _ units: [Quantity.Unit], _ expected: String
  ) -> UInt64? {
    guard let value, let text = characters(value, expected) else { return nil }
    switch Quantity.parse(text, units: units) {
    case .success(0): fail(value.place, "must be above zero")
    case .success(let number): return number
    case .failure(.malformed): fail(value.place, "\(quote(text)) is not \(expected)")
    case .failure(.noUnit): fail(value.place, "\(quote(text)) has no unit: write \(expected)")
    case .failure(.unknownUnit(let unit)):
      fail(value.place, "\(quote(text)) has the unknown unit \(quote(unit)): write \(expected)")
    case .failure(.notRepresentable):
      fail(value.place, "\(quote(text)) is too large or too fine")
    }
    return nil
  }
}

extension MACAddress {
  /// Parses the form that nearly all files have, `02:00:00:00:00:0a`, without copies of its parts.
  fileprivate init?(digits text: String) {
    let bytes = text.utf8
    guard bytes.count == 17 else { return nil }
    var bits: UInt64 = 0
    for (index, byte) in bytes.enumerated() {
      let digit: UInt8
      switch byte {
      case 0x3A where index % 3 == 2: continue
      case 0x30...0x39: digit = byte - 0x30
      case 0x61...0x66: digit = byte - 0x61 + 10
      case 0x41...0x46: digit = byte - 0x41 + 10
      default: return nil
      }
      if index % 3 == 2 { return nil }
      bits = bits << 4 | UInt64(digit)
    }
    self.init(bits)
  }
}

/// ASCII only: the C parser behind addresses would stop at an embedded NUL and accept the rest.
private func isAddressText(_ text: String) -> Bool {
  text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
}

/// A decimal number without sign; leading zeros are refused: some readers take them as octal.
package func decimal(_ text: some StringProtocol) -> UInt64? {
  let digits = text.utf8
  guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }),
    digits.count == 1 || digits.first != 0x30
  else { return nil }
  return UInt64(text)
}

import VPCModel
import Wire

/// A field that is missing or wrong: its object is left out, and the import refused.
struct Malformed: Error {
  var place: Place
  var reason: String
}

/// A value of a JSON document, with its place.
struct Value {
  let node: SourceNode
  let place: Place

  init(_ located: Located) {
    node = located.node
    place = located.place
  }

  private init(_ node: SourceNode, file: Int, path: FieldPath) {
    self.node = node
    place = Place(file: file, line: node.line, column: node.column, path: path)
  }

  private func fail(_ expected: String) -> Malformed {
    Malformed(place: place, reason: "must be \(expected), not \(describe(node))")
  }

  // MARK: Structure

  /// The fields of an object; those that are `null` count as absent.
  func fields() throws(Malformed) -> Fields {
    guard case .mapping(let mapping) = node.content else { throw fail("an object") }
    var values: [(name: String, value: Value)] = []
    values.reserveCapacity(mapping.count)
    for (key, node) in mapping {
      guard let name = key.scalar?.string, !node.isNull else { continue }
      let path = FieldPath(place.path, .field(name))
      values.append((name, Value(node, file: place.file, path: path)))
    }
    return Fields(place: place, values: values)
  }

  /// The items of a list.
  func items() throws(Malformed) -> [Value] {
    guard case .sequence(let items) = node.content else { throw fail("a list") }
    return items.enumerated().map { index, node in
      Value(node, file: place.file, path: FieldPath(place.path, .item(index)))
    }
  }

  // MARK: Scalars

  func text() throws(Malformed) -> String {
    guard let scalar = node.scalar, !scalar.isPlain else { throw fail("text") }
    return scalar.string
  }

  /// Text that can be an id of the model.
  func id() throws(Malformed) -> String {
    let text = try text()
    let isID = text.utf8.allSatisfy {
      switch $0 {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
      default: false
      }
    }
    guard isID, (1...255).contains(text.utf8.count), IPAddress(text) == nil else {
      throw Malformed(place: place, reason: "\(quote(text)) is not an AWS id")
    }
    return text
  }

  func flag() throws(Malformed) -> Bool {
    switch node.scalar {
    case .some(let scalar) where scalar.isPlain && scalar.string == "true": return true
    case .some(let scalar) where scalar.isPlain && scalar.string == "false": return false
    default: throw fail("true or false")
    }
  }

  /// A whole number; Terraform writes some as text.
  func number(_ range: ClosedRange<Int>) throws(Malformed) -> Int {
    guard let scalar = node.scalar, let number = Int(scalar.string), range.contains(number) else {
      throw fail("a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func address() throws(Malformed) -> IPAddress {
    let text = try text()
    guard isASCII(text), let address = IPAddress(text) else { throw fail("an IP address") }
    return address
  }

  func prefix(_ family: IPFamily? = nil) throws(Malformed) -> IPPrefix {
    let text = try text()
    guard isASCII(text), let prefix = IPPrefix(text), family == nil || prefix.family == family
    else {
      let kind = family.map { $0 == .v4 ? "an IPv4 " : "an IPv6 " } ?? "a "
      throw fail("\(kind)CIDR block")
    }
    return prefix
  }

  func mac() throws(Malformed) -> MACAddress {
    let text = try text()
    guard isASCII(text), let mac = MACAddress(text), !mac.isMulticast else {
      throw fail("the MAC address of a station")
    }
    return mac
  }

  /// The C parser behind addresses would stop at an embedded NUL and accept the rest.
  private func isASCII(_ text: String) -> Bool {
    text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
  }
}

extension SourceNode {
  fileprivate var isNull: Bool { scalar.map { $0.isPlain && $0.string == "null" } ?? false }
}

/// The fields of one object.
struct Fields {
  let place: Place
  fileprivate let values: [(name: String, value: Value)]

  subscript(name: String) -> Value? {
    for field in values where field.name == name { return field.value }
    return nil
  }

  var names: [String] { values.map(\.name) }

  func required(_ name: String) throws(Malformed) -> Value {
    guard let value = self[name] else {
      throw Malformed(place: place, reason: "has no `\(name)`: was the output cut or filtered?")
    }
    return value
  }

  func id(_ name: String) throws(Malformed) -> String { try required(name).id() }

  func optionalID(_ name: String) throws(Malformed) -> String? {
    guard let value = try optionalText(name), !value.isEmpty else { return nil }
    return try self[name]?.id()
  }

  func optionalText(_ name: String) throws(Malformed) -> String? { try self[name]?.text() }

  func flag(_ name: String, default standard: Bool) throws(Malformed) -> Bool {
    try self[name]?.flag() ?? standard
  }

  /// The items of a list that may be absent.
  func items(_ name: String) throws(Malformed) -> [Value] { try self[name]?.items() ?? [] }

  /// The objects of a list that may be absent.
  func objects(_ name: String) throws(Malformed) -> [Fields] {
    var objects: [Fields] = []
    for item in try items(name) { objects.append(try item.fields()) }
    return objects
  }
}

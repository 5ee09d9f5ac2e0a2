/// What a reader of a long JSON document does with one value of it.
package enum JSONChoice {
  /// Looks at the fields or items of the value one after the other.
  case enter
  /// Takes the value whole.
  case take
  /// Passes over the value; it must be JSON all the same.
  case skip
}

/// Reads a JSON document (RFC 8259) value by value.
package protocol JSONItemReading {
  /// What to do with the value at a path; nil is the whole document.
  mutating func choice(at path: FieldPath?) -> JSONChoice

  /// Is given each value that was to be taken, in the order of the document.
  mutating func take(_ value: Located)
}

/// Why a document is not JSON, and where it stops being JSON.
package struct JSONSyntaxError: Error {
  package var line: Int
  package var column: Int
  package var reason: String
}

/// A JSON document of any size, of which only the values that are taken are ever in memory.
package enum JSONItems {
  /// Walks through a document.
  ///
  /// - Parameters:
  ///   - bytes: UTF-8, at most 2 GiB.
  ///   - file: the index that places shall have.
  /// - Throws: the first byte that is no JSON. What was taken before it was taken.
  /// - Complexity: O(n) in bytes; memory for one taken value at a time.
  package static func read(
    _ bytes: [UInt8], file: Int, by reader: inout some JSONItemReading
  ) throws(JSONSyntaxError) {
    let result: JSONSyntaxError? = bytes.withUnsafeBufferPointer { bytes in
      guard bytes.count < Int(Int32.max) else {
        return JSONSyntaxError(line: 1, column: 1, reason: "is larger than 2 GiB")
      }
      var parser = JSONParser(bytes)
      // A byte order mark, as some editors leave one.
      if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { parser.index = 3 }
      parser.skipSpace()
      let isRead = parser.walk(nil, file: file, depth: 0, by: &reader)
      parser.skipSpace()
      return isRead && parser.index == bytes.count ? nil : parser.failure(isRead: isRead)
    }
    if let result { throw result }
  }
}

extension JSONParser {
  /// Reads the next value as the reader wants it; false when it is no JSON.
  fileprivate mutating func walk(
    _ path: FieldPath?, file: Int, depth: Int, by reader: inout some JSONItemReading
  ) -> Bool {
    guard depth < Self.deepest, let first = peek else { return false }
    let isContainer = first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    switch reader.choice(at: path) {
    case .enter where first == UInt8(ascii: "{"):
      return enterObject(path, file: file, depth: depth, by: &reader)
    case .enter where first == UInt8(ascii: "["):
      return enterArray(path, file: file, depth: depth, by: &reader)
    case .skip where isContainer:
      var nobody = Passing()
      return walk(path, file: file, depth: depth, by: &nobody)
    case .skip:
      return node(depth: depth) != nil
    case .enter, .take:
      guard let node = node(depth: depth) else { return false }
      let place = Place(file: file, line: Int(node.line), column: Int(node.column), path: path)
      reader.take(Located(node: .json(node), place: place))
      return true
    }
  }

  private mutating func enterObject(
    _ path: FieldPath?, file: Int, depth: Int, by reader: inout some JSONItemReading
  ) -> Bool {
    index += 1
    var names: Set<String> = []
    skipSpace()
    if take(UInt8(ascii: "}")) { return true }
    while true {
      skipSpace()
      guard peek == UInt8(ascii: "\""), let key = node(depth: depth + 1),
        case .scalar(let name) = key.value, names.insert(name.string).inserted
      else { return false }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { return false }
      skipSpace()
      let field = FieldPath(path, .field(name.string))
      guard walk(field, file: file, depth: depth + 1, by: &reader) else { return false }
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      return take(UInt8(ascii: "}"))
    }
  }

  private mutating func enterArray(
    _ path: FieldPath?, file: Int, depth: Int, by reader: inout some JSONItemReading
  ) -> Bool {
    index += 1
    skipSpace()
    if take(UInt8(ascii: "]")) { return true }
    var count = 0
    while true {
      skipSpace()
      let item = FieldPath(path, .item(count))
      guard walk(item, file: file, depth: depth + 1, by: &reader) else { return false }
      count += 1
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      return take(UInt8(ascii: "]"))
    }
  }

  fileprivate func failure(isRead: Bool) -> JSONSyntaxError {
    let reason =
      if isRead {
        "something follows the end of the JSON document"
      } else if index >= bytes.count {
        "ends in the middle of the JSON document: it was cut"
      } else {
        "is not JSON from here on, nests deeper than \(Self.deepest), or repeats a field"
      }
    let column = max(1, index - lineStart - continuations + 1)
    return JSONSyntaxError(line: Int(line), column: column, reason: reason)
  }
}

/// Takes nothing.
private struct Passing: JSONItemReading {
  mutating func choice(at path: FieldPath?) -> JSONChoice { .enter }
  mutating func take(_ value: Located) {}
}

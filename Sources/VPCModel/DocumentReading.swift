/// A node of a document with its place.
package struct Located {
  package var node: SourceNode
  package var place: Place

  package init(node: SourceNode, place: Place) {
    self.node = node
    self.place = place
  }
}

/// What a reader of documents keeps while it reads: the files, the errors, the file that is read.
package struct DocumentState {
  package let files: [String]
  package fileprivate(set) var errors: [ModelError] = []
  fileprivate var file = 0
  fileprivate var renamedKeys: [String: String] = [:]
  /// What a list may still hold; a text without aliases has fewer items than bytes.
  fileprivate var itemsLeft = 0

  /// - Parameter files: names of the files, by index.
  package init(files: [String]) {
    self.files = files
  }
}

/// Reads YAML or JSON documents field by field, and collects all errors with their places.
package protocol DocumentReading {
  var state: DocumentState { get set }

  /// Reads everything in one document.
  mutating func readDocument(_ root: Located)
}

extension DocumentReading {
  package var files: [String] { state.files }
  package var errors: [ModelError] { state.errors }

  /// Parses a text and reads it.
  package mutating func read(_ text: String, file index: Int) {
    state.file = index
    do throws(SourceDocument.SyntaxError) {
      let document = try SourceDocument(text)
      state.renamedKeys = document.renamedKeys
      state.itemsLeft = text.utf8.count
      guard let root = document.root else { return }
      readDocument(Located(node: root, place: place(of: root, path: nil)))
    } catch {
      fail(file: index, line: error.line, column: error.column, error.reason)
    }
  }

  /// Reads a file.
  package mutating func read(path: String, file index: Int) {
    do {
      read(try TextFile.read(path), file: index)
    } catch {
      fail(file: index, line: error.line, column: nil, error.reason)
    }
  }

  // MARK: Errors

  package mutating func fail(_ place: Place, _ reason: String) {
    state.errors.append(
      ModelError(
        file: files[place.file], line: place.line, column: place.line > 0 ? place.column : nil,
        path: place.path?.text ?? "", reason: reason))
  }

  package mutating func fail(file: Int, line: Int, column: Int?, _ reason: String) {
    state.errors.append(
      ModelError(file: files[file], line: line, column: column, path: "", reason: reason))
  }

  /// Errors in order of file, line and column, each once.
  package func errorsInOrder() -> [ModelError] {
    let ranks = Dictionary(files.enumerated().map { ($1, $0) }) { first, _ in first }
    var seen: Set<ModelError> = []
    return errors.filter { seen.insert($0).inserted }.sorted { a, b in
      let (left, right) = (ranks[a.file] ?? 0, ranks[b.file] ?? 0)
      return (left, a.line, a.column ?? 0, a.path, a.reason)
        < (right, b.line, b.column ?? 0, b.path, b.reason)
    }
  }

  /// `FILE:LINE` of a place, for errors that name two; the object where there is no line.
  package func text(_ place: Place) -> String {
    guard place.line > 0 else { return "`\(place.path?.text ?? "")` of \(files[place.file])" }
    return "\(files[place.file]):\(place.line)"
  }

  // MARK: Structure

  private func place(of node: SourceNode, path: FieldPath?) -> Place {
    Place(file: state.file, line: node.line, column: node.column, path: path)
  }

  /// The fields of a mapping; those that are unknown, repeated or missing are errors.
  package mutating func fields(_ object: Located, _ kind: ObjectFields) -> Fields? {
    guard case .mapping(let mapping) = object.node.content else {
      fail(object.place, "must be an object with fields, not \(describe(object.node))")
      return nil
    }
    var fields = Fields(place: object.place)
    for (key, value) in mapping {
      guard let (name, path) = keyName(key, parent: object.place.path) else {
        fail(place(of: key, path: object.place.path), "field names must be text")
        continue
      }
      if let first = fields.keyPlace(name) {
        fail(place(of: key, path: path), "is given twice; first at \(text(first))")
      } else if kind.required.contains(name) || kind.optional.contains(name) {
        fields.append(
          name, key: place(of: key, path: path),
          Located(node: value, place: place(of: value, path: path)))
      } else {
        let hint = kind.suggestion(for: name).map { "; did you mean `\($0)`?" } ?? ""
        fail(place(of: key, path: path), "is not a known field" + hint)
      }
    }
    for name in kind.required where fields[name] == nil {
      fail(object.place.field(name), "is missing")
    }
    return fields
  }

  /// The name of a key as written in the file, and the path of its field.
  private func keyName(_ key: SourceNode, parent: FieldPath?) -> (name: String, path: FieldPath)? {
    guard let scalar = key.scalar else { return nil }
    let name = state.renamedKeys[scalar.string] ?? scalar.string
    return (name, FieldPath(parent, .field(name)))
  }

  /// The items of a list; an absent or empty field is an empty list.
  package mutating func items(_ list: Located?) -> [Located] {
    guard let list, !list.isNull else { return [] }
    guard case .sequence(let sequence) = list.node.content else {
      fail(list.place, "must be a list, not \(describe(list.node))")
      return []
    }
    guard spend(sequence.count, at: list.place) else { return [] }
    return sequence.enumerated().map { index, node in
      Located(node: node, place: place(of: node, path: FieldPath(list.place.path, .item(index))))
    }
  }

  /// The items of a list, or the one value that stands in place of a list.
  package mutating func oneOrMore(_ value: Located?) -> [Located] {
    guard let value else { return [] }
    if case .sequence = value.node.content { return items(value) }
    return [value]
  }

  /// Keys and values of a mapping whose keys are data.
  package mutating func pairs(_ map: Located?) -> [(key: Located, value: Located)] {
    guard let map, !map.isNull else { return [] }
    guard case .mapping(let mapping) = map.node.content else {
      fail(map.place, "must be an object, not \(describe(map.node))")
      return []
    }
    guard spend(mapping.count, at: map.place) else { return [] }
    return mapping.map { key, value in
      let path = keyName(key, parent: map.place.path)?.path ?? map.place.path
      return (
        Located(node: key, place: place(of: key, path: path)),
        Located(node: value, place: place(of: value, path: path))
      )
    }
  }

  /// The name under which a repeated key was read, see `SourceDocument`.
  package func isRepeatedKey(_ name: String) -> Bool { state.renamedKeys[name] != nil }

  /// Keeps aliases of aliases from growing into more than the file can hold.
  private mutating func spend(_ count: Int, at place: Place) -> Bool {
    if state.itemsLeft >= count {
      state.itemsLeft -= count
      return true
    }
    if state.itemsLeft >= 0 { fail(place, "YAML aliases grow beyond the size of the file") }
    state.itemsLeft = -1
    return false
  }
}

/// The fields that one object of a file has.
package struct Fields {
  package let place: Place
  private var entries: [(name: String, key: Place, value: Located)] = []

  package init(place: Place) {
    self.place = place
  }

  mutating func append(_ name: String, key: Place, _ value: Located) {
    entries.append((name, key, value))
  }

  package func keyPlace(_ name: String) -> Place? {
    index(of: name).map { entries[$0].key }
  }

  package subscript(name: String) -> Located? { index(of: name).map { entries[$0].value } }

  /// A loop over indices: entries are not copied only to look at their names.
  private func index(of name: String) -> Int? {
    for index in entries.indices where entries[index].name == name { return index }
    return nil
  }
}

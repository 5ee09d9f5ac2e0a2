import Yams

/// A node of a document with its place.
struct Located {
  var node: Node
  var place: Place
}

/// Reads documents into a model and into the facts that are checked when all files are read.
///
/// An object with a wrong field is left out of the model (which is then refused anyway), but what
/// is right in it still becomes facts, so that the rest of it is checked too.
struct ModelReader {
  let files: [String]
  private(set) var errors: [ModelError] = []
  var model = VPCModel()
  var facts = ModelFacts()

  private var file = 0
  private var renamedKeys: [String: String] = [:]
  /// What a list may still hold; a text without aliases has fewer items than bytes.
  private var itemsLeft = 0

  init(files: [String]) {
    self.files = files
  }

  mutating func read(_ text: String, file index: Int) {
    file = index
    do throws(SourceDocument.SyntaxError) {
      let document = try SourceDocument(text)
      renamedKeys = document.renamedKeys
      itemsLeft = text.utf8.count
      guard let root = document.root else { return }
      readDocument(Located(node: root, place: place(of: root, path: nil)))
    } catch {
      fail(file: index, line: error.line, column: error.column, error.reason)
    }
  }

  // MARK: Errors

  mutating func fail(_ place: Place, _ reason: String) {
    errors.append(
      ModelError(
        file: files[place.file], line: place.line, column: place.column,
        path: place.path?.text ?? "", reason: reason))
  }

  mutating func fail(file: Int, line: Int, column: Int?, _ reason: String) {
    errors.append(
      ModelError(file: files[file], line: line, column: column, path: "", reason: reason))
  }

  /// Errors in order of file, line and column, each once.
  func errorsInOrder() -> [ModelError] {
    let ranks = Dictionary(files.enumerated().map { ($1, $0) }) { first, _ in first }
    var seen: Set<ModelError> = []
    return errors.filter { seen.insert($0).inserted }.sorted { a, b in
      let (left, right) = (ranks[a.file] ?? 0, ranks[b.file] ?? 0)
      return (left, a.line, a.column ?? 0, a.path, a.reason)
        < (right, b.line, b.column ?? 0, b.path, b.reason)
    }
  }

  /// `FILE:LINE` of a place, for errors that name two.
  func text(_ place: Place) -> String { "\(files[place.file]):\(place.line)" }

  // MARK: Structure

  private func place(of node: Node, path: FieldPath?) -> Place {
    Place(file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, path: path)
  }

  /// The fields of a mapping; those that are unknown, repeated or missing are errors.
  mutating func fields(_ object: Located, _ kind: ObjectFields) -> Fields? {
    guard case .mapping(let mapping) = object.node else {
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
  private func keyName(_ key: Node, parent: FieldPath?) -> (name: String, path: FieldPath)? {
    guard case .scalar(let scalar) = key else { return nil }
    let name = renamedKeys[scalar.string] ?? scalar.string
    return (name, FieldPath(parent, .field(name)))
  }

  /// The items of a list; an absent or empty field is an empty list.
  mutating func items(_ list: Located?) -> [Located] {
    guard let list, !list.isNull else { return [] }
    guard case .sequence(let sequence) = list.node else {
      fail(list.place, "must be a list, not \(describe(list.node))")
      return []
    }
    guard spend(sequence.count, at: list.place) else { return [] }
    return sequence.enumerated().map { index, node in
      Located(node: node, place: place(of: node, path: FieldPath(list.place.path, .item(index))))
    }
  }

  /// The items of a list, or the one value that stands in place of a list.
  mutating func oneOrMore(_ value: Located?) -> [Located] {
    guard let value else { return [] }
    if case .sequence = value.node { return items(value) }
    return [value]
  }

  /// Keys and values of a mapping whose keys are data.
  mutating func pairs(_ map: Located?) -> [(key: Located, value: Located)] {
    guard let map, !map.isNull else { return [] }
    guard case .mapping(let mapping) = map.node else {
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
  func isRepeatedKey(_ name: String) -> Bool { renamedKeys[name] != nil }

  /// Keeps aliases of aliases from growing into more than the file can hold.
  private mutating func spend(_ count: Int, at place: Place) -> Bool {
    if itemsLeft >= count {
      itemsLeft -= count
      return true
    }
    if itemsLeft >= 0 { fail(place, "YAML aliases grow beyond the size of the file") }
    itemsLeft = -1
    return false
  }
}

/// The fields that one object of a file has.
struct Fields {
  let place: Place
  private var entries: [(name: String, key: Place, value: Located)] = []

  init(place: Place) {
    self.place = place
  }

  mutating func append(_ name: String, key: Place, _ value: Located) {
    entries.append((name, key, value))
  }

  func keyPlace(_ name: String) -> Place? { entries.first { $0.name == name }?.key }

  subscript(name: String) -> Located? { entries.first { $0.name == name }?.value }
}

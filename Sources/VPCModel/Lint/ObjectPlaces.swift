/// Where objects and rules stand in model files, by the names that warnings give them.
public struct ObjectPlaces: Sendable {
  public struct Place: Sendable, Equatable {
    /// As given.
    public var file: String
    /// Counts from 1.
    public var line: Int

    public init(file: String, line: Int) {
      self.file = file
      self.line = line
    }
  }

  private var places: [String: Place] = [:]

  /// Reads the files once more; one that cannot be read has no places.
  ///
  /// - Complexity: O(n) in the size of the files.
  public init(paths: [String]) {
    for path in paths {
      guard let text = try? TextFile.read(path), let document = try? SourceDocument(text),
        let root = document.root
      else { continue }
      for (section, list) in Self.fields(root) {
        for object in Self.items(list) { note(object, section, path) }
      }
    }
  }

  /// The place of a warning's object; nil when no file has it.
  public subscript(object: String) -> Place? { places[object] }

  private mutating func note(_ object: SourceNode, _ section: String, _ path: String) {
    let fields = Self.fields(object)
    let text = { (name: String) in fields.first { $0.name == name }?.value.scalar?.string }
    if section == "mappings", let vpc = text("vpc"), let address = text("address") {
      keep("\(vpc)/\(address)", object, path)
    }
    guard let id = text("id") else { return }
    keep(id, object, path)
    for (name, list) in fields where ["ingress", "egress", "routes"].contains(name) {
      for (index, item) in Self.items(list).enumerated() {
        let parts = Self.fields(item)
        let part = { (name: String) in parts.first { $0.name == name }?.value.scalar?.string }
        if let own = part("id") { keep(own, item, path) }
        if name == "routes" {
          if let destination = part("to") { keep("\(id)/\(destination)", item, path) }
        } else {
          // Rules of groups are counted, those of ACLs have numbers.
          keep("\(id)/\(name)/\(part("rule") ?? "\(index)")", item, path)
        }
      }
    }
  }

  private mutating func keep(_ name: String, _ node: SourceNode, _ path: String) {
    if places[name] == nil { places[name] = Place(file: path, line: node.line) }
  }

  private static func fields(_ node: SourceNode) -> [(name: String, value: SourceNode)] {
    guard case .mapping(let pairs) = node.content else { return [] }
    return pairs.compactMap { key, value in key.scalar.map { ($0.string, value) } }
  }

  private static func items(_ node: SourceNode) -> [SourceNode] {
    guard case .sequence(let items) = node.content else { return [] }
    return items
  }
}

import Yams

/// A node of a document, as the YAML or the JSON parser made it.
package enum SourceNode {
  case yaml(Node)
  case json(JSONNode)

  /// What a node is, one level deep: aliases of a YAML document would grow without bound if all
  /// levels were taken at once.
  package enum Content {
    case scalar(SourceScalar)
    case sequence([SourceNode])
    case mapping([(key: SourceNode, value: SourceNode)])
    case alias
  }

  package var content: Content {
    switch self {
    case .yaml(.scalar(let scalar)): .scalar(SourceScalar(scalar))
    case .yaml(.sequence(let sequence)): .sequence(sequence.map { .yaml($0) })
    case .yaml(.mapping(let mapping)): .mapping(mapping.map { (.yaml($0), .yaml($1)) })
    case .yaml(.alias): .alias
    case .json(let node):
      switch node.value {
      case .scalar(let scalar): .scalar(scalar)
      case .array(let items): .sequence(items.map { .json($0) })
      case .object(let fields): .mapping(fields.map { (.json($0), .json($1)) })
      }
    }
  }

  /// nil when the node is no scalar.
  package var scalar: SourceScalar? {
    if case .scalar(let scalar) = content { return scalar }
    return nil
  }

  /// Counts from 1.
  var line: Int {
    switch self {
    case .yaml(let node): node.mark?.line ?? 1
    case .json(let node): Int(node.line)
    }
  }

  /// Counts from 1, in Unicode scalars.
  var column: Int {
    switch self {
    case .yaml(let node): node.mark?.column ?? 1
    case .json(let node): Int(node.column)
    }
  }
}

/// A text, a number or a word of a document.
package struct SourceScalar: Equatable {
  package var string: String
  /// Without quotes: may be a number, a truth value or nothing.
  package var isPlain: Bool

  init(_ string: String, isPlain: Bool) {
    self.string = string
    self.isPlain = isPlain
  }

  init(_ scalar: Node.Scalar) {
    string = scalar.string
    isPlain = scalar.style == .plain || scalar.style == .any
  }
}

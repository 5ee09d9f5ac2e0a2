import Yams

/// A node of a document, as the YAML or the JSON parser made it.
package enum SourceNode {
  case yaml(YAMLNode)
  case json(JSONNode)

  /// Nodes are handed on many times: a box is cheaper to copy than the parser's node.
  package final class YAMLNode {
    let node: Node

    init(_ node: Node) {
      self.node = node
    }
  }

  static func yaml(_ node: Node) -> SourceNode { .yaml(YAMLNode(node)) }

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
    case .yaml(let box):
      switch box.node {
      case .scalar(let scalar): .scalar(SourceScalar(scalar))
      case .sequence(let sequence): .sequence(sequence.map { .yaml($0) })
      case .mapping(let mapping): .mapping(mapping.map { (.yaml($0), .yaml($1)) })
      case .alias: .alias
      }
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
    switch self {
    case .yaml(let box):
      if case .scalar(let scalar) = box.node { return SourceScalar(scalar) }
    case .json(let node):
      if case .scalar(let scalar) = node.value { return scalar }
    }
    return nil
  }

  /// Counts from 1.
  package var line: Int {
    switch self {
    case .yaml(let box): box.node.mark?.line ?? 1
    case .json(let node): Int(node.line)
    }
  }

  /// Counts from 1, in Unicode scalars.
  package var column: Int {
    switch self {
    case .yaml(let box): box.node.mark?.column ?? 1
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

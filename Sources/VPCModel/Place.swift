/// The way from the top of a document to a field; text is made only when an error needs it.
package final class FieldPath: Sendable {
  package enum Step: Sendable {
    case field(String)
    case item(Int)
  }

  package let parent: FieldPath?
  package let step: Step

  package init(_ parent: FieldPath?, _ step: Step) {
    self.parent = parent
    self.step = step
  }

  /// Such as `securityGroups[0].ingress[2].ports`.
  package var text: String {
    var steps = [Step]()
    var next: FieldPath? = self
    while let path = next {
      steps.append(path.step)
      next = path.parent
    }
    var text = ""
    for step in steps.reversed() {
      switch step {
      case .field(let name): text += text.isEmpty ? name : ".\(name)"
      case .item(let index): text += "[\(index)]"
      }
    }
    return text
  }
}

/// Where something stands in the files.
package struct Place: Sendable {
  /// Index of the file in the order given.
  package var file: Int
  /// Line and column count from 1.
  package var line: Int
  package var column: Int
  package var path: FieldPath?

  package init(file: Int, line: Int, column: Int, path: FieldPath?) {
    self.file = file
    self.line = line
    self.column = column
    self.path = path
  }

  /// The same position with a path one field longer.
  package func field(_ name: String) -> Place {
    Place(file: file, line: line, column: column, path: FieldPath(path, .field(name)))
  }
}

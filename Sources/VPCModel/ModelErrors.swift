/// One reason why a model or host file is refused, and where.
public struct ModelError: Error, Sendable, Hashable {
  /// The name of the file as it was given.
  public var file: String
  /// Counts from 1; 0 for an object that was there before the change of a model.
  public var line: Int
  /// Counts from 1, in Unicode scalars; nil where only the line is known.
  public var column: Int?
  /// The field, such as `securityGroups[0].ingress[2].ports`; empty for the whole file.
  public var path: String
  /// What is wrong, in words, without the place.
  public var reason: String

  public init(file: String, line: Int, column: Int?, path: String, reason: String) {
    self.file = file
    self.line = line
    self.column = column
    self.path = path
    self.reason = reason
  }
}

extension ModelError: CustomStringConvertible {
  /// `FILE:LINE:COLUMN: PATH: REASON`, the form that editors jump to.
  public var description: String {
    let lineText = line > 0 ? ":\(line)" : ""
    let position = column.map { "\(file)\(lineText):\($0)" } ?? "\(file)\(lineText)"
    return path.isEmpty ? "\(position): \(reason)" : "\(position): \(path): \(reason)"
  }
}

/// Everything that is wrong with a set of files: never empty, in order of file and line.
public struct ModelErrors: Error, Sendable, Equatable {
  public var errors: [ModelError]

  public init(errors: [ModelError]) {
    self.errors = errors
  }
}

extension ModelErrors: CustomStringConvertible {
  /// One error a line.
  public var description: String { errors.map(\.description).joined(separator: "\n") }
}

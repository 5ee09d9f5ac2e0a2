/// Reads model files, YAML or JSON, into one checked model.
public enum ModelLoader {
  /// Reads and merges files.
  ///
  /// - Parameter paths: files in the order in which their objects shall stand in the model.
  /// - Throws: everything that is wrong with any of them, files that cannot be read included.
  /// - Complexity: O(n log n) in the size of the files.
  public static func load(paths: [String]) throws(ModelErrors) -> VPCModel {
    var reader = ModelReader(files: paths)
    for (index, path) in paths.enumerated() {
      reader.read(path: path, file: index)
    }
    return try finish(reader)
  }

  /// Reads and merges texts.
  ///
  /// - Parameter texts: documents, with the names that errors shall give them.
  /// - Throws: everything that is wrong with any of them.
  /// - Complexity: O(n log n) in the size of the texts.
  public static func load(
    texts: [(name: String, text: String)]
  ) throws(ModelErrors) -> VPCModel {
    var reader = ModelReader(files: texts.map(\.name))
    for (index, file) in texts.enumerated() { reader.read(file.text, file: index) }
    return try finish(reader)
  }

  static func finish(_ unchecked: consuming ModelReader) throws(ModelErrors) -> VPCModel {
    var reader = unchecked
    reader.checkAll()
    guard reader.errors.isEmpty else { throw ModelErrors(errors: reader.errorsInOrder()) }
    return reader.model
  }
}

import Foundation

/// A file of the package, as text.
struct SourceFile {
  /// From the package's root, such as `Sources/Wire/Checksum.swift`.
  let path: String
  let lines: [String]

  /// `Sources` or `Tests`, then the target's folder, then the rest.
  var parts: [String] { path.split(separator: "/").map(String.init) }
  var target: String { parts.count > 2 ? parts[1] : "" }
  /// Made by a script from something else, which is what people read.
  var isGenerated: Bool { parts.contains("Generated") }
  var isHot: Bool { parts.first == "Sources" && SourceTree.hotModules.contains(target) }

  /// The lines without comments and without what stands in string literals.
  let code: [String]

  init(path: String, lines: [String]) {
    self.path = path
    self.lines = lines
    var isInText = false
    code = lines.map { line in
      guard line.contains("\"") else { return isInText ? "" : Self.withoutComment(line) }
      let marks = line.components(separatedBy: "\"\"\"").count - 1
      defer { if marks % 2 == 1 { isInText.toggle() } }
      if isInText || marks > 0 { return "" }
      return Self.withoutComment(Self.withoutStrings(line))
    }
  }

  /// Indices of the lines of code, or of all text, in which a pattern matches.
  func lines(matching pattern: String, inComments: Bool = false) -> [Int] {
    let searched = inComments ? lines : code
    guard let expression = try? NSRegularExpression(pattern: pattern) else { return [] }
    return searched.indices.filter { index in
      let line = searched[index]
      return !line.isEmpty
        && expression.firstMatch(in: line, range: NSRange(location: 0, length: line.utf16.count))
          != nil
    }
  }

  static func withoutStrings(_ line: String) -> String {
    line.replacingOccurrences(of: #""(\\.|[^"\\])*""#, with: "\"\"", options: .regularExpression)
  }

  static func withoutComment(_ line: String) -> String {
    guard let comment = line.range(of: "//") else { return line }
    return String(line[..<comment.lowerBound])
  }
}

/// The package that these tests belong to.
enum SourceTree {
  static let hotModules = ["Wire", "Tables", "Datapath", "LockFree", "Live"]

  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// All files below some folders whose name ends so, sorted by path.
  static func files(_ ending: String, in folders: [String]) throws -> [SourceFile] {
    var found: [SourceFile] = []
    for folder in folders {
      let start = root.appendingPathComponent(folder)
      let paths = FileManager.default.enumerator(atPath: start.path)
      while let path = paths?.nextObject() as? String {
        guard path.hasSuffix(ending) else { continue }
        found.append(try file("\(folder)/\(path)"))
      }
    }
    return found.sorted { $0.path < $1.path }
  }

  static func file(_ path: String) throws -> SourceFile {
    let text = try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    return SourceFile(path: path, lines: text.components(separatedBy: "\n"))
  }

  private static let read = Result { try files(".swift", in: ["Sources"]) }

  static func sources() throws -> [SourceFile] { try read.get() }

  static func hotSources() throws -> [SourceFile] { try sources().filter(\.isHot) }
}

extension String {
  func matches(_ pattern: String) -> Bool {
    range(of: pattern, options: .regularExpression) != nil
  }

  /// What the first group of a pattern matches, in the whole string.
  func captures(_ pattern: String) -> [String] {
    guard let expression = try? NSRegularExpression(pattern: pattern) else { return [] }
    let whole = NSRange(startIndex..., in: self)
    return expression.matches(in: self, range: whole).compactMap { match in
      Range(match.range(at: 1), in: self).map { String(self[$0]) }
    }
  }
}

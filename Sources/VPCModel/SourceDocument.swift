import Yams

/// A YAML or JSON document as nodes with positions.
struct SourceDocument {
  /// Why a text is not a YAML document.
  struct SyntaxError: Error {
    var line: Int
    var column: Int?
    var reason: String
  }

  /// nil for an empty text.
  let root: SourceNode?
  /// Names of keys that are given again later in the same mapping, by the name they have in `root`.
  let renamedKeys: [String: String]

  /// Parses one document, by the JSON parser if it is JSON.
  init(_ text: String) throws(SyntaxError) {
    if let node = JSONParser.parse(text) {
      self.init(json: node)
    } else {
      try self.init(yaml: text)
    }
  }

  private init(json root: JSONNode) {
    self.root = .json(root)
    renamedKeys = [:]
  }

  /// Parses one YAML document; JSON is YAML (YAML 1.2 section 1.3).
  ///
  /// Yams stops at the first mapping with a repeated key. To report the other errors of the file as
  /// well, the earlier key is renamed in a copy of the text and the copy is parsed.
  init(yaml text: String) throws(SyntaxError) {
    var text = text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text
    text.makeContiguousUTF8()
    var renamed: [String: String] = [:]
    while true {
      do {
        // No tag is resolved: each field decides itself what its text means.
        root = try Yams.compose(yaml: text, .basic, .default, .utf8).map { .yaml($0) }
        renamedKeys = renamed
        return
      } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
        guard let key = keys.first, renamed.count < 100,
          let copy = Self.renameKey(at: context.mark, in: text, to: Self.marker(renamed.count))
        else { throw Self.repeatedKey(keys.first ?? "", context.mark) }
        renamed[copy.name(of: key)] = key
        text = copy.text
      } catch {
        throw Self.describe(error, text)
      }
    }
  }

  private struct Renamed {
    var text: String
    var marker: Character

    /// The renamed key has a marker in place of its first character.
    func name(of key: String) -> String { String(marker) + key.dropFirst() }
  }

  /// A character of Unicode's private use area, which no key of ours begins with.
  private static func marker(_ index: Int) -> Character {
    Character(Unicode.Scalar(0xE000 + UInt32(index)) ?? "\u{E000}")
  }

  /// Replaces the first character of the key that begins at `mark`, so that columns stay.
  private static func renameKey(at mark: Mark, in text: String, to marker: Character) -> Renamed? {
    let scalars = text.unicodeScalars
    guard var index = index(of: mark, in: text) else { return nil }
    if index < scalars.endIndex, scalars[index] == "\"" || scalars[index] == "'" {
      index = scalars.index(after: index)
    }
    guard index < scalars.endIndex,
      scalars[index].properties.isAlphabetic || ("0"..."9").contains(scalars[index])
    else { return nil }
    var copy = text
    copy.unicodeScalars.replaceSubrange(index...index, with: marker.unicodeScalars)
    return Renamed(text: copy, marker: marker)
  }

  private static func repeatedKey(_ key: String, _ mark: Mark) -> SyntaxError {
    SyntaxError(line: mark.line, column: mark.column, reason: "`\(key)` is given more than once")
  }

  private static func describe(_ error: any Error, _ text: String) -> SyntaxError {
    switch error {
    case YamlError.scanner(let context, let problem, let mark, _),
      YamlError.parser(let context, let problem, let mark, _),
      YamlError.composer(let context, let problem, let mark, _):
      return describe(problem, context, mark, text)
    case YamlError.reader(let problem, let offset, _, _):
      let lines = text.prefix(offset ?? 0).count { $0.isNewline }
      return SyntaxError(
        line: lines + 1, column: nil, reason: "is not valid YAML or JSON: \(problem)")
    default:
      return SyntaxError(line: 1, column: nil, reason: "is not valid YAML or JSON: \(error)")
    }
  }

  private static func describe(
    _ problem: String, _ context: YamlError.Context?, _ mark: Mark, _ text: String
  ) -> SyntaxError {
    var reason = "is not valid YAML or JSON: \(problem)"
    if let context { reason += ", \(context.text) that begins at line \(context.mark.line)" }
    if let index = index(of: mark, in: text), text.unicodeScalars[index...].first == ":" {
      reason += "; a value that begins with a colon, such as `::/0`, needs quotes here"
    }
    // libYAML sets errors at the end of the text on a line after the last.
    let lines = text.utf8.count { $0 == 0x0A } + (text.utf8.last == 0x0A ? 0 : 1)
    guard mark.line <= lines else { return SyntaxError(line: lines, column: nil, reason: reason) }
    return SyntaxError(line: mark.line, column: mark.column, reason: reason)
  }

  /// The place of a mark; nil past the end.
  private static func index(of mark: Mark, in text: String) -> String.Index? {
    let scalars = text.unicodeScalars
    var index = scalars.startIndex
    for _ in 1..<max(1, mark.line) {
      guard let newline = scalars[index...].firstIndex(of: "\n") else { return nil }
      index = scalars.index(after: newline)
    }
    return scalars.index(
      index, offsetBy: max(0, mark.column - 1), limitedBy: scalars.endIndex)
  }
}

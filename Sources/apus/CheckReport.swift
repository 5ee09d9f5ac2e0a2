import Replay
import VPCModel

/// What `apus check` found, for machines.
struct CheckReport {
  var errors: [ModelError] = []
  var warnings: [ModelWarning] = []
  var places: ObjectPlaces?

  /// One JSON object: `valid`, `errors`, `warnings`.
  var json: String {
    let errors = errors.map { error in
      JSONText.object(
        [
          ("file", JSONText.quote(error.file)), ("line", "\(error.line)"),
          ("column", error.column.map { "\($0)" } ?? "null"),
          ("path", JSONText.quote(error.path)), ("reason", JSONText.quote(error.reason)),
        ], indent: 4)
    }
    let warnings = warnings.map { warning in
      let place = places?[warning.object]
      return JSONText.object(
        [
          ("code", JSONText.quote(warning.code)),
          ("severity", JSONText.quote(warning.rule.severity.rawValue)),
          ("object", JSONText.quote(warning.object)),
          ("message", JSONText.quote(warning.message)),
          ("file", place.map { JSONText.quote($0.file) } ?? "null"),
          ("line", place.map { "\($0.line)" } ?? "null"),
        ], indent: 4)
    }
    return JSONText.object([
      ("valid", self.errors.isEmpty ? "true" : "false"),
      ("errors", JSONText.array(errors, indent: 2)),
      ("warnings", JSONText.array(warnings, indent: 2)),
    ])
  }

  /// A log of the Static Analysis Results Interchange Format 2.1.0 (OASIS), which tools for code
  /// review read.
  var sarif: String {
    let driver = Self.object([
      ("name", JSONText.quote("apus")), ("version", JSONText.quote(ProgramVersion.text)),
      ("rules", Self.array(Self.rules)),
    ])
    let run = Self.object([
      ("tool", Self.object([("driver", driver)])),
      ("columnKind", JSONText.quote("unicodeCodePoints")),
      ("results", JSONText.array(errors.map(Self.result) + warnings.map(result), indent: 4)),
    ])
    return JSONText.object([
      ("$schema", JSONText.quote("https://json.schemastore.org/sarif-2.1.0.json")),
      ("version", JSONText.quote("2.1.0")), ("runs", JSONText.array([run], indent: 2)),
    ])
  }

  /// The code of what makes a model invalid.
  private static let refused = "model-refused"

  private static var rules: [String] {
    let errors = rule(refused, "The model is not valid.", "error")
    return [errors] + LintRule.allCases.map { rule($0.rawValue, $0.summary, $0.severity.rawValue) }
  }

  private static func rule(_ id: String, _ summary: String, _ level: String) -> String {
    object([
      ("id", JSONText.quote(id)),
      ("shortDescription", object([("text", JSONText.quote(summary))])),
      ("defaultConfiguration", object([("level", JSONText.quote(level))])),
    ])
  }

  private static func result(_ error: ModelError) -> String {
    let path = error.path.isEmpty ? "" : "\(error.path): "
    return result(
      refused, "error", path + error.reason,
      location(error.file, line: error.line, column: error.column))
  }

  private func result(_ warning: ModelWarning) -> String {
    Self.result(
      warning.code, warning.rule.severity.rawValue, "\(warning.object): \(warning.message)",
      places?[warning.object].map { Self.location($0.file, line: $0.line, column: nil) })
  }

  private static func result(
    _ rule: String, _ level: String, _ message: String, _ location: String?
  ) -> String {
    object([
      ("ruleId", JSONText.quote(rule)), ("level", JSONText.quote(level)),
      ("message", object([("text", JSONText.quote(message))])),
      ("locations", array(location.map { [$0] } ?? [])),
    ])
  }

  private static func location(_ file: String, line: Int, column: Int?) -> String {
    var region = [("startLine", "\(max(1, line))")]
    if let column { region.append(("startColumn", "\(max(1, column))")) }
    return object([
      (
        "physicalLocation",
        object([
          ("artifactLocation", object([("uri", JSONText.quote(uri(file)))])),
          ("region", object(region)),
        ])
      )
    ])
  }

  /// A path as a relative reference or, from the root, as a file URI (RFC 8089).
  private static func uri(_ path: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var text: [UInt8] = []
    for byte in path.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x2F, 0x5F, 0x7E: text.append(byte)
      default: text += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    let escaped = String(decoding: text, as: UTF8.self)
    return path.hasPrefix("/") ? "file://" + escaped : escaped
  }

  private static func object(_ members: [(String, String)]) -> String {
    "{" + members.map { "\(JSONText.quote($0)):\($1)" }.joined(separator: ",") + "}"
  }

  private static func array(_ values: [String]) -> String {
    "[" + values.joined(separator: ",") + "]"
  }
}

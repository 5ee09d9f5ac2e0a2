/// Metrics in the text form of OpenMetrics 1.0.0, family by family.
struct OpenMetricsText {
  static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

  enum Kind: String {
    case counter, gauge, info
  }

  /// A name and a value of any characters.
  typealias Label = (name: String, value: String)

  private var text = ""

  /// Begins a family; the samples that follow are its.
  ///
  /// - Parameters:
  ///   - name: without the suffix that counters and infos get; ends with the unit if there is one.
  ///   - unit: such as `bytes`.
  mutating func family(_ name: String, _ kind: Kind, unit: String? = nil, help: String) {
    text += "# TYPE \(name) \(kind.rawValue)\n"
    if let unit { text += "# UNIT \(name) \(unit)\n" }
    text += "# HELP \(name) \(Self.escaped(help))\n"
    suffix =
      switch kind {
      case .counter: "_total"
      case .gauge: ""
      case .info: "_info"
      }
    self.name = name
  }

  /// A sample of the family.
  mutating func sample(_ labels: [Label], _ value: UInt64) {
    text += name + suffix
    if !labels.isEmpty {
      let pairs = labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
      text += "{\(pairs.joined(separator: ","))}"
    }
    text += " \(value)\n"
  }

  /// The whole text with its end mark.
  func finished() -> String { text + "# EOF\n" }

  private var name = ""
  private var suffix = ""

  /// Backslash, quote and line feed are written with a backslash.
  private static func escaped(_ value: String) -> String {
    guard value.utf8.contains(where: { $0 == 0x5C || $0 == 0x22 || $0 == 0x0A }) else {
      return value
    }
    var result = ""
    for character in value.unicodeScalars {
      switch character {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }
}

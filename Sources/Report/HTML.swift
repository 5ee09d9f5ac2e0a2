/// Text that is HTML already: what is not goes through `init(_:)`, which escapes it.
struct HTML: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, Sendable {
  private(set) var source: String

  /// Makes any text harmless: markup is escaped, and characters that cannot be seen or turn the
  /// direction of text are written as `\u{…}`.
  ///
  /// - Parameter limit: characters of the result; names have no bound of their own.
  init(_ text: some StringProtocol, limit: Int = 200) {
    source = ""
    var room = limit
    for scalar in text.unicodeScalars {
      let part = Self.escaped(scalar)
      // Escapes count in full: strange names make no larger page than others.
      room -= part?.count ?? 1
      if room < 0 {
        source += "…"
        return
      }
      if let part { source += part } else { source.unicodeScalars.append(scalar) }
    }
  }

  /// What stands for a scalar that cannot stand for itself.
  private static func escaped(_ scalar: Unicode.Scalar) -> String? {
    switch scalar {
    case "&": "&amp;"
    case "<": "&lt;"
    case ">": "&gt;"
    case "\"": "&quot;"
    case "'": "&#39;"
    case "`": "&#96;"
    default: isHidden(scalar) ? "\\u{\(String(scalar.value, radix: 16))}" : nil
    }
  }

  init(stringLiteral value: String) { source = value }

  init(stringInterpolation: Interpolation) { source = stringInterpolation.source }

  static func + (a: HTML, b: HTML) -> HTML { HTML(raw: a.source + b.source) }
  static func += (a: inout HTML, b: HTML) { a.source += b.source }

  private init(raw: String) { source = raw }

  /// Constant text of the program, such as its style sheet.
  static func constant(_ text: String) -> HTML { HTML(raw: text) }

  /// Only numbers and other HTML go into a literal as they are; text is escaped.
  struct Interpolation: StringInterpolationProtocol {
    fileprivate var source = ""

    init(literalCapacity: Int, interpolationCount: Int) { source.reserveCapacity(literalCapacity) }

    mutating func appendLiteral(_ literal: String) { source += literal }
    mutating func appendInterpolation(_ html: HTML) { source += html.source }
    mutating func appendInterpolation(_ number: some BinaryInteger) { source += "\(number)" }
    mutating func appendInterpolation(_ text: some StringProtocol) { source += HTML(text).source }
  }

  private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned,
      .surrogate:
      true
    default: false
    }
  }
}

extension Sequence<HTML> {
  func joined(_ separator: HTML = "\n") -> HTML {
    var result: HTML = ""
    var isFirst = true
    for part in self {
      if !isFirst { result += separator }
      result += part
      isFirst = false
    }
    return result
  }
}

import Foundation
import Testing

/// What the fast path's sources may not say, and what they must.
@Suite struct HotPathTests {
  struct Ban {
    var pattern: String
    var instead: String
    /// Files where it is off the packets' way.
    var except: Set<String> = []
  }

  private static let text: Set<String> = [
    "Sources/Wire/AddressText.swift", "Sources/Wire/DropReason.swift",
  ]

  static let bans = [
    Ban(pattern: #"\bclass\b"#, instead: "a struct that the worker owns"),
    Ban(pattern: #"\bany [A-Z]"#, instead: "a generic parameter or an enum"),
    Ban(pattern: #"(?<![\w.])Array[(<]|\[[A-Z]\w*\]\("#, instead: "WorkerMemory", except: text),
    Ban(
      pattern: #"\.(map|filter|reduce|flatMap|compactMap|sorted|forEach)\b"#,
      instead: "a loop over indices", except: text),
    Ban(pattern: #"(?<!\w)String\("#, instead: "a number, made text by its reader", except: text),
    Ban(pattern: #"\b(throws|try|throw)\b"#, instead: "a verdict with a DropReason"),
    Ban(pattern: #"\b(await|async|actor)\b|\bTask\b"#, instead: "one thread for each worker"),
    Ban(pattern: #"\b(weak|unowned|lazy)\b"#, instead: "a stored value"),
    Ban(pattern: #"(?<!\w)print\("#, instead: "a counter or the trace"),
    Ban(pattern: #"\b(clock_gettime|gettimeofday|Date\(|ContinuousClock)"#, instead: "packet.time"),
    Ban(
      pattern: #"= \[\]|\? \[|: \[\.|\(\[\.|= \[\."#,
      instead: "an initialiser or union: array literals of option sets need metadata"),
  ]

  static func violations(_ file: SourceFile) -> [String] {
    var found: [String] = []
    for ban in bans where !ban.except.contains(file.path) {
      for number in file.lines(matching: ban.pattern) {
        let code = file.code[number].trimmingCharacters(in: .whitespaces)
        found.append("\(file.path):\(number + 1): \(code): use \(ban.instead)")
      }
    }
    for number in file.lines(matching: #""[^"]*\\\("#, inComments: true) {
      if text.contains(file.path) || file.lines[number].contains("preconditionFailure") { continue }
      found.append("\(file.path):\(number + 1): text is made by its reader")
    }
    return found
  }

  @Test func bannedWordsAreAbsent() throws {
    let found = try SourceTree.hotSources().flatMap(Self.violations)
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  @Test(arguments: [
    "final class Flow {", "let port: any Port", "let list = Array(repeating: 0, count: 3)",
    "let x = [UInt8](repeating: 0, count: 3)", "packets.map { $0 }", "func f() throws {",
    "Task { }", "lazy var x = 1", "let s = String(port)", "print(1)", "flags = []",
    "let s = \"\\(port)\"",
  ])
  func bannedWordIsSeen(_ line: String) {
    let file = SourceFile(path: "Sources/Datapath/Planted.swift", lines: [line])
    #expect(!Self.violations(file).isEmpty)
  }

  @Test(arguments: [
    "// a class of packets, Array( and throws", "preconditionFailure(\"\\(bytes) bytes\")",
    "let label = \"class any Task\"", "flags.remove(.ingressCached)", "FlatArray()",
  ])
  func harmlessLineIsNot(_ line: String) {
    let file = SourceFile(path: "Sources/Datapath/Planted.swift", lines: [line])
    #expect(Self.violations(file).isEmpty)
  }

  // MARK: Unsafe

  /// Where a `SAFETY:` comment is missing: it stands at most 8 lines above the expression, or
  /// anywhere before it in the function. A declaration marked `@unsafe` hands its condition to the
  /// caller, and so needs none.
  static func unexplainedUnsafe(_ file: SourceFile) -> [String] {
    if text.contains(file.path) { return [] }
    let code = file.code
    var found: [String] = []
    for number in file.lines(matching: #"(?<![@\w])unsafe\b"#) {
      let line = code[number]
      let start = declaration(before: number, in: code)
      let head = file.lines[min(start, max(0, number - 8))...number]
      if head.contains(where: { $0.contains("SAFETY") }) { continue }
      if file.lines[start...number].contains(where: { $0.matches(#"^\s*@unsafe\b"#) }) { continue }
      found.append("\(file.path):\(number + 1): \(line.trimmingCharacters(in: .whitespaces))")
    }
    return found
  }

  /// The line where the declaration around a line begins, with its attributes and comments.
  private static func declaration(before number: Int, in code: [String]) -> Int {
    let pattern = #"^( {0,4})(@\w+(\(.*?\))? )*(\w+ )*(func|init|subscript|deinit)\b"#
    var line = number
    while line > 0 && !code[line].matches(pattern) { line -= 1 }
    while line > 0 {
      let above = code[line - 1].trimmingCharacters(in: .whitespaces)
      guard above.isEmpty || above.hasPrefix("@") else { break }
      line -= 1
    }
    return line
  }

  @Test func unsafeHasReason() throws {
    let found = try SourceTree.hotSources().flatMap(Self.unexplainedUnsafe)
    #expect(found.isEmpty, "without SAFETY:\n\(found.joined(separator: "\n"))")
  }

  @Test func unexplainedUnsafeIsSeen() {
    let lines = ["  func f() {", "    let a = 1", "    unsafe base.load(as: UInt8.self)", "  }"]
    let bare = SourceFile(path: "Sources/Datapath/Planted.swift", lines: lines)
    #expect(Self.unexplainedUnsafe(bare).count == 1)
    let explained = ["  func f() {", "    // SAFETY: inside."] + lines.dropFirst(2)
    let good = SourceFile(path: "Sources/Datapath/Planted.swift", lines: Array(explained))
    #expect(Self.unexplainedUnsafe(good).isEmpty)
  }

  // MARK: Documentation

  /// Public types and functions without a doc comment. Fields, constants and conversions of one
  /// line are explained by their type.
  static func undocumented(_ file: SourceFile) -> [String] {
    let pattern =
      #"^\s*(@\w+(\(.*?\))? )*public (static |mutating |indirect )*"#
      + #"(struct|enum|protocol|typealias|func)\b"#
    var found: [String] = []
    for number in file.lines(matching: pattern, inComments: true) {
      let line = file.lines[number]
      var above = number - 1
      while above >= 0 && file.lines[above].matches(#"^\s*@"#) { above -= 1 }
      if above >= 0 && file.lines[above].matches(#"^\s*//"#) { continue }
      if line.contains("func == ") || line.contains("func < ") { continue }
      found.append("\(file.path):\(number + 1): \(line.trimmingCharacters(in: .whitespaces))")
    }
    return found
  }

  @Test func publicDeclarationsAreDocumented() throws {
    let found = try SourceTree.hotSources().flatMap(Self.undocumented)
    #expect(found.isEmpty, "without documentation:\n\(found.joined(separator: "\n"))")
  }

  @Test func missingDocumentationIsSeen() {
    let file = SourceFile(
      path: "Sources/Datapath/Planted.swift", lines: ["", "  @inlinable", "  public func f() {"])
    #expect(Self.undocumented(file).count == 1)
  }
}

import Testing

/// What holds for every file.
@Suite struct StyleTests {
  static let banned: [(pattern: String, instead: String)] = [
    (#"\b(TODO|FIXME|XXX)\b"#, "do it, or describe it in an issue"),
    (#"\bfatalError\b"#, "a typed error, or precondition for a defect of ours"),
    (#"\btry!|\bas!"#, "a typed error"),
    (#"[\w)\]]!(?=[\s.)\],\[(:;?]|$)"#, "guard let"),
  ]

  static func violations(_ file: SourceFile) -> [String] {
    if file.isGenerated { return [] }
    var found: [String] = []
    for (index, ban) in banned.enumerated() {
      // Comments are searched for notes, code for the others.
      for number in file.lines(matching: ban.pattern, inComments: index == 0) {
        found.append("\(file.path):\(number + 1): use \(ban.instead)")
      }
    }
    for (number, line) in file.lines.enumerated() where line.utf8.count > 100 && line.count > 100 {
      found.append("\(file.path):\(number + 1): over 100 columns")
    }
    if file.lines.count > 500 { found.append("\(file.path): over 500 lines") }
    return found
  }

  @Test func sourcesAreTidy() throws {
    let found = try SourceTree.sources().flatMap(Self.violations)
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  @Test(arguments: [
    "// TODO: later", "fatalError()", "let x = try! f()", "let y = z as! Int", "let a = b!",
    "list[0]!.c", "f()!", String(repeating: "x", count: 101),
  ])
  func untidyLineIsSeen(_ line: String) {
    #expect(!Self.violations(SourceFile(path: "Sources/apus/Planted.swift", lines: [line])).isEmpty)
  }

  @Test(arguments: ["a != b", "!isEmpty", "if !(a) {", "\"Stop! Now\"", "// Stop! Now", "f(!a)"])
  func tidyLineIsNot(_ line: String) {
    #expect(Self.violations(SourceFile(path: "Sources/apus/Planted.swift", lines: [line])).isEmpty)
  }

  @Test func testFilesAreShort() throws {
    for file in try SourceTree.files(".swift", in: ["Tests"]) {
      #expect(file.lines.count <= 500, "\(file.path)")
    }
  }

  // MARK: Pages

  static func titles(_ file: SourceFile) -> Int {
    var isCode = false
    return file.lines.count { line in
      if line.hasPrefix("```") { isCode.toggle() }
      return !isCode && line.hasPrefix("# ")
    }
  }

  @Test func pagesHaveOneTitle() throws {
    var pages = try SourceTree.files(".md", in: ["docs", "bpf", "bench", "pcaps", "examples"])
    pages.append(try SourceTree.file("README.md"))
    for page in pages {
      #expect(Self.titles(page) == 1, "\(page.path)")
      #expect(page.lines.first?.hasPrefix("# ") == true, "\(page.path) does not begin with a title")
    }
  }

  @Test func titlesAreCounted() {
    let page = SourceFile(path: "docs/x.md", lines: ["# A", "```", "# comment", "```", "# B"])
    #expect(Self.titles(page) == 2)
  }
}

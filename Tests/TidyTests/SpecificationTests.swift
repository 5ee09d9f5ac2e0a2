import Testing

/// The tests that docs/SPECIFICATION.md names are there.
@Suite struct SpecificationTests {
  static let path = "docs/SPECIFICATION.md"

  /// A promise's number and what is said to enforce it: `Target/Suite.function` or
  /// `Target/Suite: title`.
  struct Promise {
    var number: String
    var tests: [String]
  }

  static func promises(_ page: SourceFile) -> [Promise] {
    page.lines.compactMap { line in
      guard let number = line.captures(#"^\| ([0-9]+\.[0-9]+) \|"#).first else { return nil }
      let cells = line.components(separatedBy: " | ")
      return Promise(number: number, tests: (cells.last ?? "").captures(#"`([^`]+)`"#))
    }
  }

  static func exists(_ test: String, in files: [SourceFile]) -> Bool {
    guard let target = test.captures(#"^([\w-]+)/"#).first,
      let suite = test.captures(#"^[\w-]+/(\w+)"#).first
    else { return false }
    let function = test.captures(#"/\w+\.(\w+)$"#).first
    let title = test.captures(#"/\w+: (.+)$"#).first
    return files.contains { file in
      guard file.target == target,
        !file.lines(matching: #"\b(struct|class|extension) "# + suite + #"\b"#).isEmpty
      else { return false }
      if let function {
        return !file.lines(matching: #"\bfunc "# + function + #"\("#).isEmpty
      }
      guard let title else { return false }
      return file.lines.contains { $0.contains("`\(title)`") || $0.contains("\"\(title)\"") }
    }
  }

  @Test func namedTestsExist() throws {
    let files = try SourceTree.files(".swift", in: ["Tests"])
    let promises = Self.promises(try SourceTree.file(Self.path))
    #expect(promises.count > 70)
    for promise in promises {
      #expect(!promise.tests.isEmpty, "\(promise.number) names no test")
      for test in promise.tests where !Self.exists(test, in: files) {
        Issue.record("\(promise.number): there is no \(test)")
      }
    }
  }

  @Test func promisesAreNumberedOnce() throws {
    let numbers = Self.promises(try SourceTree.file(Self.path)).map(\.number)
    #expect(Set(numbers).count == numbers.count)
  }

  @Test func missingTestIsSeen() throws {
    let file = SourceFile(
      path: "Tests/ATests/B.swift",
      lines: ["@Suite struct B {", "  @Test func c() {}", "  @Test func `d e`() {}"])
    #expect(Self.exists("ATests/B.c", in: [file]) && Self.exists("ATests/B: d e", in: [file]))
    for lost in ["ATests/B.d", "ATests/C.c", "BTests/B.c", "ATests/B: d", "ATests/B"] {
      #expect(!Self.exists(lost, in: [file]), "\(lost)")
    }
  }
}

import Testing

/// docs/hostile-inputs.md and the tests whose names begin with an id say the same.
@Suite struct HostileInputTests {
  static let path = "docs/hostile-inputs.md"

  /// A line of a table: its id, whether it does not apply or is said not to be prevented, and the functions it names.
  struct Row: Equatable {
    var id: String
    var isExcused: Bool
    var tests: [String]
  }

  static func rows(_ page: SourceFile) -> [Row] {
    page.lines.compactMap { line in
      guard let id = line.captures(#"^\| ([A-Z]-[0-9]{2}) \|"#).first else { return nil }
      let cells = line.split(separator: "|").map(String.init)
      return Row(
        id: id, isExcused: line.contains("not applicable") || line.contains("not prevented"),
        tests: (cells.last ?? "").captures(#"\.(\w+)`"#))
    }
  }

  /// The ids with which display names of tests begin.
  static func ids(_ files: [SourceFile]) -> Set<String> {
    Set(files.flatMap { $0.lines.flatMap { $0.captures(#""([PFTCVXA]-[0-9]{2}): "#) } })
  }

  static func tests() throws -> [SourceFile] {
    // What is planted here is no test.
    try SourceTree.files(".swift", in: ["Tests"]).filter { $0.target != "TidyTests" }
  }

  @Test func everyLineHasATestAndEveryIdALine() throws {
    let rows = Self.rows(try SourceTree.file(Self.path))
    let ids = Self.ids(try Self.tests())
    for row in rows where !row.isExcused { #expect(ids.contains(row.id), "no test of \(row.id)") }
    let listed = Set(rows.map(\.id))
    #expect(rows.count == listed.count, "an id has two lines")
    // Families that the page does not have yet are not asked for.
    let families = Set(listed.map { $0.prefix(1) })
    for id in ids where families.contains(id.prefix(1)) {
      #expect(listed.contains(id), "\(id) has no line")
    }
    #expect(families.isSuperset(of: ["P", "F", "T", "C"]) && rows.count >= 50)
  }

  @Test func namedTestsExist() throws {
    let functions = Set(
      try Self.tests().flatMap { $0.lines.flatMap { $0.captures(#"func `?([\w]+)"#) } })
    for row in Self.rows(try SourceTree.file(Self.path)) {
      for test in row.tests { #expect(functions.contains(test), "\(row.id): \(test)") }
      #expect(row.isExcused || !row.tests.isEmpty || row.id.hasPrefix("V"), "\(row.id)")
    }
  }

  @Test func linesAndIdsAreRead() {
    let page = SourceFile(
      path: Self.path,
      lines: ["| id | test |", "| P-01 | x | `A.b`, `.c` |", "| P-02 | not applicable | |"])
    #expect(
      Self.rows(page) == [
        Row(id: "P-01", isExcused: false, tests: ["b", "c"]),
        Row(id: "P-02", isExcused: true, tests: []),
      ])
    let file = SourceFile(path: "Tests/A/B.swift", lines: [#"  @Test("F-03: copies")"#])
    #expect(Self.ids([file]) == ["F-03"])
  }
}

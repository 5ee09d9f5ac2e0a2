import Foundation
import Testing

/// The scripts that compare Apus with its peers: what they make of figures, not the figures.
@Suite struct BenchTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private func run(_ path: String, _ options: [String] = []) throws -> Program {
    try Program.run([Self.root.appending(path: path).path] + options, seconds: 100)
  }

  @Test(.timeLimit(.minutes(2))) func figuresTablesAndThresholds() throws {
    let tests = try run("Tests/bench/test_running.py")
    #expect(tests.status == 0, "\(tests.output)")
    #expect(tests.output.contains("\nOK"), "\(tests.output)")
    let count = tests.output.firstMatch(of: /Ran ([0-9]+) tests/).flatMap { Int($0.1) }
    #expect((count ?? 0) >= 40, "\(tests.output)")
  }

  @Test(.timeLimit(.minutes(2))) func allRowsAreListed() throws {
    let list = try run("bench/run", ["--list"])
    #expect(list.status == 0, "\(list.output)")
    for row in 1...19 { #expect(list.output.contains("P\(row)  "), "\(list.output)") }
  }

  @Test(.timeLimit(.minutes(2))) func wrongUsageIsRefused() throws {
    #expect(try run("bench/run", ["P20"]).status == 2)
    #expect(try run("bench/run", ["--record", "--smoke"]).status == 2)
    #expect(try run("bench/compare").status == 2)
    #expect(try run("bench/compare", ["no-such-revision"]).status == 5)
  }
}

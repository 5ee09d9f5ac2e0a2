import Foundation
import Testing
import Wire

/// docs/drop-reasons.md is made from the enumeration: `APUS_UPDATE=1 swift test --filter
/// DropReasonPageTests` writes it anew.
@Suite struct DropReasonPageTests {
  static let path = "docs/drop-reasons.md"

  /// Files that name reasons which others gave.
  private static let readers = [
    "Sources/Wire/DropReason.swift", "Sources/FlowLogs/FlowLogTable.swift",
    "Sources/Reachability/Probe/Change.swift", "Sources/Reachability/Probe/InterfaceProbe.swift",
    "Sources/Reachability/Probe/Remedy+Routes.swift", "Sources/Daemon/Shadow/ShadowEngine.swift",
    "Sources/Daemon/Shadow/ShadowJudge.swift",
  ]

  /// By the name of a case, the files of Sources that give it.
  static func places(_ files: [SourceFile]) -> [String: [String]] {
    var places: [String: [String]] = [:]
    for file in files where !readers.contains(file.path) {
      for name in Set(file.code.joined(separator: "\n").captures(#"\.(\w+)\b"#)) {
        places[name, default: []].append(String(file.path.dropFirst("Sources/".count)))
      }
    }
    return places
  }

  static func page(_ files: [SourceFile]) -> String {
    var text = """
      # Drop reasons

      Every dropped packet has one of these reasons: in verdict files, counters, flow logs, traces and
      the summary of a replay. `eni.none` is that of ignored packets. The order is not that of the
      judgement; [ARCHITECTURE.md](ARCHITECTURE.md) has that.

      This page is made from `Sources/Wire/DropReason.swift`; a test compares them.

      | reason | meaning | where |
      |---|---|---|

      """
    let places = places(files)
    for reason in DropReason.allCases where reason != .none {
      let names = places["\(reason)", default: []].sorted().map { "`\($0)`" }
      text += "| `\(reason.name)` | \(reason.text) | \(names.joined(separator: ", ")) |\n"
    }
    return text
  }

  @Test func pageIsUpToDate() throws {
    let page = Self.page(try SourceTree.sources())
    let file = SourceTree.root.appendingPathComponent(Self.path)
    if ProcessInfo.processInfo.environment["APUS_UPDATE"] == "1" {
      try page.write(to: file, atomically: true, encoding: .utf8)
    }
    let committed = try String(contentsOf: file, encoding: .utf8)
    #expect(committed == page, "\(Self.path) is old: run with APUS_UPDATE=1")
  }

  @Test func everyReasonIsGivenSomewhere() throws {
    let places = Self.places(try SourceTree.sources())
    for reason in DropReason.allCases where reason != .none {
      #expect(places["\(reason)"] != nil, "nothing gives \(reason.name)")
    }
  }

  @Test func namesAndTextsAreDistinct() {
    let reasons = DropReason.allCases.filter { $0 != .none }
    #expect(Set(reasons.map(\.name)).count == reasons.count)
    #expect(Set(reasons.map(\.text)).count == reasons.count)
    #expect(reasons.allSatisfy { $0.name.contains(".") && !$0.text.isEmpty })
  }
}

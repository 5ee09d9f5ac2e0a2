import Foundation
import Testing
import Wire

/// Users look a drop reason up in `docs/model.md`, so each has to be there, and no other.
struct DocumentedReasonTests {
  private static let page: String? = {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let file = folder.deletingLastPathComponent().appending(path: "docs/model.md")
    return try? String(contentsOf: file, encoding: .utf8)
  }()

  @Test(arguments: DropReason.allCases.filter { $0 != .none })
  func isDocumented(_ reason: DropReason) throws {
    let page = try #require(Self.page)
    #expect(page.contains("| `\(reason.name)` |"))
  }

  @Test func documentsNoReasonThatDoesNotExist() throws {
    let page = try #require(Self.page)
    let named = page.split(separator: "\n").compactMap { line in
      line.wholeMatch(of: /\| `([a-z0-9]+\.[a-z-]+)` \|.*/).map { String($0.1) }
    }
    #expect(named.count == DropReason.allCases.count - 1)
    for name in named { #expect(DropReason(name: name) != nil, "\(name)") }
  }
}

import Foundation
import Testing

/// Links between the documents of this repository lead somewhere.
struct LinkTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private static let documents: [String] = {
    let docs = FileManager.default.enumerator(atPath: root.appending(path: "docs").path)
    let names = docs?.compactMap { $0 as? String } ?? []
    return ["README.md", "bench/README.md", "bpf/README.md", "pcaps/README.md"]
      + names.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
  }()

  @Test(arguments: documents)
  func leadsToAFile(_ document: String) throws {
    let file = Self.root.appending(path: document)
    let text = try String(contentsOf: file, encoding: .utf8)
    for link in text.matches(of: /\]\(([^)#]+)[^)]*\)/) where !link.1.hasPrefix("http") {
      let target = file.deletingLastPathComponent().appending(path: String(link.1))
      #expect(FileManager.default.fileExists(atPath: target.path), "\(document): \(link.1)")
    }
  }

  @Test func findsTheDocuments() {
    #expect(Self.documents.contains("docs/ARCHITECTURE.md"))
    #expect(Self.documents.contains("docs/model.md"))
  }
}

import CapturePort
import Glibc
import Testing

/// Real captures, which are too large for the repository: a folder with a table of their packet
/// counts, counted with other tools, in SOURCES.md. Name it in APUS_CORPUS; without the variable it
/// is looked for beside the package.
@Suite struct CorpusTests {
  static let folder: String = {
    if let named = getenv("APUS_CORPUS") { return String(cString: named) }
    let package = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return "/\(package)/../shared/pcaps"
  }()

  static let isThere = access(folder + "/SOURCES.md", R_OK) == 0

  /// File names and packet counts: the first and sixth column of the table "Files".
  static func table() throws -> [(name: String, packets: Int)] {
    let text = try #require(fileContents(folder + "/SOURCES.md"))
    var rows: [(name: String, packets: Int)] = []
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
      let cells = line.split(separator: "|")
      guard line.hasPrefix("| `"), cells.count > 9, let packets = Int(cells[5].trimmed) else {
        continue
      }
      rows.append((String(cells[0].filter { $0 != "`" }.trimmed), packets))
    }
    return rows
  }

  // Disabled where the captures are not installed; every other test makes its own captures.
  @Test("Packet counts of the corpus", .enabled(if: isThere, "APUS_CORPUS names no corpus"))
  func packetCounts() throws {
    let table = try Self.table()
    try #require(!table.isEmpty)
    var sum = 0
    for (name, packets) in table {
      var reader = try CaptureReader(path: "\(Self.folder)/\(name)")
      var record = CaptureRecord()
      var count = 0
      while reader.next(&record) { count += 1 }
      #expect(count == packets, "\(name)")
      #expect(reader.warning == nil, "\(name)")
      #expect(reader.bytesRead == reader.byteCount, "\(name)")
      sum += count
    }
    #expect(sum == table.map(\.packets).reduce(0, +))
    print("corpus: \(table.count) files, \(sum) packets")
  }
}

extension StringProtocol {
  fileprivate var trimmed: SubSequence {
    var rest = self[...]
    while rest.first == " " { rest = rest.dropFirst() }
    while rest.last == " " { rest = rest.dropLast() }
    return rest
  }
}

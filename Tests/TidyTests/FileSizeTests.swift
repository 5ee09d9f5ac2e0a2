import Foundation
import Testing

/// Nothing that was downloaded or built lies among the sources.
@Suite struct FileSizeTests {
  /// The largest file that belongs here, a list of verdicts, has a quarter of a million bytes.
  private static let mostBytes = 512 << 10

  /// Files of more bytes, by path; folders whose name begins with a dot are built or of tools.
  private static func largeFiles(in folder: URL, over most: Int) throws -> [String] {
    let files = FileManager.default.enumerator(
      at: folder, includingPropertiesForKeys: [.fileSizeKey], options: [.skipsHiddenFiles])
    var found: [String] = []
    while let file = files?.nextObject() as? URL {
      let size = try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
      if size > most { found.append(file.lastPathComponent) }
    }
    return found
  }

  @Test func filesAreSmall() throws {
    let found = try Self.largeFiles(in: SourceTree.root, over: Self.mostBytes)
    #expect(found.isEmpty, "\(found.joined(separator: ", "))")
  }

  @Test func aLargeFileIsSeen() throws {
    let found = try Self.largeFiles(
      in: SourceTree.root.appendingPathComponent("pcaps"), over: 200_000)
    #expect(found.contains("iperf.verdicts.jsonl"))
  }
}

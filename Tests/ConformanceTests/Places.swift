import Foundation

/// Folders that the tests read.
enum Places {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  static let pcaps = root.appending(path: "pcaps")
  static let examples = root.appending(path: "examples")

  /// Captures of many programs and networks that are not part of the repository; nil without them.
  static let corpus: URL? = {
    let named = ProcessInfo.processInfo.environment["APUS_CORPUS"].map { URL(filePath: $0) }
    let folder = named ?? root.deletingLastPathComponent().appending(path: "shared/pcaps")
    return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
  }()

  /// The files of a folder with one of some endings, sorted by name.
  static func files(of folder: URL?, _ endings: String...) -> [URL] {
    guard let folder else { return [] }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { name in endings.contains { name.hasSuffix($0) } }.sorted()
      .map { folder.appending(path: $0) }
  }
}

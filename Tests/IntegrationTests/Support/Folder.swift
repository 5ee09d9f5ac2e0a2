import Foundation

/// A temporary folder that goes with the value that holds it.
final class Folder: Sendable {
  let url: URL

  init(_ label: String) throws {
    url = FileManager.default.temporaryDirectory
      .appending(path: "apus-\(label)-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func url(_ name: String) -> URL { url.appending(path: name) }
  func path(_ name: String) -> String { url(name).path }

  /// Writes a file and returns its path.
  func write(_ text: String, to name: String) throws -> String {
    try text.write(to: url(name), atomically: true, encoding: .utf8)
    return path(name)
  }
}

import Foundation

/// Where the tests find what they read and run.
enum Places {
  static let repository = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static func example(_ name: String) -> String {
    repository.appending(path: "examples/\(name)").path
  }

  /// An executable of this build: it lies beside the tests.
  static func executable(_ name: String) -> String {
    URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: name).path
  }
}

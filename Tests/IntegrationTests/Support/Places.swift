import Foundation

/// Where the tests find what they run.
enum Places {
  static let repository = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static let guest = repository.appending(path: "scripts/guest").path
  static let models = repository.appending(path: "Tests/IntegrationTests/Models")

  /// A product of this build: it lies beside the tests.
  static func product(_ name: String) -> String {
    URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: name).path
  }
}

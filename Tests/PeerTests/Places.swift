import Foundation

/// Where the tests find what they run.
enum Places {
  private static let repository = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static let folder = repository.appending(path: "Tests/peers/nftables")
  static let comparison = folder.appending(path: "compare").path

  static let exchange = repository.appending(path: "Tests/peers/scapy/exchange.py").path

  /// A folder of captures; nil when `APUS_CORPUS` names none that is there.
  static let corpus = ProcessInfo.processInfo.environment["APUS_CORPUS"].flatMap {
    FileManager.default.fileExists(atPath: $0) ? $0 : nil
  }

  /// The apus command of this build: it lies beside the tests.
  static let apus = URL(filePath: CommandLine.arguments[0])
    .deletingLastPathComponent().appending(path: "apus").path
}

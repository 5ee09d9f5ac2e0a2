import Foundation
import Replay
import Testing
import VPCModel

/// The captures of the repository, each with its model and the verdicts it has to give.
@Suite struct GoldenTests {
  /// A capture; its model and verdicts have the same name with another ending.
  struct Capture: Sendable, CustomTestStringConvertible {
    var url: URL
    var testDescription: String { url.lastPathComponent }
    func sibling(_ ending: String) -> URL {
      url.deletingPathExtension().appendingPathExtension(ending)
    }
  }

  static let captures = Places.files(of: Places.pcaps, ".pcap", ".pcapng").map(Capture.init)

  @Test func `every capture has a model and verdicts`() {
    #expect(Self.captures.count >= 16)
    for capture in Self.captures {
      for ending in ["yaml", "verdicts.jsonl"] {
        #expect(
          FileManager.default.fileExists(atPath: capture.sibling(ending).path),
          "\(capture.testDescription) has no .\(ending)")
      }
    }
  }

  @Test(arguments: captures) func `verdicts are those of the repository`(_ capture: Capture) throws
  {
    let output = FileManager.default.temporaryDirectory
      .appending(path: "apus-golden-\(UUID().uuidString).jsonl")
    defer { try? FileManager.default.removeItem(at: output) }
    var options = ReplayOptions(captures: [capture.url.path])
    options.verdicts = output.path
    let model = try ModelLoader.load(paths: [capture.sibling("yaml").path])
    let result = try Replay.run(model: model, options: options)
    #expect(result.failure == nil && result.summary.isConserved)
    // The files name the capture as a replay in the package's folder does.
    let actual = try String(contentsOf: output, encoding: .utf8)
      .replacing("\"file\":\"\(Places.root.path)/", with: "\"file\":\"").split(separator: "\n")
    let expected = try String(contentsOf: capture.sibling("verdicts.jsonl"), encoding: .utf8)
      .split(separator: "\n")
    #expect(actual.count == expected.count)
    let different = zip(actual, expected).first { $0 != $1 }
    #expect(different == nil)
  }
}

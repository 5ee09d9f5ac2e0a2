import ArgumentParser
import Glibc
import Replay
import Testing

@testable import apus

/// `apus replay --against`, and folders of captures, as a user types them.
@Suite struct AgainstCommandTests {
  /// The project's folder.
  private static let root = #filePath.split(separator: "/").dropLast(3)
    .reduce(into: "") { $0 += "/\($1)" }

  private static func outcome(_ arguments: String...) throws -> ApusExit {
    do {
      var command = try Apus.parseAsRoot(["replay"] + arguments)
      try command.run()
      return .done
    } catch let failure as CommandFailure { return failure.code }
  }

  @Test func exitCodeTellsWhetherAnythingDiffers() throws {
    let today = "\(Self.root)/pcaps/web.yaml"
    let capture = "\(Self.root)/pcaps/web.pcap"
    let rules = String(decoding: TemporaryFile.bytes(today), as: UTF8.self)
    let tomorrow = TemporaryFile(
      Array(rules.replacing("ports: [80, 443]", with: "ports: [443]").utf8))
    #expect(try Self.outcome("--rules", today, "--against", today, capture) == .done)
    #expect(try Self.outcome("--rules", today, "--against", tomorrow.path, capture) == .no)
    #expect(
      try Self.outcome("--rules", today, "--against", tomorrow.path, "--json", capture) == .no)
    #expect(try Self.outcome("--rules", today, "--against", "/nonexistent", capture) == .input)
  }

  @Test func outputMayNotBeTheOtherModel() throws {
    let today = "\(Self.root)/pcaps/web.yaml"
    let other = TemporaryFile(TemporaryFile.bytes(today))
    #expect(
      try Self.outcome(
        "--rules", today, "--against", other.path, "--verdicts", other.path,
        "\(Self.root)/pcaps/web.pcap") == .usage)
    #expect(!other.text.isEmpty)
  }

  @Test func folderStandsForItsCaptures() throws {
    let files = try CaptureFolder.files("\(Self.root)/pcaps")
    #expect(files.contains("\(Self.root)/pcaps/web.pcap"))
    #expect(files.contains("\(Self.root)/pcaps/ssh.pcapng"))
    #expect(!files.contains { $0.hasSuffix(".yaml") || $0.hasSuffix(".md") })
    #expect(files == files.sorted())
    #expect(try CaptureFolder.files("\(Self.root)/pcaps/") == files)
    #expect(try CaptureFolder.files("-") == ["-"])
    #expect(try CaptureFolder.files("/nonexistent.pcap") == ["/nonexistent.pcap"])
  }

  @Test func folderWithoutCapturesIsAnError() {
    #expect {
      _ = try CaptureFolder.files("\(Self.root)/docs")
    } throws: { error in
      let failure = error as? CommandFailure
      return failure?.code == .input && failure?.lines.first?.contains("no captures") == true
    }
  }
}

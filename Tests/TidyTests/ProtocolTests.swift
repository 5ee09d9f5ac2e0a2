import Foundation
import Testing

/// What is generated from `proto/` is what `proto/` says now.
@Suite struct ProtocolTests {
  static let generated = "Sources/ControlProtocol/Generated/Descriptors.swift"

  /// As `scripts/make-proto` computes it.
  static func digest(of folder: URL) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.currentDirectoryURL = folder
    process.arguments = [
      "-c",
      "find . -name '*.proto' | sed 's,^\\./,,' | LC_ALL=C sort | xargs sha256sum | sha256sum",
    ]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return String(text.prefix(64))
  }

  @Test func generatedSourcesAreCurrent() throws {
    let digest = try Self.digest(of: SourceTree.root.appendingPathComponent("proto"))
    let text = try SourceTree.file(Self.generated).lines.joined(separator: "\n")
    let committed = text.captures(#"digest = "([0-9a-f]{64})""#)
    #expect(committed == [digest], "proto/ has changed: run scripts/make-proto, commit its outcome")
  }

  @Test func changeOfProtocolIsSeen() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("apus-proto-\(UInt32.random(in: 0 ... .max))")
    try FileManager.default.copyItem(
      at: SourceTree.root.appendingPathComponent("proto"), to: folder)
    defer { try? FileManager.default.removeItem(at: folder) }
    let before = try Self.digest(of: folder)
    let file = folder.appendingPathComponent("apus/v1/control.proto")
    let text = try String(contentsOf: file, encoding: .utf8)
    try (text + "\n// More.\n").write(to: file, atomically: true, encoding: .utf8)
    #expect(try Self.digest(of: folder) != before)
  }
}

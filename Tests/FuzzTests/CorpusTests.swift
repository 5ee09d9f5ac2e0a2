import ControlFuzzing
import Foundation
import FrameFuzzing
import FuzzSupport
import InputFuzzing
import PacketFuzzing
import Testing
import TunnelFuzzing

/// Every input that fuzzing kept, once, through what the fuzzer runs.
@Suite struct CorpusTests {
  private static let targets =
    FrameTargets.all + TunnelTargets.all + PacketTargets.all + InputTargets.all + ControlTargets.all

  private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Corpus")

  @Test(arguments: targets.map(\.name))
  func corpusHasNoFault(of name: String) throws {
    let target = try #require(Self.targets.first { $0.name == name })
    let body = target.make()
    let folder = Self.corpus.appendingPathComponent(name)
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    let seeds = target.seeds()
    #expect(files.count + seeds.count > 3)
    for (index, seed) in seeds.enumerated() {
      let fault = seed.withUnsafeBytes(body)
      #expect(fault == nil, "seed \(index)")
    }
    for file in files {
      let bytes = [UInt8](try Data(contentsOf: folder.appendingPathComponent(file)))
      #expect(bytes.count <= target.maximumLength, "\(file)")
      let fault = bytes.withUnsafeBytes(body)
      #expect(fault == nil, "\(file)")
    }
  }

  @Test func corpusHasNothingElse() throws {
    let folders = try FileManager.default.contentsOfDirectory(atPath: Self.corpus.path)
    #expect(Set(folders) == Set(Self.targets.map(\.name)))
  }
}

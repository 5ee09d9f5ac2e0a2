import CapturePort
import Foundation
import ReferenceComparison
import ReferenceModel
import Replay
import Testing
import VPCModel

/// Captures of many programs and networks. They are not in the repository: `APUS_CORPUS` names their
/// folder, and without them these tests are skipped.
@Suite(.enabled(if: Places.corpus != nil, "no corpus: set APUS_CORPUS to a folder of captures"))
struct CorpusTests {
  struct Capture: Sendable, CustomTestStringConvertible {
    var url: URL
    var testDescription: String { url.lastPathComponent }
  }

  static let captures = Places.files(
    of: Places.corpus, ".pcap", ".pcapng", ".pcap.gz", ".pcapng.gz"
  )
  .map(Capture.init)
  /// Packets of each capture that are compared: the reference model is slow on purpose.
  static let comparedPackets = 600

  /// The first packets of a capture.
  static func packets(of capture: Capture, _ count: Int) throws -> [ReferencePacket] {
    var reader = try CaptureReader(path: capture.url.path)
    var record = CaptureRecord()
    var packets: [ReferencePacket] = []
    while packets.count < count, reader.next(&record) {
      packets.append(
        ReferencePacket(
          file: capture.testDescription, number: packets.count + 1, time: record.time,
          linkType: record.linkType, bytes: [UInt8](record.buffer),
          originalLength: record.originalLength))
    }
    return packets
  }

  @Test(arguments: captures) func `engine and reference model agree`(_ capture: Capture) throws {
    let packets = try Self.packets(of: capture, Self.comparedPackets)
    try #require(!packets.isEmpty)
    let own = CorpusModel.model(of: packets)
    for atNIC in [false, true] {
      try compare(packets, own, atNIC: atNIC, capture)
    }
    // The examples know little of these captures; where they do, MAC addresses do not.
    for example in Places.files(of: Places.examples, ".yaml") {
      let model = try ModelLoader.load(paths: [example.path])
      try compare(Array(packets.prefix(200)), model, atNIC: false, capture)
    }
  }

  private func compare(
    _ packets: [ReferencePacket], _ model: VPCModel, atNIC: Bool, _ capture: Capture
  ) throws {
    let options = ReferenceOptions(atNIC: atNIC)
    let scenario = Scenario(model: model, options: options, packets: packets)
    let comparison = try Comparison.scenario(scenario)
    #expect(comparison.packets == packets.count)
    if let first = comparison.differences.first {
      Issue.record(
        """
        \(capture.testDescription), at \(atNIC ? "nic" : "wire"): \
        \(comparison.differences.count) differences, the first: \(first)
        """)
    }
  }

  @Test(arguments: captures) func `every packet of a whole capture has one verdict`(
    _ capture: Capture
  ) throws {
    let model = CorpusModel.model(of: try Self.packets(of: capture, Self.comparedPackets))
    let result = try Replay.run(model: model, options: ReplayOptions(captures: [capture.url.path]))
    let summary = result.summary
    #expect(result.failure == nil)
    #expect(summary.packets > 0)
    #expect(
      summary.packets
        == summary.forwarded + summary.dropped + summary.replied + summary.consumed
        + summary.ignored)
    #expect(summary.dropsByReason.reduce(0) { $0 + $1.count } == summary.dropped)
  }
}

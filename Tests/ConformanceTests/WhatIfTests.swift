import Foundation
import ReferenceComparison
import ReferenceModel
import Testing
import VPCModel
import WhatIf

/// `replay --against` on the large capture of the corpus, with a model of 1,000 rules and ten edits.
/// `compare --what-if 10` does the same with every packet of a capture.
@Suite(.enabled(if: Places.corpus != nil, "no corpus: set APUS_CORPUS to a folder of captures"))
struct WhatIfTests {
  /// The reference model is slow on purpose.
  private static let comparedPackets = 30_000
  private static let rules = 1_000

  @Test func `exactly the affected flows are listed`() throws {
    let corpus = try #require(Places.corpus)
    let large = corpus.appending(path: "large/mix-dev.pcap.gz").path
    let packets = try WhatIfComparison.packets(of: large, first: Self.comparedPackets)
    let capture = FileManager.default.temporaryDirectory
      .appending(path: "apus-what-if-\(UUID().uuidString).pcapng").path
    defer { try? FileManager.default.removeItem(atPath: capture) }
    try ReferenceComparison.Comparison.write(packets, to: capture)

    let models = WhatIfModels(packets, rules: Self.rules, edits: 10)
    for model in [models.today, models.tomorrow] {
      let read = try ModelLoader.load(
        texts: [(name: "what-if", text: ModelWriter.document(model))])
      #expect(read == model, "the model is one that a file can say")
    }
    #expect(Self.rules(of: models.today) == Self.rules && models.edits.count == 10)

    let found = try WhatIfComparison(packets, in: capture, models)
    #expect(found.differences.isEmpty, "\(found.differences.prefix(3).joined(separator: "\n"))")
    #expect(found.packets == packets.count)
    // Rules decide many packets, and the edits change what becomes of some.
    #expect(found.outcomes["forward", default: 0] > packets.count / 5, "\(found.outcomes)")
    #expect(found.outcomes["sg.ingress", default: 0] > 300, "\(found.outcomes)")
    #expect(found.affectedFlows > 20 && found.affectedPackets > 500)
  }

  private static func rules(of model: VPCModel) -> Int {
    model.securityGroups.reduce(0) { $0 + $1.ingress.count + $1.egress.count }
      + model.networkACLs.reduce(0) { $0 + $1.ingress.count + $1.egress.count }
  }
}

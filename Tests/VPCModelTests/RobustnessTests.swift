import Testing
import VPCModel

/// A small generator with a seed, so that a failure can be repeated (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

@Suite struct RobustnessTests {
  /// Damaged files give a model or errors with places, never a crash.
  @Test(arguments: 0..<8) func damagedFilesNeverCrash(_ seed: UInt64) {
    var random = SeededGenerator(state: seed)
    let original = Array(exampleText.utf8)
    let lines = exampleText.count { $0 == "\n" } + 1
    var refused = 0
    for _ in 0..<250 {
      let text = String(decoding: damage(original, &random), as: UTF8.self)
      let found = errors(("a.yaml", text))
      refused += found.isEmpty ? 0 : 1
      #expect(found.allSatisfy { $0.line >= 1 && $0.line <= 3 * lines && !$0.reason.isEmpty })
    }
    #expect(refused > 125)
  }

  private func damage(_ original: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    let special = Array("{}[]:,-\"'#&*!|>%@`\n\t ~?\0\u{1}\u{FF}é9".utf8)
    switch Int.random(in: 0..<5, using: &random) {
    case 0: bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
    case 1:
      let start = Int.random(in: 0..<bytes.count - 40, using: &random)
      bytes.removeSubrange(start..<start + Int.random(in: 1..<40, using: &random))
    case 2:
      let start = Int.random(in: 0..<bytes.count - 200, using: &random)
      let piece = bytes[start..<start + 200]
      bytes.insert(contentsOf: piece, at: Int.random(in: 0..<bytes.count, using: &random))
    case 3: bytes.shuffle(using: &random)
    default: break
    }
    for _ in 0..<Int.random(in: 1...8, using: &random) where !bytes.isEmpty {
      let index = bytes.indices.randomElement(using: &random) ?? 0
      bytes[index] = special.randomElement(using: &random) ?? 0
    }
    return bytes
  }

  @Test(arguments: ["[", "{a: ", "- ", "? ", "&a [*a, ", "!!map {", "\"\\0\": {"])
  func deepNestingNeverCrashes(_ piece: String) {
    #expect(!errors(("a", String(repeating: piece, count: 20_000))).isEmpty)
  }

  @Test func manyRulesAreReadInSeconds() throws {
    var text = "vpcs: [{id: v, vni: 1, cidrs: [10.0.0.0/8]}]\nsecurityGroups:\n"
    for group in 0..<100 {
      text += "  - id: g\(group)\n    vpc: v\n    ingress:\n"
      for port in 0..<200 {
        text += "      - {protocol: tcp, ports: \(port), from: [10.\(group).\(port).0/24]}\n"
      }
    }
    let start = ContinuousClock.now
    let model = try load(text)
    #expect(model.securityGroups.count == 100)
    // 20,000 rules in a debug build: quadratic work would take minutes.
    #expect(ContinuousClock.now - start < .seconds(60))
  }
}

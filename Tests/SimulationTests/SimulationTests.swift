import Foundation
import ReferenceModel
import Simulation
import Testing
import VPCModel

/// Simulated hosts beside the reference model; `scripts/simulate` runs more of them.
@Suite struct SimulationTests {
  /// In a debug build about a tenth of a second each.
  @Test(arguments: [1, 101, 201, 301] as [UInt64])
  func `engine and reference agree`(first: UInt64) {
    for seed in first..<first + 12 {
      let plan = Plan(seed: seed, frames: 300)
      let result = Simulator.run(plan)
      #expect(result.frames >= 300)
      guard let difference = result.difference else { continue }
      let kept = Simulator.minimise(plan, seconds: 2)
      let again = "scripts/simulate --seed \(seed) --frames 300 --steps \(Simulator.text(kept))"
      Issue.record("\(again): \(difference)")
      return
    }
  }

  @Test func `the same seed is the same plan`() {
    let (one, other) = (Plan(seed: 7, frames: 60), Plan(seed: 7, frames: 60))
    #expect(one.steps.map(\.description) == other.steps.map(\.description))
    #expect(one.model == other.model)
    #expect(Plan(seed: 8, frames: 60).steps.map(\.description) != one.steps.map(\.description))
  }

  @Test func `plans have every kind of step`() {
    var kinds: Set<String> = []
    for seed: UInt64 in 1...60 {
      for step in Plan(seed: seed, frames: 300).steps {
        kinds.insert(Mirror(reflecting: step).children.first?.label ?? "\(step)")
      }
    }
    let all: Set<String> = [
      "advance", "frame", "round", "serve", "settle", "push", "port", "ring", "buffers", "nextHop",
      "restart", "superFrame",
    ]
    #expect(kinds.isSuperset(of: all), "\(all.subtracting(kinds))")
  }

  /// With one worker and with several, whose limit goes by a count of its own.
  @Test func `connections take the place of others while these live`() {
    var numbers: Set<Int> = []
    for seed: UInt64 in 1...60 where numbers.count < 2 {
      let plan = Plan(seed: seed, frames: 300)
      if numbers.contains(plan.workers) { continue }
      if Simulator.run(plan).replacements > 0 { numbers.insert(plan.workers) }
    }
    #expect(numbers == [1, 2])
  }

  /// A host that forgets a rule behind the reference's back differs, and the plan gets small.
  @Test func `a difference is found and made small`() throws {
    var plan = Plan(seed: 3, frames: 60)
    // The reference follows every push, so only a lie about the model makes the two differ.
    plan.lie(at: plan.steps.count / 2)
    let result = Simulator.run(plan)
    try #require(result.difference != nil)
    let kept = Simulator.minimise(plan, seconds: 5)
    #expect(kept.count < plan.steps.count / 4)
    #expect(Simulator.run(plan, kept: kept).difference != nil)
  }

  @Test func `steps are written and read`() {
    #expect(Simulator.text([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8")
    #expect(Simulator.steps("0-2,5,7-8") == [0, 1, 2, 5, 7, 8])
    for wrong in ["2-0", "a", "", ",", "3,1", "2,2", "1-", "-1", "0-2-4"] {
      #expect(Simulator.steps(wrong) == nil, "\(wrong)")
    }
  }
}

/// The list of planted defects.
@Suite struct MutationListTests {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static func entries() throws -> [[String: String]] {
    let file = root.appendingPathComponent("Tests/simulate/mutations")
    let text = try String(contentsOf: file, encoding: .utf8)
    return text.components(separatedBy: "\n\n").compactMap { block in
      var fields: [String: String] = [:]
      for line in block.split(separator: "\n") where !line.hasPrefix("#") {
        guard let colon = line.firstIndex(of: ":") else { continue }
        fields[String(line[..<colon])] =
          line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
      }
      return fields.isEmpty ? nil : fields
    }
  }

  static func count(_ part: String, in text: String) -> Int {
    text.components(separatedBy: part).count - 1
  }

  /// What `scripts/mutate` needs to plant them.
  @Test func `every defect has its place in the sources`() throws {
    let entries = try Self.entries()
    #expect(entries.count >= 40)
    #expect(Set(entries.compactMap { $0["name"] }).count == entries.count)
    for entry in entries {
      let name = entry["name"] ?? ""
      let (file, old) = (try #require(entry["file"]), try #require(entry["old"]))
      let place = entry["line"] ?? old
      let source = try String(
        contentsOf: Self.root.appendingPathComponent(file), encoding: .utf8)
      #expect(Self.count(place, in: source) == 1, "\(name)")
      #expect(Self.count(old, in: place) == 1, "\(name)")
      #expect((entry["new"] == nil) != (entry["instead"] == nil), "\(name)")
      #expect(entry["new"] != old, "\(name)")
    }
  }

  @Test func `a place that is there twice is seen`() {
    #expect(Self.count("ab", in: "ab ab") == 2 && Self.count("ab", in: "ba") == 0)
  }
}

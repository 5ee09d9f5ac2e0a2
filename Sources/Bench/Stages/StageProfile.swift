/// Where the engine's time goes, by samples of the program counter.
///
/// A sample belongs to the stage into which its instruction was inlined: the innermost function of
/// a file of `Datapath`; or to the table, when it is a function of `Tables` that is called. Others
/// are left out: of the kernel, which had the processor, and of who called the engine.
struct StageProfile {
  struct Stage: Equatable {
    var name: String
    var samples: Int
    /// The functions outside of `Datapath` that had most of them, the first one first.
    var within: [String]
  }

  private(set) var stages: [Stage] = []
  private(set) var samples = 0

  init(_ addresses: [UInt64], _ frames: [UInt64: [SourceFrame]]) {
    var counts: [String: Int] = [:]
    var functions: [String: [String: Int]] = [:]
    for address in addresses {
      guard let chain = frames[address], let name = Self.stage(chain) else { continue }
      samples += 1
      counts[name, default: 0] += 1
      if let names = chain.first?.names, !names.isEmpty, names[0] != "Datapath" {
        functions[name, default: [:]][names.dropFirst().joined(separator: "."), default: 0] += 1
      }
    }
    stages = counts.map { name, count in
      let known = (functions[name] ?? [:]).filter { $0.value * 10 >= count }
        .sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      return Stage(name: name, samples: count, within: known.prefix(2).map(\.key))
    }
    stages.sort { ($1.samples, $0.name) < ($0.samples, $1.name) }
  }

  private static func stage(_ chain: [SourceFrame]) -> String? {
    if let stage = chain.lazy.compactMap(\.stage).first { return stage }
    return chain.lazy.compactMap(\.table).first.map { "Tables: \($0)" }
  }
}

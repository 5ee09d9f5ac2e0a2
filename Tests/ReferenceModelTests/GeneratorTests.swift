import ReferenceModel
import Testing
import Wire

@Suite struct GeneratorTests {
  @Test("A seed gives the same scenario again, and another seed another")
  func reproducible() {
    let first = Generator.scenario(seed: 7, packets: 300)
    let again = Generator.scenario(seed: 7, packets: 300)
    #expect(first.packets == again.packets && first.model == again.model)
    #expect(Generator.scenario(seed: 8, packets: 300).packets != first.packets)
  }

  @Test("Scenarios visit nearly every reason, and every verdict and state")
  func coverage() {
    var reasons: Set<String> = []
    var verdicts: Set<String> = []
    var states: Set<String> = []
    for seed: UInt64 in 1...40 {
      let scenario = Generator.scenario(seed: seed, packets: 800)
      var vpc = ReferenceVPC(model: scenario.model, options: scenario.options)
      for packet in scenario.packets {
        let verdict = vpc.judge(packet)
        if verdict.verdict == "drop" { reasons.insert(verdict.reason) }
        verdicts.insert(verdict.verdict)
        states.insert(verdict.state)
        #expect((verdict.output != nil) == (verdict.verdict == "forward"))
        #expect(
          verdict.reason.isEmpty == ["forward", "reply", "consume"].contains(verdict.verdict))
        #expect(verdict.verdict == "forward" || verdict.state == "none")
      }
    }
    #expect(verdicts == ["forward", "drop", "reply", "consume", "ignore"])
    #expect(states == ["new", "established", "related", "untracked", "none"])
    // A thousand fragmented datagrams at once are beyond a random scenario.
    let all = Set(DropNames.all).subtracting(["fragment.limit"])
    #expect(all.subtracting(reasons) == [])
  }
}

private enum DropNames {
  static let all = DropReason.allCases.filter { $0 != .none && !$0.isOfLivePorts }.map(\.name)
}

import Controller
import Live

extension LiveDataPlane {
  /// Bytes behind a packet's headers that its judgement may need: what an ICMP error quotes.
  private static let quote = 128

  func shadow(_ plan: ShadowPlan) async throws(ObservationError) -> any ShadowSession {
    let live = inUse.current
    var filter = try ObservationFilter(plan.filter, live)
    filter.matchesBothWays = true
    filter.sample = ConnectionSample(
      oneIn: UInt32(clamping: max(1, plan.oneIn)), seed: .random(in: 0 ... .max))
    // Before the tables are made, which takes a while.
    try seat.checkFree()
    let text = ObservationText(inUse, clock: shared.clock)
    let judge: ShadowJudge
    do {
      judge = try ShadowJudge(live, candidate: plan.candidate, text: text)
    } catch { throw .wrong("\(error)") }
    let wanted = filter
    let memory = ObservationMemory(shared) {
      Observation(.frameBefore, wanted, beyondHeaders: Self.quote)
    }
    let inUse = inUse
    return try LiveShadow(judge, memory, seat: seat, seconds: plan.seconds) {
      inUse.current === live
    }
  }
}

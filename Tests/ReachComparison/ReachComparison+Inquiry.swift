import Reachability
import VPCModel
import Wire

// Questions by addresses alone, as a user of `apus explain` asks them.

extension ReachComparison {
  /// What passes by `explain` is in the sets, and so is what it says would pass with its changes.
  mutating func inquire(_ query: ReachProbe.Query, _ model: VPCModel) {
    var ends = (from: PathEnd.address(query.remote), to: PathEnd.address(query.own))
    if query.direction == .from { swap(&ends.from, &ends.to) }
    let question = PathQuestion(from: ends.from, to: ends.to, traffic: query.traffic)
    // Addresses that stand for nobody, or for several, are no questions.
    guard let answer = try? PathInquiry(model).answer(question) else { return }
    countInquiry(isRemedy: answer.changesSuffice)
    if answer.passes {
      if !isReachable(query, model) { differ(query, "explain lets it pass, the sets do not") }
    } else if answer.changesSuffice {
      var changed = model
      for change in answer.changes { change.apply?(&changed) }
      if (try? PathInquiry(changed).answer(question))?.passes != true {
        differ(query, "it does not pass with the changes of explain")
      } else if !isReachable(query, changed) {
        differ(query, "explain lets it pass with its changes, the sets do not")
      }
    }
  }

  /// Whether the conversation of two addresses is in the sets of any interface that has the near one.
  private func isReachable(_ query: ReachProbe.Query, _ model: VPCModel) -> Bool {
    let analysis = ReachAnalysis(model)
    let number = Self.service(query.traffic, query.own.family)
    for nic in model.networkInterfaces where nic.addresses.contains(query.own) {
      let reach = query.direction == .to ? analysis.reach(to: nic.id) : analysis.reach(from: nic.id)
      for entry in reach?.entries ?? [] where entry.own == query.own {
        let fate = entry.traffic.fate(
          query.remote, service: number, sourcePort: query.traffic.sourcePort)
        if fate == .answered || fate == .oneWay { return true }
      }
    }
    return false
  }
}

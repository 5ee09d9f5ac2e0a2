import Datapath
import Explanation
import TableCompiler
import VPCModel
import Wire

/// A packet of a conversation with what the engine says of it.
public struct ExplainedPacket: Sendable {
  /// Who sends it to whom.
  public var title: String
  /// Every step of the judgement, in words.
  public var steps: [String]
  /// Verdict, reason, rule, state, as one sentence.
  public var verdict: String
  /// Empty unless dropped.
  public var reason: String
  public var rule: String
  /// Forwarded, and to whom it should go.
  public var passes: Bool
}

/// Whether a conversation is possible, why, and what would have to change.
public struct PathAnswer: Sendable {
  public var question: String
  /// The first packet, and its answer if that much comes about.
  public var packets: [ExplainedPacket] = []
  /// What the verdicts alone do not say.
  public var notes: [String] = []
  /// The first packet arrives, and its answer, if it has one, comes back.
  public var passes = false
  /// Of a conversation that does not pass: what the model lacks, one after the other; with all of
  /// them made the engine lets it pass.
  public var changes: [Change] = []
  /// Whether the engine said so with `changes` made.
  public var changesSuffice = false
}

/// Asks the production engine about packets that nobody sent.
public struct PathInquiry: Sendable {
  let model: VPCModel

  /// - Parameter model: from the loader, so that every reference resolves.
  public init(_ model: VPCModel) { self.model = model }

  /// Composes the first packet of a conversation and its answer, and has the engine judge both.
  ///
  /// Allowances are asked as for the first packets after a start. What one change does not cure is
  /// asked again with the change made, up to 12 times.
  ///
  /// - Throws: when the question names what is not there, or leaves doubt.
  /// - Complexity: O(n log n) in the model's size for each time.
  public func answer(_ question: PathQuestion) throws(PathQuestionError) -> PathAnswer {
    let first = try ask(question, of: model)
    var answer = first.answer
    var next = first.change
    var changed = model
    while let change = next, answer.changes.count < 12 {
      answer.changes.append(change)
      guard let apply = change.apply else { break }
      apply(&changed)
      let again = try ask(question, of: changed)
      if again.answer.passes { answer.changesSuffice = true }
      next = again.change
    }
    return answer
  }

  private func ask(
    _ question: PathQuestion, of model: VPCModel
  ) throws(PathQuestionError) -> (answer: PathAnswer, change: Change?) {
    let engine: ProbeEngine
    do { engine = try ProbeEngine(model) } catch {
      throw PathQuestionError(what: "the model cannot be compiled", why: "\(error)")
    }
    switch try PathResolver(directory: engine.directory).resolve(question) {
    case .noWay(let why, let change):
      var answer = PathAnswer(question: Self.text(question))
      answer.notes = [why]
      return (answer, change)
    case .plan(let plan):
      return PathConversation(engine: engine, plan: plan).answer()
    }
  }

  private static func text(_ question: PathQuestion) -> String {
    func name(_ end: PathEnd) -> String {
      switch end {
      case .interface(let id): id
      case .address(let address): "\(address)"
      }
    }
    return "\(name(question.from)) to \(name(question.to))"
  }
}

/// The two packets of one conversation.
struct PathConversation {
  let engine: ProbeEngine
  let plan: ProbePlan
  private var directory: ModelDirectory { engine.directory }

  func answer() -> (answer: PathAnswer, change: Change?) {
    let family = plan.source.family
    var result = PathAnswer(
      question: "\(name(plan.arrival, plan.source)) to \(receiverName), "
        + plan.traffic.text(family))
    let request = ProbePacket(
      source: plan.source, destination: plan.wireDestination, traffic: plan.traffic)
    let there = engine.judge(request, from: plan.arrival, vpc: plan.vpc)
    let isAtTarget = there.isForwarded && arrives(there)
    result.packets.append(
      explained(
        request, there, title: "\(name(plan.arrival, plan.source)) sends", passes: isAtTarget))
    guard there.isForwarded else {
      // From here on the packet has the private destination, as groups and ACLs see it.
      var seen = request
      seen.destination = plan.destination
      return (result, change(there, seen, sender: plan.arrival, cameFrom: nil))
    }
    guard isAtTarget, let back = returning(there) else {
      result.notes.append("it goes to \(place(there)), not to \(receiverName)")
      return (result, nil)
    }
    guard let traffic = plan.traffic.answer(family) else {
      result.notes.append("there is no answer to such a packet")
      result.passes = true
      return (result, nil)
    }
    return answered(&result, traffic, from: back)
  }

  private func answered(
    _ result: inout PathAnswer, _ traffic: ProbeTraffic, from back: Arrival
  ) -> (answer: PathAnswer, change: Change?) {
    let (sent, judgement) = judgeAnswer(traffic, from: back)
    var packet = sent
    let isHome = judgement.isForwarded && returning(judgement) == plan.arrival
    result.packets.append(
      explained(packet, judgement, title: "\(name(back, plan.destination)) answers", passes: isHome)
    )
    result.passes = isHome
    if judgement.isForwarded && !isHome {
      result.notes.append(
        "the answer goes to \(place(judgement)), not back to \(name(plan.arrival, plan.source))")
    }
    if judgement.isForwarded { return (result, nil) }
    packet.destination = plan.source
    return (result, change(judgement, packet, sender: back, cameFrom: plan.arrival))
  }

  /// The answer as whoever has the request sends it, and what the engine says of it.
  private func judgeAnswer(
    _ traffic: ProbeTraffic, from back: Arrival
  ) -> (packet: ProbePacket, judgement: Judgement) {
    var packet = ProbePacket(
      source: plan.destination, destination: plan.source, traffic: traffic, isAnswer: true)
    if case .gateway = back, case .nic(let asker) = plan.arrival {
      packet.destination = directory.publicAddress(of: asker, plan.source) ?? plan.source
    }
    let vpc = if case .nic(let asker) = plan.arrival { directory.vpcOf[asker] } else { plan.vpc }
    return (packet, engine.judge(packet, from: back, vpc: vpc))
  }

  /// The fate of the conversation without words, and who has the request.
  func fate() -> (fate: Fate, reached: Arrival?) {
    let request = ProbePacket(
      source: plan.source, destination: plan.wireDestination, traffic: plan.traffic)
    let there = engine.judge(request, from: plan.arrival, vpc: plan.vpc)
    guard there.isForwarded, arrives(there), let back = returning(there) else {
      return (.refused, nil)
    }
    guard let traffic = plan.traffic.answer(plan.source.family) else { return (.oneWay, back) }
    let (_, answer) = judgeAnswer(traffic, from: back)
    let isHome = answer.isForwarded && returning(answer) == plan.arrival
    return (isHome ? .answered : .unanswered, back)
  }

  // MARK: Where packets go

  /// Whether a forwarded packet is where the question wanted it.
  private func arrives(_ judgement: Judgement) -> Bool {
    guard let receiver = plan.receiver else { return true }
    return judgement.outcome.output.nicIndex == engine.compiled.slot(ofInterface: receiver)
  }

  /// Who has a forwarded packet now, as the sender of an answer.
  func returning(_ judgement: Judgement) -> Arrival? {
    if let slot = judgement.outcome.output.nicIndex { return nic(slot).map { .nic($0) } }
    guard let location = judgement.location else { return nil }
    if location.step == .throughGateway { return .gateway(Int(location.a)) }
    guard location.step == .atMapping,
      let mapping = engine.compiled.mapping(at: UInt32(truncatingIfNeeded: location.a)),
      let vpc = directory.vpcIndex[mapping.vpc],
      case .mapping(let index)? = directory.residents[vpc][mapping.address]
    else { return nil }
    return .mapping(index)
  }

  private func nic(_ slot: UInt32) -> Int? {
    Int(slot) < engine.compiled.nicIDs.count
      ? directory.nicIndex[engine.compiled.nicIDs[Int(slot)]] : nil
  }

  private func place(_ judgement: Judgement) -> String {
    guard let arrival = returning(judgement) else { return "the underlay" }
    switch arrival {
    case .nic(let index): return directory.nic(index).id
    case .mapping(let index):
      let mapping = directory.model.mappings[index]
      return "\(mapping.address) on host \(mapping.host)"
    case .gateway(let index): return directory.model.internetGateways[index].id
    }
  }

  // MARK: Words

  private var receiverName: String {
    guard let receiver = plan.receiver else { return "\(plan.destination)" }
    return "\(directory.nic(receiver).id) (\(plan.destination))"
  }

  private func name(_ arrival: Arrival, _ address: IPAddress) -> String {
    switch arrival {
    case .nic(let index): return "\(directory.nic(index).id) (\(address))"
    case .mapping(let index): return "\(address) on host \(directory.model.mappings[index].host)"
    case .gateway(let index):
      return "\(address) through \(directory.model.internetGateways[index].id)"
    }
  }

  private func explained(
    _ packet: ProbePacket, _ judgement: Judgement, title: String, passes: Bool
  ) -> ExplainedPacket {
    let names = VerdictNames(
      nicIDs: engine.compiled.nicIDs, ruleNames: engine.compiled.ruleNames)
    let text = packet.traffic.text(packet.source.family)
    return ExplainedPacket(
      title: "\(title): \(packet.source) to \(packet.destination), \(text)",
      steps: StepText(engine.compiled, names).lines(judgement.steps),
      verdict: names.sentence(judgement.outcome),
      reason: judgement.isForwarded ? "" : judgement.outcome.reason.name,
      rule: names.rule(judgement.outcome.rule), passes: passes)
  }

  private func change(
    _ judgement: Judgement, _ packet: ProbePacket, sender: Arrival, cameFrom: Arrival?
  ) -> Change? {
    let judge = judgement.lastJudge.flatMap(nic)
    let names = engine.compiled.ruleNames
    let number = Int(judgement.outcome.rule)
    return Remedy(directory: directory).change(
      Remedy.Refusal(
        reason: judgement.outcome.reason, rule: number < names.count ? names[number] : "",
        packet: packet, nic: judge, cameFrom: cameFrom))
  }
}

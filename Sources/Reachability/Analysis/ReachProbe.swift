import TableCompiler
import VPCModel
import Wire

/// Asks the engine what becomes of one packet of what a `Reach` speaks of, to compare both.
package struct ReachProbe {
  private let engine: ProbeEngine
  private var directory: ModelDirectory { engine.directory }

  package init(_ model: VPCModel) throws(TableCompilerError) { engine = try ProbeEngine(model) }

  /// A packet between an address of an interface and one of a peer.
  package struct Query: Sendable {
    package var interface: String
    package var direction: Reach.Direction
    package var peer: ReachPeer
    package var own: IPAddress
    package var remote: IPAddress
    package var traffic: ProbeTraffic

    package init(
      interface: String, direction: Reach.Direction, peer: ReachPeer, own: IPAddress,
      remote: IPAddress, traffic: ProbeTraffic
    ) {
      self.interface = interface
      self.direction = direction
      self.peer = peer
      self.own = own
      self.remote = remote
      self.traffic = traffic
    }
  }

  /// The fate by the engine.
  package func fate(_ query: Query) -> Fate {
    guard let plan = plan(query) else { return .refused }
    engine.forget()
    let (fate, reached) = PathConversation(engine: engine, plan: plan).fate()
    if query.direction == .to { return fate }
    return reached.map { isPeer($0, query.peer) } ?? false ? fate : .refused
  }

  /// What `apus explain` says of the same packet, and whether that is what `fate` says, wherever it
  /// arrives; nil when the peer cannot send such a one.
  package func explanation(_ query: Query) -> (answer: PathAnswer, agrees: Bool)? {
    guard let plan = plan(query) else { return nil }
    engine.forget()
    let conversation = PathConversation(engine: engine, plan: plan)
    let (fate, _) = conversation.fate()
    engine.forget()
    let answer = conversation.answer().answer
    return (answer, answer.passes == (fate == .answered || fate == .oneWay))
  }

  /// The first packet; nil when the peer cannot send such a one.
  private func plan(_ query: Query) -> ProbePlan? {
    guard let interface = directory.nicIndex[query.interface] else { return nil }
    var plan = ProbePlan(
      arrival: .nic(interface), source: query.own, destination: query.remote,
      wireDestination: query.remote, vpc: directory.vpcOf[interface], receiver: nil,
      traffic: query.traffic)
    if query.direction == .from { return plan }
    plan.receiver = interface
    (plan.source, plan.destination) = (query.remote, query.own)
    plan.wireDestination = query.own
    switch query.peer {
    case .interface(let id):
      guard let index = directory.nicIndex[id] else { return nil }
      plan.arrival = .nic(index)
    case .mappings(let vpc):
      guard let index = directory.vpcIndex[vpc],
        case .mapping(let mapping)? = directory.residents[index][query.remote]
      else { return nil }
      plan.arrival = .mapping(mapping)
    case .gateway(let id):
      guard let index = directory.gatewayIndex[id] else { return nil }
      plan.arrival = .gateway(index)
      plan.wireDestination =
        directory.publicAddress(of: interface, query.own) ?? query.own
    }
    return plan
  }

  private func isPeer(_ arrival: Arrival, _ peer: ReachPeer) -> Bool {
    switch arrival {
    case .nic(let index): peer == .interface(directory.nic(index).id)
    case .mapping(let index): peer == .mappings(vpc: directory.model.mappings[index].vpc)
    case .gateway(let index): peer == .gateway(directory.model.internetGateways[index].id)
    }
  }
}

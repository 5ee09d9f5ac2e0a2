import Datapath
import Live
import ReferenceModel
import SlowPath
import TableCompiler
import Tables
import VPCModel
import Wire

/// What should be in a worker's ring to the service thread.
enum ExpectedPunt {
  case service(nic: String, outcome: LiveServiceOutcome, frame: [UInt8])
  case tooBig(nic: String, packet: [UInt8])
  case fragment(nic: String, output: ReferenceOutput, frame: [UInt8])
  case neighbour
  case nextHop(IPAddress)

  /// Whose share of the ring it takes; empty for the uplink's.
  var share: String {
    switch self {
    case .service(let nic, _, _), .tooBig(let nic, _), .fragment(let nic, _, _): nic
    case .neighbour, .nextHop: ""
    }
  }
}

/// What should become of an answer when its worker takes it.
struct ExpectedAnswer {
  enum Kind {
    case service(LiveServiceOutcome)
    case frame
    case piece(endpoint: IPAddress, vni: UInt32)
  }

  var nic: String
  /// Number of the network interface, which another may have by then.
  var slot: TableIndex
  var generation: UInt64
  var kind: Kind
  var frame: [UInt8]
}

/// The service thread's answers, by the product's composers.
struct SimulatedDesk {
  private let responder: ServiceResponder
  private let routers: [RouterAddresses]
  private let interfaces: [TableIndex: Int]

  init(_ compiled: CompiledTables) {
    let mappings = compiled.mappings
    responder = ServiceResponder(model: compiled.model) { vpc, address in
      mappings.hardwareAddress(scope: vpc, address)
    }
    routers = RouterAddresses.ofInterfaces(compiled.model)
    interfaces = Dictionary(
      uniqueKeysWithValues: compiled.model.networkInterfaces.indices.map {
        (compiled.slot(ofInterface: $0), $0)
      })
  }

  func answer(_ punt: Punt, _ frame: UnsafeRawBufferPointer) -> (LiveServiceOutcome, [UInt8])? {
    guard let interface = interfaces[punt.nic], let kind = Self.kind(punt.service) else {
      return nil
    }
    var composed: [UInt8] = []
    switch responder.respond(kind, to: frame, from: interface, atNIC: true, into: &composed) {
    case .reply: return (.reply, composed)
    case .consume: return (.consume, [])
    case .drop(let reason): return (.drop(reason), [])
    }
  }

  func tooBig(_ punt: Punt, _ frame: UnsafeRawBufferPointer) -> [UInt8]? {
    guard let interface = interfaces[punt.nic] else { return nil }
    var composed: [UInt8] = []
    let isAnswered = TooBig.answer(
      to: frame, mtu: Int(punt.mtu), routerV4: routers[interface].v4,
      routerV6: routers[interface].v6, into: &composed)
    return isAnswered ? composed : nil
  }

  func pieces(_ punt: Punt, _ frame: UnsafeRawBufferPointer) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    _ = Fragmenter.fragment(frame, mtu: Int(punt.mtu)) { pieces.append([UInt8]($0)) }
    return pieces
  }

  private static func kind(_ service: Service) -> ServiceKind? {
    switch service {
    case .none: nil
    case .arp: .arp
    case .neighborDiscovery: .neighborDiscovery
    case .dhcp4: .dhcp4
    case .dhcp6: .dhcp6
    }
  }
}

extension SimulatedHost {
  /// The service thread takes everything that workers left to it, as long as the rings have room for
  /// the answers.
  func serve() {
    for worker in 0..<workerCount {
      let channel = shared.slowPath(worker: worker)
      while difference == nil, channel.answerRoom >= 40, let next = channel.nextPunt() {
        guard !punts[worker].isEmpty else {
          difference = "an unexpected punt: \(next.punt.kind)"
          return
        }
        serve(next.punt, next.frame, punts[worker].removeFirst(), channel, worker)
        channel.finishPunt()
      }
      if channel.puntCount == 0, let missing = punts[worker].first, difference == nil {
        difference = "missing in the ring to the service thread: \(missing)"
      }
    }
  }

  private func serve(
    _ punt: Punt, _ frame: UnsafeRawBufferPointer, _ expected: ExpectedPunt,
    _ channel: SlowPathChannel, _ worker: Int
  ) {
    let isCurrent = punt.generation == shared.nextGeneration - 1
    switch (punt.kind, expected) {
    case (.underlayNeighbor, .neighbour): return
    case (.unresolvedNextHop, .nextHop(let address)):
      let known = compiled.endpointAddresses
      if isCurrent && known[Int(punt.endpoint)] != address { difference = "asks for another hop" }
    case (.service, .service(let nic, let outcome, let original)):
      if [UInt8](frame) != original { difference = "another frame went to the service" }
      guard let (found, reply) = desk.answer(punt, frame) else {
        let gone = Answer(.drop, to: punt, .eniNone)
        return send(gone, [], .service(.drop(.eniNone)), nic, channel, worker)
      }
      if isCurrent && found != outcome {
        difference = "the service says \(found), not \(outcome)"
      }
      if isCurrent, let text = replyDifference(found, reply, original, nic) { difference = text }
      let answer =
        switch found {
        case .reply: Answer(.reply, to: punt)
        case .consume: Answer(.consume, to: punt)
        case .drop(let reason): Answer(.drop, to: punt, reason)
        }
      send(answer, reply, .service(found), nic, channel, worker)
    case (.tooBig, .tooBig(let nic, let packet)):
      guard let reply = desk.tooBig(punt, frame) else { return }
      if let text = TooBigCheck.difference(reply, about: packet, mtu: Int(punt.mtu)) {
        difference = "too big: \(text)"
      }
      send(Answer(.frame, to: punt), reply, .frame, nic, channel, worker)
    case (.fragment, .fragment(let nic, let output, let original)):
      serveFragment(punt, frame, nic, output, original, channel, worker)
    default: difference = "\(punt.kind) in the ring to the service thread, not \(expected)"
    }
  }

  private func serveFragment(
    _ punt: Punt, _ frame: UnsafeRawBufferPointer, _ nic: String, _ output: ReferenceOutput,
    _ original: [UInt8], _ channel: SlowPathChannel, _ worker: Int
  ) {
    guard case .underlay(let endpoint, let vni) = output.place else { return }
    if let text = output.difference(from: [UInt8](frame)) { difference = "to be cut: \(text)" }
    if Int(punt.mtu) != output.limit { difference = "to be cut to \(punt.mtu)" }
    if punt.vni != vni { difference = "to be cut, with VNI \(punt.vni)" }
    let pieces = desk.pieces(punt, frame)
    if let text = PieceCheck.difference(pieces, of: output.packet, limit: Int(punt.mtu)) {
      difference = "pieces: \(text)"
    }
    if pieces.isEmpty {
      let refusal = Answer(.drop, to: punt, .mtuExceeded)
      return send(refusal, [], .service(.drop(.mtuExceeded)), nic, channel, worker)
    }
    for piece in pieces.prefix(40) {
      send(
        Answer(.encapsulate, to: punt), piece, .piece(endpoint: endpoint, vni: vni), nic, channel,
        worker)
    }
  }

  private func send(
    _ answer: Answer, _ frame: [UInt8], _ kind: ExpectedAnswer.Kind, _ nic: String,
    _ channel: SlowPathChannel, _ worker: Int
  ) {
    let isTaken = frame.withUnsafeBytes { channel.answer(answer, frame: $0) }
    if !isTaken { difference = "the ring of answers is full" }
    answers[worker].append(
      ExpectedAnswer(
        nic: nic, slot: answer.nic, generation: answer.generation, kind: kind, frame: frame))
  }
}

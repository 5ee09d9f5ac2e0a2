import Datapath
import Live
import SlowPath
import TableCompiler
import Tables
import VPCModel
import Wire

/// Answers what workers leave to the service thread: a function of punt and frame, without a
/// thread of its own.
struct ServiceDesk {
  /// Answers that one punt may become at most, and that the caller has to have room for: the pieces
  /// of a frame of 10 KB at the smallest MTU that a model may have.
  static let answersPerPunt = 40

  /// Gets an answer and its frame.
  typealias Send = (Answer, UnsafeRawBufferPointer) -> Void

  private let responder: ServiceResponder
  private let routers: [RouterAddresses]
  /// The model's network interface by its number in the tables.
  private let interfaces: [TableIndex: Int]
  private var composed: [UInt8] = []

  /// - Complexity: linear in the size of the model without its mappings.
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

  /// Handles a punt about a guest's packet; those about the underlay are the caller's.
  ///
  /// A guest's message to a service gets exactly one answer, so that its worker can settle it. A
  /// packet to be cut gets its pieces, or one `drop`. A packet that was too big is dropped already:
  /// it gets an ICMP message or nothing.
  mutating func serve(_ punt: Punt, _ frame: UnsafeRawBufferPointer, send: Send) {
    switch punt.kind {
    case .service: serveService(punt, frame, send)
    case .tooBig: answerTooBig(punt, frame, send)
    case .fragment: fragment(punt, frame, send)
    case .underlayNeighbor, .unresolvedNextHop: return
    }
  }

  private mutating func serveService(
    _ punt: Punt, _ frame: UnsafeRawBufferPointer, _ send: Send
  ) {
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    guard let kind = ServiceKind(punt.service), let interface = interfaces[punt.nic] else {
      return send(Answer(.drop, to: punt, .eniNone), nothing)
    }
    composed.removeAll(keepingCapacity: true)
    let outcome = responder.respond(
      kind, to: frame, from: interface, atNIC: true, into: &composed)
    switch outcome {
    case .drop(let reason): send(Answer(.drop, to: punt, reason), nothing)
    case .consume: send(Answer(.consume, to: punt), nothing)
    case .reply: composed.withUnsafeBytes { send(Answer(.reply, to: punt), $0) }
    }
  }

  private mutating func answerTooBig(
    _ punt: Punt, _ frame: UnsafeRawBufferPointer, _ send: Send
  ) {
    guard let interface = interfaces[punt.nic] else { return }
    let router = routers[interface]
    composed.removeAll(keepingCapacity: true)
    let isAnswered = TooBig.answer(
      to: frame, mtu: Int(punt.mtu), routerV4: router.v4, routerV6: router.v6, into: &composed)
    if isAnswered { composed.withUnsafeBytes { send(Answer(.frame, to: punt), $0) } }
  }

  private func fragment(_ punt: Punt, _ frame: UnsafeRawBufferPointer, _ send: Send) {
    var pieces = 0
    let isCut = Fragmenter.fragment(frame, mtu: Int(punt.mtu)) { piece in
      pieces += 1
      if pieces <= Self.answersPerPunt { send(Answer(.encapsulate, to: punt), piece) }
    }
    if !isCut {
      send(Answer(.drop, to: punt, .mtuExceeded), UnsafeRawBufferPointer(start: nil, count: 0))
    }
  }
}

extension ServiceKind {
  fileprivate init?(_ service: Service) {
    switch service {
    case .none: return nil
    case .arp: self = .arp
    case .neighborDiscovery: self = .neighborDiscovery
    case .dhcp4: self = .dhcp4
    case .dhcp6: self = .dhcp6
    }
  }
}

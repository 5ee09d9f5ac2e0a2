import Controller
import Datapath
import Live
import TableCompiler
import Tables
import Wire

extension ObservationFilter {
  /// The filter as workers have it.
  init(_ filter: PacketFilter, _ compiled: CompiledTables) throws(ObservationError) {
    self.init()
    if let id = filter.networkInterface {
      guard let slot = compiled.slot(ofInterface: id) else { throw .unknownInterface(id) }
      nic = slot
    }
    transport = filter.protocolNumber
    source = try End(filter.source)
    destination = try End(filter.destination)
    matchesBothWays = filter.matchesBothWays
    switch filter.direction {
    case .egress: origin = .guest
    case .ingress: origin = .underlay
    case nil: break
    }
    vni = filter.vni
    isDropped = filter.isDropped
    guard let name = filter.reason else { return }
    guard let reason = DropReason(name: name), reason != .none else {
      throw .wrong("\(name): no such reason (docs/model.md lists them, such as sg.ingress)")
    }
    isDropped = true
    self.reason = reason
  }
}

extension ObservationFilter.End {
  init(_ end: PacketFilter.End) throws(ObservationError) {
    self.init()
    ports = end.ports.map { ObservationFilter.Ports($0) }
    guard let text = end.address else { return }
    guard let prefix = IPPrefix(text) ?? IPAddress(text).map({ IPPrefix($0) }) else {
      throw .wrong("\(text): neither an address nor a prefix (such as 10.0.1.10 or fd00::/8)")
    }
    addresses = FlowFilter.Addresses(prefix)
  }
}

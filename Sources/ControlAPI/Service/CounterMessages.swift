import ControlProtocol
import Controller
import SwiftProtobuf

extension Apus_V1_CountersResponse {
  /// Counters in messages of bounded size, at least one; all say when they were read.
  static func messages(_ counters: HostCounters, _ selection: Apus_V1_CountersRequest) -> [Self] {
    let names = Set(selection.networkInterfaces)
    func isWanted(_ name: String) -> Bool { names.isEmpty || names.contains(name) }
    let head = Self.with {
      $0.uptime = Google_Protobuf_Duration(nanoseconds: counters.uptime)
      $0.generation = counters.generation
      $0.workers = counters.workers.map { values in .with { $0.values = values } }
    }
    var messages = [head]
    func add(_ fill: (inout Self) -> Void) {
      var message = Self()
      message.uptime = head.uptime
      message.generation = head.generation
      fill(&message)
      messages.append(message)
    }
    // An interface has about 40 counters and up to 100 reasons.
    for batch in Batches.of(counters.interfaces.filter { isWanted($0.id) }, 100)
    where !batch.isEmpty {
      add { $0.interfaces = batch.map { Apus_V1_InterfaceCounters($0) } }
    }
    for batch in Batches.of(counters.ports.filter { isWanted($0.name) }, 100) where !batch.isEmpty {
      add { $0.ports = batch.map { Apus_V1_PortCounters($0) } }
    }
    if selection.omitRuleHits { return messages }
    for batch in Batches.of(Array(counters.ruleHits), 4000) where !batch.isEmpty {
      add { message in for (rule, hits) in batch { message.ruleHits[rule] = hits } }
    }
    return messages
  }
}

extension Apus_V1_InterfaceCounters {
  init(_ interface: HostCounters.Interface) {
    self = .with {
      $0.networkInterface = interface.id
      $0.connections = interface.connections
      $0.values = interface.values
      $0.dropsByReason = interface.dropsByReason
    }
  }
}

extension Apus_V1_PortCounters {
  init(_ port: HostCounters.Port) {
    self = .with {
      $0.name = port.name
      $0.up = port.isUp
      $0.values = port.values
      $0.dropsByReason = port.dropsByReason
    }
  }
}

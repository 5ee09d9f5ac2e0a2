import HostFile
import HostPlan
import VPCModel

/// Collects the `ports` of a request's documents while the model's loader reads them.
final class PortCollector {
  private(set) var plans: [GuestPlan] = []
  /// Some document has the section, be it empty.
  private(set) var isNamed = false
  private let isPatch: Bool
  private let runtime: HostPlan.Runtime?
  private var names: [String: Place] = [:]
  /// Ports that are there already and are not deleted.
  private let present: [GuestPlan]

  /// - Parameters:
  ///   - present: ports that are there already and are not deleted.
  ///   - isPatch: ports that are not named stay; else they do when no document has the section.
  init(present: [GuestPlan], isPatch: Bool, runtime: HostPlan.Runtime?) {
    self.present = present
    self.isPatch = isPatch
    self.runtime = runtime
  }

  /// The section as the model's loader takes it.
  var section: OtherSection {
    OtherSection(
      ObjectKind.ports.rawValue,
      read: { [self] list, state in read(list, &state) },
      present: { [self] in
        let replaced = Set(plans.map(\.networkInterface))
        return kept.filter { !replaced.contains($0.networkInterface) }
          .map { ($0.networkInterface, "\(ObjectKind.ports.rawValue)/\($0.networkInterface)") }
      })
  }

  private func read(
    _ list: Located, _ state: inout DocumentState
  ) -> [(networkInterface: String, place: Place)] {
    isNamed = true
    var reader = PortReader(state: state, names: names, runtime: runtime)
    reader.readDocument(list)
    state = reader.state
    names = reader.names
    plans += reader.plans
    return reader.networkInterfaces
  }

  private var kept: [GuestPlan] { isPatch || !isNamed ? present : [] }

  /// The ports after the request, which errors are `lines` about devices that two ports have.
  func merged() -> (ports: [GuestPlan], conflicts: [String]) {
    var wanted = Dictionary(plans.map { ($0.networkInterface, $0) }) { first, _ in first }
    var ports = kept.map { wanted.removeValue(forKey: $0.networkInterface) ?? $0 }
    ports += plans.filter { wanted[$0.networkInterface] != nil }
    var owners: [String: String] = [:]
    var conflicts: [String] = []
    for port in ports {
      let device = port.deviceName
      if let first = owners[device] {
        conflicts.append(
          "ports/\(port.networkInterface): \(device) is the port of `\(first)` already")
      } else {
        owners[device] = port.networkInterface
      }
    }
    return (ports, conflicts)
  }
}

/// Reads one `ports` section.
private struct PortReader: GuestReading {
  var state: DocumentState
  var names: [String: Place]
  let runtime: HostPlan.Runtime?
  private(set) var plans: [GuestPlan] = []
  private(set) var networkInterfaces: [(networkInterface: String, place: Place)] = []

  init(state: DocumentState, names: [String: Place], runtime: HostPlan.Runtime?) {
    self.state = state
    self.names = names
    self.runtime = runtime
  }

  mutating func readDocument(_ root: Located) {
    for item in items(root) {
      if let plan = readGuest(item, runtime) { plans.append(plan) }
    }
  }

  mutating func note(networkInterface: String, at place: Place) {
    networkInterfaces.append((networkInterface, place))
  }
}

extension GuestPlan {
  /// What only one port may have, such as ``the interface `tap0` ``.
  fileprivate var deviceName: String {
    switch device {
    case .interface(let name), .tap(let name): "the interface `\(name)`"
    case .vhostUser(let plan): "the socket `\(plan.socket)`"
    case .ethdev(let text): "the device `\(DevicePlan(text).name)`"
    }
  }
}

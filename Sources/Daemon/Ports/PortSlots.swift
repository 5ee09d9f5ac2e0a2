import Controller
import HostPlan

/// Which guest has the port of which number, and which numbers are free.
///
/// A number is given to another guest only when nothing of the port that had it is on its way any
/// more.
struct PortSlots: Sendable {
  /// Ports are numbered from 1 to this.
  let capacity: Int
  /// Open ports by number.
  private(set) var guests: [Int: GuestPlan] = [:]
  /// Devices that can be opened at start only: without a guest they stay open, and nobody polls
  /// them.
  private(set) var spare: [Int: DevicePlan] = [:]
  /// Ports that were closed, and packets that came by them are still on their way.
  private(set) var leaving: Set<Int> = []

  /// - Parameters:
  ///   - guests: open already, from port 1 on.
  ///   - devices: open already and without guests, at the numbers after theirs.
  init(capacity: Int, guests: [GuestPlan], devices: [DevicePlan] = []) {
    self.capacity = capacity
    for (slot, guest) in guests.enumerated() { self.guests[slot + 1] = guest }
    for (slot, device) in devices.enumerated() { spare[guests.count + slot + 1] = device }
  }

  /// What becomes of ports for a list of them to be the one that there is.
  ///
  /// A port stays open when its guest, device and queues stay; a device that goes to another
  /// interface of the model stays open too, but for one whose socket bears the interface's name.
  ///
  /// - Throws: too many, or a device that is to be opened otherwise while it is open.
  /// - Complexity: O(n) in the number of ports.
  func change(to wanted: [GuestPlan]) throws(DataPlaneError) -> PortChange {
    var change = PortChange()
    var open = Dictionary(
      uniqueKeysWithValues: guests.map { ($0.value.resource, (port: $0.key, guest: $0.value)) })
    var waiting = Dictionary(
      uniqueKeysWithValues: spare.map { ($0.value.name, (port: $0.key, device: $0.value)) })
    var missing: [GuestPlan] = []
    for guest in wanted {
      if let present = open.removeValue(forKey: guest.resource) {
        change.guests[present.port] = try present.guest.becoming(guest)
      } else if let present = waiting.removeValue(forKey: guest.resource) {
        change.guests[present.port] = try present.device.becoming(guest)
        change.resumed.append(present.port)
      } else {
        missing.append(guest)
      }
    }
    for (port, device) in waiting.values { change.spare[port] = device }
    for (port, guest) in open.values {
      if let device = guest.waiting {
        change.spare[port] = device
      } else {
        change.closed.append(port)
      }
    }
    change.closed.sort()
    try number(missing, in: &change)
    return change
  }

  /// Gives ports that are to be opened free numbers.
  private func number(
    _ missing: [GuestPlan], in change: inout PortChange
  ) throws(DataPlaneError) {
    var free = (1...max(1, capacity)).lazy.filter {
      $0 <= capacity && guests[$0] == nil && spare[$0] == nil && !leaving.contains($0)
    }.makeIterator()
    for guest in missing {
      guard let port = free.next() else {
        throw .full(
          what: "ports", limit: capacity,
          asked: guests.count + spare.count + leaving.count + missing.count)
      }
      change.guests[port] = guest
      change.opened.append(port)
    }
  }

  /// Makes a change the state; closed ports leave.
  mutating func take(_ change: PortChange) {
    guests = change.guests
    spare = change.spare
    leaving.formUnion(change.closed)
  }

  /// Keeps numbers from being used, for nobody knows whether a worker still has their ports.
  mutating func lose(_ ports: [Int]) { leaving.formUnion(ports) }

  /// Nothing of a port is on its way any more.
  mutating func free(_ port: Int) { leaving.remove(port) }
}

/// A step from the ports that are there to those that are wanted.
struct PortChange: Sendable, Equatable {
  /// Ports that there are afterwards, by number.
  var guests: [Int: GuestPlan] = [:]
  /// Those of them that are to be opened, in the order in which they were asked for.
  var opened: [Int] = []
  var closed: [Int] = []
  /// Devices that are open without a guest afterwards.
  var spare: [Int: DevicePlan] = [:]
  /// Those that were, and get one, in the order in which they were asked for.
  var resumed: [Int] = []

  /// Does without a port that cannot be opened.
  mutating func omit(_ port: Int) {
    guests[port] = nil
    opened.removeAll { $0 == port }
  }
}

extension DevicePlan {
  /// The open device as the port of a guest, which need not repeat its options.
  fileprivate func becoming(_ guest: GuestPlan) throws(DataPlaneError) -> GuestPlan {
    var guest = guest
    guard case .ethdev(let name) = guest.device, name == device || !name.contains(","),
      guest.queues == queues
    else {
      throw .port(
        networkInterface: guest.networkInterface,
        why: "the device is open as \(device) with \(queues) \(queues == 1 ? "queue" : "queues")",
        advice: "ask for it so, or change `devices` in the host file, then 'apus run --takeover'")
    }
    guest.device = .ethdev(device)
    return guest
  }
}

extension GuestPlan {
  /// What only one port can have open, such as `tap0`.
  fileprivate var resource: String {
    switch device {
    case .interface(let name), .tap(let name): name
    case .vhostUser(let plan): plan.socket
    case .ethdev(let name): DevicePlan(name).name
    }
  }

  /// What stays open without the guest; nil when its port is closed.
  fileprivate var waiting: DevicePlan? {
    if case .ethdev(let name) = device { DevicePlan(name, queues: queues) } else { nil }
  }

  /// The open port as that of another guest, if it can be as it is.
  fileprivate func becoming(_ other: GuestPlan) throws(DataPlaneError) -> GuestPlan {
    if let waiting { return try waiting.becoming(other) }
    let bearsName = if case .vhostUser = device { true } else { false }
    guard device == other.device, queues == other.queues,
      !bearsName || networkInterface == other.networkInterface
    else {
      throw .port(
        networkInterface: other.networkInterface,
        why: "\(resource) is open with other settings, as the port of \(networkInterface)",
        advice: "delete ports/\(networkInterface) first, then apply again")
    }
    return other
  }
}

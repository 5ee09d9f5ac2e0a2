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
  /// Devices that can be opened at start only: detached they stay open, and nobody polls them.
  private(set) var spare: [Int: GuestPlan] = [:]
  /// Ports that were closed, and packets that came by them are still on their way.
  private(set) var leaving: Set<Int> = []

  /// - Parameter guests: open already, from port 1 on.
  init(capacity: Int, guests: [GuestPlan]) {
    self.capacity = capacity
    for (slot, guest) in guests.enumerated() { self.guests[slot + 1] = guest }
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
    let present = guests.merging(spare) { guest, _ in guest }
    var open = Dictionary(
      uniqueKeysWithValues: present.map { ($0.value.resource, (port: $0.key, guest: $0.value)) })
    var missing: [GuestPlan] = []
    for guest in wanted {
      guard let present = open[guest.resource] else {
        missing.append(guest)
        continue
      }
      guard present.guest.canBecome(guest) else {
        throw .port(
          networkInterface: guest.networkInterface,
          why: "\(guest.resource) is open with other settings, as the port of "
            + present.guest.networkInterface,
          advice: "delete ports/\(present.guest.networkInterface) first, then apply again")
      }
      open[guest.resource] = nil
      change.guests[present.port] = guest
    }
    for (port, guest) in open.values where guest.isDevice { change.spare[port] = guest }
    change.closed = open.values.filter { !$0.guest.isDevice }.map(\.port).sorted()
    var free = (1...max(1, capacity)).lazy.filter {
      $0 <= capacity && present[$0] == nil && !leaving.contains($0)
    }.makeIterator()
    for guest in missing {
      guard let port = free.next() else {
        throw .full(
          what: "ports", limit: capacity, asked: present.count + leaving.count + missing.count)
      }
      change.guests[port] = guest
      change.opened.append(port)
    }
    return change
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
  /// Those that are detached and stay open.
  var spare: [Int: GuestPlan] = [:]

  /// Does without a port that cannot be opened.
  mutating func omit(_ port: Int) {
    guests[port] = nil
    opened.removeAll { $0 == port }
  }
}

extension GuestPlan {
  /// What only one port can have open, such as `tap0`.
  fileprivate var resource: String {
    switch device {
    case .interface(let name), .tap(let name): name
    case .vhostUser(let plan): plan.socket
    case .ethdev(let text): String(text.prefix { $0 != "," })
    }
  }

  /// Whether the port is a device of DPDK.
  fileprivate var isDevice: Bool {
    if case .ethdev = device { true } else { false }
  }

  /// Whether the open port can be another guest's as it is.
  fileprivate func canBecome(_ other: GuestPlan) -> Bool {
    if case .vhostUser = device, networkInterface != other.networkInterface { return false }
    return device == other.device && queues == other.queues
  }
}

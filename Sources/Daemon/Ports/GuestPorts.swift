import Controller
import HostPlan
import Live
import Synchronization

/// The ports of guests on a running host, which come and go with the desired state.
///
/// One change at a time; any thread may ask what there is.
final class GuestPorts: Sendable {
  private struct State {
    var slots: PortSlots
    /// Ports that are wanted and could not be opened when the state was restored, and why.
    var unopened: [String: (guest: GuestPlan, why: String)] = [:]
  }

  private let handle: PortHandle
  private let shared: WorkerShared
  private let state: Mutex<State>

  /// - Parameters:
  ///   - guests: those whose ports are open already, from port 1 on.
  ///   - devices: open at the numbers after theirs, and without guests.
  ///   - capacity: ports that there may be.
  init(
    _ guests: [GuestPlan], devices: [DevicePlan] = [], capacity: Int, handle: PortHandle,
    shared: WorkerShared
  ) {
    self.handle = handle
    self.shared = shared
    state = Mutex(
      State(slots: PortSlots(capacity: capacity, guests: guests, devices: devices)))
  }

  /// Open ports in the order of their numbers.
  var open: [(port: Int, guest: GuestPlan)] { Self.ordered(state.withLock { $0.slots.guests }) }

  static func ordered(_ guests: [Int: GuestPlan]) -> [(port: Int, guest: GuestPlan)] {
    guests.sorted { $0.key < $1.key }.map { (port: $0.key, guest: $0.value) }
  }

  /// Why ports that are wanted are not open, by network interface.
  var unopened: [String: String] { state.withLock { $0.unopened.mapValues(\.why) } }

  /// The list of ports to which those that could not be opened belong; nil when all are open.
  var wanted: [GuestPlan]? {
    state.withLock { state in
      if state.unopened.isEmpty { return nil }
      return Self.ordered(state.slots.guests).map(\.guest) + state.unopened.values.map(\.guest)
    }
  }

  // MARK: Changes

  /// What a list of ports would change; nothing is opened.
  func change(to wanted: [GuestPlan]) throws(DataPlaneError) -> PortChange {
    settle()
    let slots = state.withLock { $0.slots }
    return try slots.change(to: wanted)
  }

  /// Opens the ports of a change, which workers do not poll yet.
  ///
  /// - Parameter isRestored: ports that cannot be opened are left out and noted, so that a device
  ///   that is gone does not keep other guests waiting. So are those that were noted before.
  /// - Returns: the change without what was left out.
  /// - Throws: the first port that cannot be opened; then none is.
  func open(_ change: PortChange, isRestored: Bool) throws(DataPlaneError) -> PortChange {
    let before = state.withLock { $0.unopened }
    var unopened: [String: (guest: GuestPlan, why: String)] = [:]
    var result = change
    for port in change.opened {
      guard let guest = change.guests[port] else { continue }
      shared.counters.clear(port: port)
      do throws(PortError) {
        try handle.attach(guest, port)
      } catch {
        let name = guest.networkInterface
        guard isRestored || before[name]?.guest == guest else {
          cancel(Array(change.opened.prefix { $0 != port }))
          throw .port(
            networkInterface: name, why: error.why, advice: error.remedy)
        }
        unopened[name] = (guest, "\(error.why) (\(error.remedy))")
        result.omit(port)
      }
    }
    state.withLock { $0.unopened = unopened }
    for port in change.resumed {
      shared.counters.clear(port: port)
      handle.resume(port)
    }
    return result
  }

  /// Closes ports again that no worker has polled.
  func cancel(_ opened: [Int]) {
    for port in opened {
      handle.detach(port)
      // No packet came by it.
      _ = handle.reclaim(port)
    }
  }

  /// Workers may have ports that were opened for a change which did not come about.
  func lose(_ opened: [Int]) { state.withLock { $0.slots.lose(opened) } }

  /// Closes what a change takes away, after every worker uses tables without it.
  func finish(_ change: PortChange) {
    let before = state.withLock { state in
      defer { state.slots.take(change) }
      return state.slots.spare
    }
    for port in change.closed { handle.detach(port) }
    for port in change.spare.keys where before[port] == nil { handle.park(port) }
    if !change.closed.isEmpty { shared.wakeAll() }
    settle()
  }

  /// Frees numbers whose ports have no packet on its way any more.
  ///
  /// - Returns: whether none is left that has.
  @discardableResult
  func settle() -> Bool {
    let leaving = state.withLock { $0.slots.leaving }
    for port in leaving where handle.reclaim(port) {
      state.withLock { $0.slots.free(port) }
    }
    return state.withLock { $0.slots.leaving.isEmpty }
  }
}

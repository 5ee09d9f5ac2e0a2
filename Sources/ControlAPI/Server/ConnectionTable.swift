import Controller
import Synchronization

/// The connections that have proven who calls, by number.
///
/// gRPC's server gives services no way to the connection. So `RequestGuard` puts the connection's
/// number into each request's metadata, where a caller cannot, and services ask here who it is.
final class ConnectionTable: Sendable {
  private struct State {
    var next: UInt64 = 1
    var callers: [UInt64: Caller] = [:]
    var countByName: [String: Int] = [:]
  }

  private let state = Mutex(State())
  private let limits: ServerLimits

  init(limits: ServerLimits) { self.limits = limits }

  /// Adds a connection.
  ///
  /// - Returns: its number, until `remove`.
  func add(_ caller: Caller) throws(Refusal) -> UInt64 {
    let limit = limits.connectionsPerCaller
    let number: UInt64? = state.withLock { state in
      guard state.countByName[caller.name, default: 0] < limit else { return nil }
      state.countByName[caller.name, default: 0] += 1
      let number = state.next
      state.next += 1
      state.callers[number] = caller
      return number
    }
    guard let number else {
      throw .tooManyCalls("connections of \(caller.name)", limit: limit)
    }
    return number
  }

  func remove(_ number: UInt64) {
    state.withLock { state in
      guard let caller = state.callers.removeValue(forKey: number) else { return }
      let left = state.countByName[caller.name, default: 1] - 1
      state.countByName[caller.name] = left > 0 ? left : nil
    }
  }

  /// Who calls over a connection; nil when it is gone.
  func caller(_ number: UInt64) -> Caller? {
    state.withLock { $0.callers[number] }
  }

  var count: Int { state.withLock { $0.callers.count } }
}

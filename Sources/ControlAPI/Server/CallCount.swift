import Controller
import Synchronization

/// Counts what is under way, and refuses what would be too much.
final class CallCount: Sendable {
  private struct State {
    var calls = 0
    var watchers = 0
    var watchersByName: [String: Int] = [:]
  }

  private let state = Mutex(State())
  private let limits: ServerLimits

  init(limits: ServerLimits) { self.limits = limits }

  /// Begins a call, which `leave` ends.
  func enter(_ caller: Caller, stays: Bool) throws(Refusal) {
    let limits = limits
    let refusal: Refusal? = state.withLock { state in
      guard stays else {
        if state.calls >= limits.calls {
          return .tooManyCalls("calls are under way", limit: limits.calls)
        }
        state.calls += 1
        return nil
      }
      if state.watchers >= limits.watchers {
        return .tooManyCalls("callers watch", limit: limits.watchers)
      }
      if state.watchersByName[caller.name, default: 0] >= limits.watchersPerCaller {
        return .tooManyCalls("calls of \(caller.name) watch", limit: limits.watchersPerCaller)
      }
      state.watchers += 1
      state.watchersByName[caller.name, default: 0] += 1
      return nil
    }
    if let refusal { throw refusal }
  }

  func leave(_ caller: Caller, stays: Bool) {
    state.withLock { state in
      guard stays else {
        state.calls -= 1
        return
      }
      state.watchers -= 1
      let left = state.watchersByName[caller.name, default: 1] - 1
      state.watchersByName[caller.name] = left > 0 ? left : nil
    }
  }

  var watchers: Int { state.withLock { $0.watchers } }
}

/// Bytes that callers may have in memory, together.
package final class ByteBudget: Sendable {
  private let used = Mutex(0)
  let limit: Int

  package init(limit: Int) { self.limit = limit }

  /// - Returns: false when there are not so many left; then nothing was taken.
  func take(_ bytes: Int) -> Bool {
    let limit = limit
    return used.withLock { used in
      guard bytes <= limit - used else { return false }
      used += bytes
      return true
    }
  }

  func give(_ bytes: Int) { used.withLock { $0 -= bytes } }
}

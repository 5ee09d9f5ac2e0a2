import Live
import Synchronization

/// Hands generations to the service thread, which alone publishes.
///
/// Nobody waits on a lock for longer than it takes to append to a list.
final class PublicationQueue: Sendable {
  struct Order: Sendable {
    var publication: Publication
    /// Called once, on the service thread: whether every worker uses the generation.
    var finish: @Sendable (Bool) -> Void
  }

  private struct State {
    var orders: [Order] = []
    var isClosed = false
  }

  private let state = Mutex(State())
  private let shared: WorkerShared

  /// - Parameter shared: whose service thread takes the orders.
  init(_ shared: WorkerShared) { self.shared = shared }

  /// Has a generation published.
  ///
  /// - Returns: whether every worker uses it; false, and nothing has changed, when one does not
  ///   take it up in time, or the service thread has ended.
  func publish(_ publication: Publication) async -> Bool {
    await withCheckedContinuation { continuation in
      let order = Order(publication: publication) { continuation.resume(returning: $0) }
      let isTaken = state.withLock { state in
        if !state.isClosed { state.orders.append(order) }
        return !state.isClosed
      }
      if isTaken { shared.wake(shared.workers) } else { order.finish(false) }
    }
  }

  /// What waits; on the service thread.
  func take() -> [Order] {
    state.withLock { state in
      if state.orders.isEmpty { return [] }
      defer { state.orders = [] }
      return state.orders
    }
  }

  var isEmpty: Bool { state.withLock { $0.orders.isEmpty } }

  /// Refuses what waits and everything from here on; when the service thread ends.
  func close() {
    let refused = state.withLock { state in
      state.isClosed = true
      defer { state.orders = [] }
      return state.orders
    }
    for order in refused { order.finish(false) }
  }
}

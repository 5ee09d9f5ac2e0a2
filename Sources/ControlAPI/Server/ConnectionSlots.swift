import Synchronization

/// How many connections a listener may still take.
///
/// Each listener has its own, so that strangers on the network leave the Unix socket alone.
final class ConnectionSlots: Sendable {
  private let free: Mutex<Int>
  let limit: Int

  init(_ limit: Int) {
    self.limit = limit
    free = Mutex(limit)
  }

  /// - Returns: false when all are taken.
  func take() -> Bool {
    free.withLock { free in
      guard free > 0 else { return false }
      free -= 1
      return true
    }
  }

  func give() { free.withLock { $0 += 1 } }
}

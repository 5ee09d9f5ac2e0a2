import Synchronization

/// What the thread that counts packets leaves to the one that writes files. Neither waits for the
/// other.
final class FlowLogMail: Sendable {
  enum Letter: Sendable {
    /// An interval begins, at nanoseconds since 1970.
    case opened(UInt64)
    case batch(FlowLogBatch)
  }

  private struct State {
    var letters: [Letter] = []
    /// Records in letters and in the one that is being written.
    var records = 0
    var isClosed = false
  }

  private let state = Mutex(State())

  /// Records that are on their way.
  var records: Int { state.withLock { $0.records } }

  func send(_ letter: Letter) {
    state.withLock { state in
      if case .batch(let batch) = letter { state.records += batch.records.count }
      state.letters.append(letter)
    }
  }

  /// Nothing follows.
  func close() { state.withLock { $0.isClosed = true } }

  /// What has come, and whether that was the last.
  func take() -> (letters: [Letter], isLast: Bool) {
    state.withLock { state in
      defer { state.letters = [] }
      return (state.letters, state.isClosed)
    }
  }

  /// Records were written, or given up.
  func settle(_ count: Int) { state.withLock { $0.records -= count } }
}

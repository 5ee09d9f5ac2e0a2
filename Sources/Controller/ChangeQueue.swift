/// Lets one change in at a time, in order of arrival; the number of those that wait is bounded.
struct ChangeQueue {
  private var isBusy = false
  private var waiting: [CheckedContinuation<Void, Never>] = []
  private let limit: Int

  init(limit: Int) {
    self.limit = limit
  }

  var count: Int { waiting.count + (isBusy ? 1 : 0) }

  enum Entry { case now, wait, refused }

  /// - Parameter isBounded: whether to refuse when too many wait.
  mutating func enter(isBounded: Bool = true) -> Entry {
    guard isBusy else {
      isBusy = true
      return .now
    }
    return waiting.count < limit || !isBounded ? .wait : .refused
  }

  mutating func wait(_ continuation: CheckedContinuation<Void, Never>) {
    waiting.append(continuation)
  }

  mutating func leave() {
    if waiting.isEmpty {
      isBusy = false
    } else {
      waiting.removeFirst().resume()
    }
  }
}

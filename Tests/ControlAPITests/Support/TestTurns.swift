/// Lets so many tests have a server at once.
///
/// Each server has some twenty descriptors, and Foundation's `Process`, which other tests of this
/// process use, reads past the end of its list of descriptors when there are over a thousand.
actor TestTurns {
  static let shared = TestTurns(8)

  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { free = count }

  func take() async {
    if free > 0 {
      free -= 1
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  func give() {
    if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
  }
}

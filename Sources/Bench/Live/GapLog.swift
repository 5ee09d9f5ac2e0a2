/// When a polling thread did not poll for a while.
///
/// Where much more passes between two polls than the frames between them explain, something else
/// had the processor: an interrupt, another program, the hypervisor. That this is so is measured,
/// not assumed: see `LatencyBenchmark`.
struct GapLog: @unchecked Sendable {
  static let capacity = 1 << 16

  struct Gap {
    var start: UInt64
    var end: UInt64
  }

  private struct State {
    var last: UInt64
    var count: Int
  }

  /// Ticks between two polls without a frame beyond which they are a gap, and what each frame that
  /// was handled between them adds.
  let threshold: UInt64
  let perFrame: UInt64
  private let state: UnsafeMutablePointer<State>
  private let gaps: UnsafeMutablePointer<Gap>

  init(threshold: UInt64, perFrame: UInt64) {
    self.threshold = threshold
    self.perFrame = perFrame
    state = .allocate(capacity: 1)
    state.initialize(to: State(last: 0, count: 0))
    gaps = .allocate(capacity: Self.capacity)
    // Touched here: a page fault while frames are under way would be a gap of our own making.
    gaps.initialize(repeating: Gap(start: 0, end: 0), count: Self.capacity)
  }

  func deallocate() {
    state.deallocate()
    gaps.deallocate()
  }

  /// The thread begins to poll again after it did something else.
  func begin(_ now: UInt64) { state.pointee.last = now }

  /// Notes that the thread polls; on the thread itself.
  ///
  /// - Parameter frames: handled since the last poll.
  @inline(__always)
  func poll(_ now: UInt64, frames: Int) {
    let last = state.pointee.last
    state.pointee.last = now
    let explained = perFrame &* UInt64(truncatingIfNeeded: frames)
    if now &- last > threshold &+ explained { record(last, now) }
  }

  @inline(never)
  private func record(_ start: UInt64, _ end: UInt64) {
    guard start > 0, state.pointee.count < Self.capacity else { return }
    gaps[state.pointee.count] = Gap(start: start, end: end)
    state.pointee.count += 1
  }

  /// What was recorded, when the thread is done.
  var recorded: [Gap] { (0..<state.pointee.count).map { gaps[$0] } }
}

import CDataplane
import CThreads

/// When the scheduler took the processor from a polling thread.
///
/// A poll that comes late is only looked at: if the kernel counts no more preemptions of the thread
/// than before, the delay was the thread's own and is not recorded.
struct PreemptionLog: @unchecked Sendable {
  static let capacity = 4096

  struct Gap {
    var start: UInt64
    var end: UInt64
  }

  private struct State {
    var last: UInt64
    var preemptions: Int
    var count: Int
  }

  /// Ticks between two polls beyond which something happened.
  let threshold: UInt64
  private let state: UnsafeMutablePointer<State>
  private let gaps: UnsafeMutablePointer<Gap>

  init(threshold: UInt64) {
    self.threshold = threshold
    state = .allocate(capacity: 1)
    state.initialize(to: State(last: 0, preemptions: 0, count: 0))
    gaps = .allocate(capacity: Self.capacity)
  }

  func deallocate() {
    state.deallocate()
    gaps.deallocate()
  }

  /// Notes that the thread polls; on the thread itself.
  @inline(__always)
  func poll(_ now: UInt64) {
    let last = state.pointee.last
    state.pointee.last = now
    if now &- last > threshold { look(last, now) }
  }

  @inline(never)
  private func look(_ start: UInt64, _ end: UInt64) {
    let preemptions = Int(apus_thread_preemptions())
    defer { state.pointee.preemptions = preemptions }
    guard preemptions > state.pointee.preemptions, start > 0 else { return }
    if state.pointee.count == Self.capacity { return }
    gaps[state.pointee.count] = Gap(start: start, end: end)
    state.pointee.count += 1
  }

  /// What was recorded, when the thread is done.
  var recorded: [Gap] { (0..<state.pointee.count).map { gaps[$0] } }
}

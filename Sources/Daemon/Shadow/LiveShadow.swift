import Controller
import Datapath
import Live
import Synchronization
import TableCompiler

/// A candidate beside the tables in use: takes packets from the workers' rings when its caller asks
/// for reports, and judges them there, off the workers' processors.
///
/// It ends with its time, with the tables that it compares with, when nobody has it any more, or a
/// little after its time when the caller does not ask. Engines and rings are given back then.
final class LiveShadow: ShadowSession {
  /// Packets that are judged at once.
  private static let batch = 256
  /// Between two looks into empty rings.
  private static let pause = Duration.milliseconds(5)
  private static let interval = Duration.seconds(1)
  /// How long after its time packets that came before are judged, and how long it stays for a
  /// caller that does not ask.
  private static let grace = Duration.seconds(2)

  private struct State {
    /// Both are nil when it has ended.
    var memory: ObservationMemory?
    var judge: ShadowJudge?
    /// The last one.
    var report = ShadowReport()
    var hasBegun = false
    var hasToldEnd = false
    var reportedAt = ContinuousClock.now
    /// The worker whose ring is looked into first.
    var next = 0
  }

  private enum Step {
    case report(ShadowReport)
    /// There may be more packets, or there are none.
    case busy, idle
    case over
  }

  private let state: Mutex<State>
  private let seat: ObservationSeat
  private let deadline: ContinuousClock.Instant
  /// Whether the tables are those that it compares with.
  private let isCurrent: @Sendable () -> Bool

  /// Takes the seat and has the workers look.
  init(
    _ judge: ShadowJudge, _ memory: ObservationMemory, seat: ObservationSeat, seconds: Int,
    isCurrent: @escaping @Sendable () -> Bool
  ) throws(ObservationError) {
    self.seat = seat
    self.isCurrent = isCurrent
    deadline = .now + .seconds(seconds)
    state = Mutex(State())
    try seat.take { [weak self] _ in self?.finish(.daemon) }
    state.withLock { state in
      state.memory = memory
      state.judge = judge
    }
    guard memory.begin() else {
      finish(.daemon)
      throw .busy(limit: ObservationSeat.limit)
    }
    // The end may have come before there was anything to end.
    if seat.isClosed {
      finish(.daemon)
      throw .ending
    }
    watch()
  }

  deinit { finish(.caller) }

  /// Ends it when its caller does not.
  private func watch() {
    let end = deadline + Self.grace + Self.grace
    Task.detached { [weak self] in
      try? await Task.sleep(until: end)
      self?.finish(.duration)
    }
  }

  func next() async -> ShadowReport? {
    while true {
      let (step, memory) = state.withLock { advance(&$0) }
      if let memory { seat.leave(memory) }
      switch step {
      case .report(let report): return report
      case .over: return nil
      case .busy: await Task.yield()
      case .idle:
        // Cancelled: whoever read it has gone.
        guard (try? await Task.sleep(for: Self.pause)) != nil else {
          finish(.caller)
          return nil
        }
      }
    }
  }

  func stop() async -> ShadowReport {
    // As much as rings hold, and no more, however much comes.
    for _ in 0..<1_000 {
      if state.withLock({ drain(&$0) }) < Self.batch { break }
      await Task.yield()
    }
    let (report, memory) = state.withLock { state in
      let memory = Self.finish(&state, nil)
      state.hasToldEnd = true
      return (state.report, memory)
    }
    if let memory { seat.leave(memory) }
    return report
  }

  /// Has the workers let go. The first reason is what the caller is told.
  private func finish(_ end: ShadowEnd) {
    let memory = state.withLock { Self.finish(&$0, end) }
    if let memory { seat.leave(memory) }
  }

  private static func finish(_ state: inout State, _ end: ShadowEnd?) -> ObservationMemory? {
    guard let memory = state.memory else { return nil }
    state.report = report(state)
    state.report.end = end
    state.memory = nil
    state.judge = nil
    return memory
  }

  private static func report(_ state: State) -> ShadowReport {
    guard let memory = state.memory, let judge = state.judge else { return state.report }
    var report = judge.report
    report.overrun = memory.overrun
    report.unaffordable = memory.unaffordable
    return report
  }

  /// Judges some packets, and ends when it is time.
  private func advance(_ state: inout State) -> (step: Step, memory: ObservationMemory?) {
    if state.hasToldEnd { return (.over, nil) }
    guard state.memory != nil else {
      state.hasToldEnd = true
      return (.report(state.report), nil)
    }
    if !state.hasBegun {
      state.hasBegun = true
      return (.report(ShadowReport()), nil)
    }
    // Asked before the rings: what came until then is in them.
    let now = ContinuousClock.now
    let hasChanged = !isCurrent()
    let count = drain(&state)
    let isOver = now >= deadline && (count < Self.batch || now >= deadline + Self.grace)
    if hasChanged || isOver {
      let memory = Self.finish(&state, hasChanged ? .rules : .duration)
      state.hasToldEnd = true
      return (.report(state.report), memory)
    }
    guard now - state.reportedAt >= Self.interval else {
      return (count < Self.batch ? .idle : .busy, nil)
    }
    state.reportedAt = now
    return (.report(Self.report(state)), nil)
  }

  /// Judges packets of all rings in turn.
  ///
  /// - Returns: how many; less than a batch when the rings are empty.
  private func drain(_ state: inout State) -> Int {
    guard let memory = state.memory, let judge = state.judge else { return 0 }
    var count = 0
    var empty = 0
    while empty < memory.workerCount, count < Self.batch {
      let worker = state.next % memory.workerCount
      state.next = worker + 1
      let isTaken: Void? = memory.take(worker: worker) { packet, _, frame in
        judge.judge(packet, frame)
      }
      if isTaken == nil {
        empty += 1
      } else {
        empty = 0
        count += 1
      }
    }
    return count
  }
}

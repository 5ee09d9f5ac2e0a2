import Controller
import Datapath
import Live
import Synchronization

/// One trace or capture under way: takes from the workers' rings when its caller asks for more.
///
/// It ends at a limit, when nobody has the stream any more, or a little after its time when the
/// caller does not ask. The memory is given back then, whatever is unread.
final class ObservationSession<Packet: Sendable>: Sendable {
  typealias Convert =
    @Sendable (
      ObservedPacket, UnsafeBufferPointer<TraceEvent>, UnsafeRawBufferPointer
    ) -> (packet: Packet, bytes: Int)

  /// Packets, and bytes of their frames, in one batch.
  private static var batchPackets: Int { 64 }
  private static var batchBytes: Int { 256 << 10 }
  /// Between two looks into empty rings.
  private static var pause: Duration { .milliseconds(5) }
  /// How long after its time a session stays for a caller that does not ask.
  private static var grace: Duration { .seconds(2) }

  private struct State {
    /// nil when it has ended.
    var memory: ObservationMemory?
    var end: ObservationEnd?
    var hasBegun = false
    var hasToldEnd = false
    var packets = 0
    var bytes = 0
    var overrun: UInt64 = 0
    var unaffordable: UInt64 = 0
    /// The worker whose ring is looked into first.
    var next = 0
  }

  private let state: Mutex<State>
  private let seat: ObservationSeat
  private let limits: ObservationLimits
  private let deadline: ContinuousClock.Instant
  private let convert: Convert
  /// Whether what is looked at is still there.
  private let isThere: @Sendable () -> Bool

  /// Takes the seat and has the workers look.
  init(
    _ memory: ObservationMemory, seat: ObservationSeat, limits: ObservationLimits,
    isThere: @escaping @Sendable () -> Bool, convert: @escaping Convert
  ) throws(ObservationError) {
    self.seat = seat
    self.limits = limits
    self.convert = convert
    self.isThere = isThere
    deadline = .now + .seconds(limits.seconds)
    state = Mutex(State())
    try seat.take { [weak self] in self?.finish($0) }
    state.withLock { $0.memory = memory }
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

  deinit { finish(.duration) }

  /// What the caller reads; letting go of it ends the session.
  var stream: AsyncStream<ObservationBatch<Packet>> {
    AsyncStream(unfolding: { await self.next() }, onCancel: { self.finish(.duration) })
  }

  /// Ends the session when its caller does not.
  private func watch() {
    let end = deadline + Self.grace
    Task.detached { [weak self] in
      try? await Task.sleep(until: end)
      self?.finish(.duration)
    }
  }

  /// Has the workers let go. The first reason is what the caller is told.
  private func finish(_ end: ObservationEnd) {
    let memory = state.withLock { Self.finish(&$0, end) }
    if let memory { seat.leave(memory) }
  }

  private static func finish(_ state: inout State, _ end: ObservationEnd) -> ObservationMemory? {
    guard let memory = state.memory else { return nil }
    state.memory = nil
    state.end = end
    state.overrun = memory.overrun
    state.unaffordable = memory.unaffordable
    return memory
  }

  /// The next packets; nil after the end.
  private func next() async -> ObservationBatch<Packet>? {
    while true {
      let (batch, memory) = state.withLock { take(&$0) }
      if let memory { seat.leave(memory) }
      guard let batch else { return nil }
      if !batch.packets.isEmpty || batch.end != nil { return batch }
      if state.withLock({ state in
        defer { state.hasBegun = true }
        return !state.hasBegun
      }) {
        return batch
      }
      // Cancelled: whoever read it has gone.
      guard (try? await Task.sleep(for: Self.pause)) != nil else {
        finish(.duration)
        return nil
      }
    }
  }

  /// Takes what there is, and ends the session at a limit.
  private func take(
    _ state: inout State
  ) -> (batch: ObservationBatch<Packet>?, memory: ObservationMemory?) {
    if state.hasToldEnd { return (nil, nil) }
    var batch = ObservationBatch<Packet>()
    var ended: ObservationMemory?
    if let memory = state.memory {
      // Asked before the rings: what came until then is in them.
      let isOver = ContinuousClock.now >= deadline
      let isGone = !isThere()
      drain(memory, &state, &batch)
      let isFull = state.packets >= limits.packets || state.bytes >= limits.bytes
      if isFull || batch.packets.isEmpty && (isOver || isGone) {
        ended = Self.finish(&state, isFull ? .count : isGone ? .networkInterface : .duration)
      } else {
        batch.overrun = memory.overrun
        batch.unaffordable = memory.unaffordable
      }
    }
    if state.memory == nil {
      batch.end = state.end
      batch.overrun = state.overrun
      batch.unaffordable = state.unaffordable
      state.hasToldEnd = true
    }
    return (batch, ended)
  }

  private func drain(
    _ memory: ObservationMemory, _ state: inout State, _ batch: inout ObservationBatch<Packet>
  ) {
    var bytes = 0
    var empty = 0
    while empty < memory.workerCount, batch.packets.count < Self.batchPackets,
      bytes < Self.batchBytes, state.packets < limits.packets, state.bytes < limits.bytes
    {
      let worker = state.next % memory.workerCount
      state.next = worker + 1
      guard let taken = memory.take(worker: worker, convert) else {
        empty += 1
        continue
      }
      empty = 0
      batch.packets.append(taken.packet)
      bytes += taken.bytes
      state.packets += 1
      state.bytes += taken.bytes
    }
  }
}

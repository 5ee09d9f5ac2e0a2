/// Those who watch the status; each holds at most one status that it has not taken.
struct Watchers {
  private var continuations: [UInt64: AsyncStream<ControlStatus>.Continuation] = [:]
  private var next: UInt64 = 0

  var count: Int { continuations.count }

  /// Adds a watcher that begins with a status.
  mutating func add(
    _ status: ControlStatus, onEnd: @escaping @Sendable (UInt64) -> Void
  ) -> AsyncStream<ControlStatus> {
    let (stream, continuation) = AsyncStream<ControlStatus>.makeStream(
      bufferingPolicy: .bufferingNewest(1))
    let number = next
    next += 1
    continuation.onTermination = { _ in onEnd(number) }
    continuation.yield(status)
    continuations[number] = continuation
    return stream
  }

  mutating func remove(_ number: UInt64) { continuations[number] = nil }

  func send(_ status: ControlStatus) {
    for continuation in continuations.values { continuation.yield(status) }
  }

  func finish() {
    for continuation in continuations.values { continuation.finish() }
  }
}

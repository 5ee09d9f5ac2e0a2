import Datapath
import Live

/// What looks at the packets of each worker, at places that do not move.
///
/// Freed with this object, which therefore has to stay until no worker uses any of it.
final class ObservationMemory: @unchecked Sendable {
  private let memory: UnsafeMutablePointer<Observation>
  private let shared: WorkerShared
  private let workers: Int

  init(_ shared: WorkerShared, _ make: () -> Observation) {
    self.shared = shared
    workers = shared.workers
    memory = .allocate(capacity: workers)
    for worker in 0..<workers { (memory + worker).initialize(to: make()) }
  }

  deinit {
    memory.deinitialize(count: workers)
    memory.deallocate()
  }

  /// Has all workers look.
  ///
  /// - Returns: false when one still has another observation; those that began are to be ended.
  func begin() -> Bool {
    for worker in 0..<workers {
      if !shared.observe(worker: worker, memory + worker) { return false }
    }
    return true
  }

  /// Asks all workers to let go, and waits until they have.
  ///
  /// - Returns: false when one has not within 2 s; then this object has to stay for ever.
  func end() async -> Bool {
    for worker in 0..<workers {
      memory[worker].end()
      shared.wake(worker)
    }
    for _ in 0..<2_000 {
      if !(0..<workers).contains(where: { shared.isObserved(worker: $0) }) { return true }
      try? await Task.sleep(for: .milliseconds(1))
    }
    return false
  }

  /// Takes the oldest packet of one of the workers.
  func take<Result>(
    worker: Int,
    _ body: (
      ObservedPacket, UnsafeBufferPointer<TraceEvent>, UnsafeRawBufferPointer
    ) -> Result
  ) -> Result? {
    memory[worker].take(body)
  }

  var workerCount: Int { workers }
  var overrun: UInt64 { (0..<workers).reduce(0) { $0 + memory[$1].overrun } }
  var unaffordable: UInt64 { (0..<workers).reduce(0) { $0 + memory[$1].unaffordable } }
}

import Glibc
import LockFree

/// Where workers that are ready wait until all may begin.
///
/// Making an engine takes a while, and a data plane that takes over from another one must not make
/// guests wait for it.
struct StartGate: Sendable {
  private let workers: Int
  /// The first line says that the gate is open, the next ones that a worker has come to it.
  private let memory: SharedMemory

  init(workers: Int) {
    self.workers = workers
    memory = SharedMemory(lines: workers + 1)
  }

  /// Waits until the gate is open; on a worker's thread, when it is ready.
  func pass(worker: Int) {
    memory.line(worker + 1).store(1)
    while memory.line(0).load() == 0 { usleep(100) }
  }

  /// Waits until all workers have come.
  ///
  /// - Returns: false when the time is over first.
  func awaitAll(seconds: Int) -> Bool {
    for _ in 0..<seconds * 1000 {
      if (1...workers).allSatisfy({ memory.line($0).load() == 1 }) { return true }
      usleep(1000)
    }
    return false
  }

  /// Lets all pass from now on.
  func open() { memory.line(0).store(1) }

  /// Gives the memory back, when no worker runs.
  func deallocate() { memory.deallocate() }
}

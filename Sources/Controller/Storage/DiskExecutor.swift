import Dispatch

/// Runs an actor's jobs one after another on a thread that may wait for the disk.
///
/// The threads of Swift's own executor are as many as processors; an `fsync` that takes a second
/// must not take one of them away.
final class DiskExecutor: SerialExecutor {
  private let queue: DispatchQueue

  init(_ name: String) {
    queue = DispatchQueue(label: name)
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { [self] in job.runSynchronously(on: asUnownedSerialExecutor()) }
  }
}

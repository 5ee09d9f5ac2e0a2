import CThreads

/// The processors that this process may use.
public enum Processors {
  private static let capacity = 1024

  /// Their numbers, from the affinity mask that the process was started with (sched(7)).
  public static let available: Set<Int> = ofThisThread

  /// Those that the calling thread may use.
  static var ofThisThread: Set<Int> {
    var allowed = [UInt8](repeating: 0, count: capacity)
    guard apus_allowed_processors(&allowed, Int32(capacity)) == 0 else { return [0] }
    return Set(allowed.indices.filter { allowed[$0] == 1 })
  }

  /// Keeps the calling thread, and all that it starts from now on, off the workers' processors:
  /// what callers of the API ask for must not take a worker's time. Workers bind themselves.
  ///
  /// - Parameter workers: the processor of each worker, nil for one that is not bound.
  /// - Returns: false when there is no other processor, and nothing was changed.
  static func leave(to workers: [Int?]) -> Bool {
    let others = ofThisThread.subtracting(workers.compactMap { $0 })
    if others.isEmpty { return false }
    var allowed = [UInt8](repeating: 0, count: capacity)
    for processor in others where processor < capacity { allowed[processor] = 1 }
    return apus_restrict_thread(&allowed, Int32(capacity)) == 0
  }

  /// Binds the calling thread to one processor.
  ///
  /// - Returns: zero, or the number of the error.
  static func pin(to processor: Int) -> Int32 { apus_pin_thread(Int32(clamping: processor)) }
}

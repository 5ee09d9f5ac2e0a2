import CThreads

/// The processors that this process may use.
public enum Processors {
  private static let capacity = 1024

  /// Their numbers, from the affinity mask that the process was started with (sched(7)).
  public static let available: Set<Int> = {
    var allowed = [UInt8](repeating: 0, count: capacity)
    guard apus_allowed_processors(&allowed, Int32(capacity)) == 0 else { return [0] }
    return Set(allowed.indices.filter { allowed[$0] == 1 })
  }()

  /// Binds the calling thread to one processor.
  ///
  /// - Returns: zero, or the number of the error.
  static func pin(to processor: Int) -> Int32 { apus_pin_thread(Int32(clamping: processor)) }
}

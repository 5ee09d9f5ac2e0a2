import CThreads

/// The processors that benchmarks run on.
enum Processors {
  /// Binds the calling thread; the number of the error, or 0.
  static func pin(_ processor: Int) -> Int32 { apus_pin_thread(Int32(processor)) }
}

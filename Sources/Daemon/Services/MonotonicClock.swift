import Glibc

/// Time of everything that is no packet.
enum MonotonicClock {
  /// CLOCK_MONOTONIC in nanoseconds.
  static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// CLOCK_REALTIME in nanoseconds: what the other clock's times are for people.
  static func timeOfDay() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
